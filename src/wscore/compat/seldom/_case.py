"""seldom's test case, its log, and its test runner."""

from __future__ import annotations

import logging
import sys
import time
import unittest
from pathlib import Path
from typing import Final

__all__ = ["TestCase", "log", "main"]

log: Final = logging.getLogger("wscore.seldom")


class TestCase(unittest.TestCase):
    """A test case with the hooks `start` and `end`, before and after each test."""

    def start(self) -> None:
        """Prepare a test; called by `setUp`."""

    def end(self) -> None:
        """Clean up after a test; called by `tearDown`."""

    def setUp(self) -> None:
        """Call `start`."""
        self.start()

    def tearDown(self) -> None:
        """Call `end`."""
        self.end()

    @staticmethod
    def sleep(sec: float = 1) -> None:
        """Wait `sec` seconds, with a line in the log."""
        log.info("\N{SLEEPING SYMBOL}\N{VARIATION SELECTOR-16} sleep: %gs.", sec)
        time.sleep(sec)


def main(path: str | None = None, case: str | None = None, *, debug: bool = False) -> None:
    """Run the tests of the calling module, of `path`, or of `case`. The log goes to stderr.

    Args:
        path: A file or a folder.
        case: One test, as "module.Class.test".
        debug: Name each test in the output.

    Raises:
        SystemExit: A test has failed; the status is 1.
    """
    loader = unittest.defaultTestLoader
    if case is not None:
        tests = loader.loadTestsFromName(case)
    elif path is None:
        caller = sys._getframe(1).f_globals["__name__"]  # pyright: ignore[reportPrivateUsage]
        tests = loader.loadTestsFromModule(sys.modules[caller])
    elif path.endswith(".py"):
        tests = loader.discover(str(Path(path).parent), Path(path).name)
    else:
        tests = loader.discover(path)
    if not log.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter(_FORMAT, "%Y-%m-%d %H:%M:%S"))
        log.addHandler(handler)
        log.setLevel(logging.INFO)
    if not unittest.TextTestRunner(verbosity=2 if debug else 1).run(tests).wasSuccessful():
        sys.exit(1)


_FORMAT: Final = "%(asctime)s | %(levelname)-8s | %(filename)s | %(message)s"
