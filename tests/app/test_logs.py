"""What stands in logs, and that it goes on standing there."""

from __future__ import annotations

import logging
import logging.config
from collections.abc import Iterator

import pytest

from wscore._logs import logger
from wscore.app._shown import shown


@pytest.fixture
def set_up_as_applications_do() -> Iterator[None]:
    """`dictConfig` with its defaults, which disables what it does not name; afterwards all is as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    names = list(logging.root.manager.loggerDict)
    before = {name: logging.getLogger(name).disabled for name in names}
    logger("wscore.app")
    logging.config.dictConfig({"version": 1})
    try:
        yield
    finally:
        for name, disabled in before.items():
            logging.getLogger(name).disabled = disabled
        root.handlers[:] = handlers
        root.setLevel(level)


@pytest.mark.parametrize("name", ["wscore.app", "wscore.client", "wscore.error"])
def test_an_application_that_sets_up_logging_silences_nobody(name: str, set_up_as_applications_do: None) -> None:
    """Records still reach its handlers; tracebacks, above all."""
    own = logging.getLogger(name)
    own.disabled = True
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    own.addHandler(handler)
    try:
        raise LookupError("on purpose")
    except LookupError:
        logger(name).exception("it failed: %s", "thus")
    finally:
        own.removeHandler(handler)
    (record,) = records
    assert (record.name, record.getMessage(), record.funcName) == (
        name,
        "it failed: thus",
        "test_an_application_that_sets_up_logging_silences_nobody",
    )
    assert record.exc_info is not None


def test_a_level_silences() -> None:
    """It is how to silence a logger that cannot be disabled."""
    own = logging.getLogger("wscore.test.level")
    own.setLevel(logging.CRITICAL)
    assert not logger("wscore.test.level").isEnabledFor(logging.ERROR)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("blue", "blue"),
        ("käse \U0001f9c0", "käse \U0001f9c0"),
        ("a\nERROR b", "a\\nERROR b"),
        ("\x1b[31m\x9b\x7f", "\\x1b[31m\\x9b\\x7f"),
        ("\u202e\u2028", "\\u202e\\u2028"),
        ("\ud800", "\\ud800"),
        (ValueError("a\rb"), "a\\rb"),
    ],
)
def test_what_is_not_printable_is_spelled_out(text: object, expected: str) -> None:
    """Lines are not forged, terminals not driven, and every handler can encode it."""
    assert shown(text) == expected
