"""The pages on the API leave no public name out."""

import re
from pathlib import Path

import pytest

import wscore
import wscore_asyncio
import wscore_trio
from wscore import recording, testing
from wscore.recording import reading
from wscore.testing import frames, handshakes, machine, memory, pair, strategies

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "api.md").read_text()
NAMES = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", PAGE))))


@pytest.mark.parametrize("module", [wscore, wscore_asyncio, wscore_trio], ids=lambda module: module.__name__)
def test_every_public_name_is_on_the_page(module: object) -> None:
    """docs/reference/api.md names whatever a package publishes."""
    assert set(module.__all__) - NAMES == set()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "kind",
    [
        wscore.ServerConnection,
        wscore.ClientConnection,
        wscore.ConnectionClosed,
        wscore.Lifespan,
        wscore_asyncio.Server,
        wscore_asyncio.WebSocket,
        wscore_trio.Server,
        wscore_trio.WebSocket,
    ],
    ids=repr,
)
def test_every_public_method_is_on_the_page(kind: type) -> None:
    """docs/reference/api.md names each public method and property."""
    assert {name for name in vars(kind) if not name.startswith("_")} - NAMES == set()


TESTING = re.sub(
    "^```.*?^```",
    "",
    (Path(__file__).parents[2] / "docs" / "reference" / "testing.md").read_text(),
    flags=re.DOTALL | re.MULTILINE,
)
TESTING_NAMES = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", TESTING))))


def test_every_name_for_tests_is_on_its_page() -> None:
    """docs/reference/testing.md names what `wscore.testing` publishes, with each method and property."""
    kinds = (
        testing.TestClient,
        testing.AsyncTestClient,
        testing.WebSocketTestSession,
        testing.AsyncWebSocketTestSession,
        testing.WebSocketDenialResponse,
    )
    names = {name for kind in kinds for name in vars(kind) if not name.startswith("_")}
    assert {*names, *testing.__all__} - TESTING_NAMES == set()


@pytest.mark.parametrize(
    "module", [strategies, machine, frames, handshakes, pair, memory], ids=lambda each: each.__name__
)
def test_every_name_for_tests_of_cores_is_on_its_page(module: object) -> None:
    """docs/reference/testing.md names what the other modules of `wscore.testing` publish."""
    assert set(module.__all__) - TESTING_NAMES == set()  # type: ignore[attr-defined]


RECORDINGS = (Path(__file__).parents[2] / "docs" / "reference" / "recordings.md").read_text()


def test_every_name_of_recordings_is_on_its_page() -> None:
    """docs/reference/recordings.md names what `wscore.recording` publishes, each call that a line can be of, and each
    field that a line can have."""
    names = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", RECORDINGS))))
    fields = {
        *reading._HEADER,
        *reading._ANYWHERE,
        *(name for end in reading._CALLS.values() for name in set().union(*end.values())),
    }
    assert {*recording.__all__, *fields} - names - {"pongs"} == set()
