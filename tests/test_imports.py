"""`import wscore` loads the core alone: nothing that waits, nothing that talks to the network, no clock, no chance."""

import subprocess
import sys

import pytest

FORBIDDEN = [
    *("asyncio", "trio", "anyio", "socket", "ssl", "selectors"),
    *("threading", "concurrent.futures", "multiprocessing", "random", "secrets", "logging", "importlib.metadata"),
    *("wscore_asyncio", "wscore_trio", "wscore._cli", "wscore.transport", "wscore.conformance", "wsproto"),
]


def _loaded_by(statement: str) -> set[str]:
    # -S would lose the installed packages; instead what the interpreter loads by itself is taken away.
    code = f"import sys; before = set(sys.modules); {statement}; print(*(set(sys.modules) - before))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """What `import wscore` loads in a fresh interpreter."""
    return _loaded_by("import wscore")


@pytest.mark.parametrize("module", FORBIDDEN)
def test_the_core_does_not_load(loaded, module):
    """Neither directly nor through h11, wsproto or the standard library."""
    assert module not in loaded


def test_the_core_loads_h11(loaded):
    """The list above is not empty by mistake: what the core needs is seen."""
    assert {"wscore", "wscore._core.lifecycle", "h11"} <= loaded


def test_seldoms_client_needs_no_event_loop():
    """It is a thread, a socket and a selector."""
    loaded = _loaded_by("import wscore.compat.seldom")
    assert "wscore.compat.seldom" in loaded
    assert not loaded & {"anyio", "asyncio", "trio", "wscore.app", "wscore_asyncio", "wscore_trio"}


@pytest.mark.parametrize(("transport", "other"), [("wscore_asyncio", "trio"), ("wscore_trio", "wscore_asyncio")])
def test_a_transport_does_not_load_the_other(transport, other):
    """Each transport needs its own library alone."""
    loaded = _loaded_by(f"import {transport}")
    assert transport in loaded
    assert other not in loaded
