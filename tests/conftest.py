"""What holds for all tests: the option `--engine`, and examples that are the same in every run.

The product does not know of the option: what changes is the default of `Config(engine=...)`, in the tests' own process.
A test that names an engine gets the one it names.

Hypothesis derives its examples from the test, so that a run is red for a change and never by chance. Other examples
than these are looked for where more of them are asked for, with `WSCORE_EXAMPLES`, and by the fuzzer. With
`--hypothesis-profile="the first that fails"` an example that fails is not made smaller, which takes long.
"""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import Phase, settings

from wscore import Config, ServerConfig


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--engine", choices=["native", "wsproto"], help="the frame engine of connections by default")


settings.register_profile("the same in every run", derandomize=True, deadline=None)
settings.register_profile(
    "the first that fails",
    settings.get_profile("the same in every run"),
    phases=[Phase.explicit, Phase.generate],
    database=None,
)


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell ignores it for its background commands, and the commands that are tested would inherit that.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if "WSCORE_EXAMPLES" not in os.environ and not config.getoption("--hypothesis-profile", None):
        settings.load_profile("the same in every run")
    if engine := config.getoption("engine"):
        for kind in (Config, ServerConfig):
            defaults = kind.__init__.__kwdefaults__
            assert defaults is not None
            defaults["engine"] = engine
            assert kind().engine == engine


def pytest_report_header() -> str:
    return f"frame engine: {Config().engine}"
