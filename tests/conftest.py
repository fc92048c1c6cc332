"""The option `--engine`: on which frame engine the tests run.

The product does not know of it: what changes is the default of `Config(engine=...)`, in the tests' own process. A test
that names an engine gets the one it names.
"""

from __future__ import annotations

import pytest

from wscore import Config


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--engine", choices=["native", "wsproto"], help="the frame engine of connections by default")


def pytest_configure(config: pytest.Config) -> None:
    if engine := config.getoption("engine"):
        defaults = Config.__init__.__kwdefaults__
        assert defaults is not None
        defaults["engine"] = engine
        assert Config().engine == engine


def pytest_report_header() -> str:
    return f"frame engine: {Config().engine}"
