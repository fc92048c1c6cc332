"""A server's transport does what its core says, whatever happens and whenever; nothing is left when it is over."""

from __future__ import annotations

import pytest
from hypothesis import given

from tests.core import peer
from wscore import Config

from .steps import at_length, briefly, chance, configs, server_scripts
from .world import Server, Step, play

LIBRARIES = ("asyncio", "trio")


@pytest.mark.parametrize("library", LIBRARIES)
@briefly
@given(config=configs, script=server_scripts, chance=chance)
def test_a_server_does_what_its_core_says(library: str, config: Config, script: list[Step], chance: object) -> None:
    """I14: bytes, messages and the end of the socket are those of a bare core, at the same moments."""
    play(Server(library, config), script)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:Generating overly large repr")  # of a play with megabytes in it
@pytest.mark.parametrize("library", LIBRARIES)
@at_length
@given(config=configs, script=server_scripts, chance=chance)
def test_a_server_does_so_at_length(library: str, config: Config, script: list[Step], chance: object) -> None:
    """The same with many more examples, others each time."""
    play(Server(library, config), script)


@pytest.mark.parametrize("library", LIBRARIES)
def test_nothing_comes_after_the_peers_end(library: str) -> None:
    """Where a full queue holds back both, what a peer tries to write after its end is never received."""
    script: list[Step] = [
        ("peer_sends", peer.head()),
        ("receives", 0),
        ("sends", 0, {"type": "websocket.accept"}),
        ("peer_sends", peer.text("x") * 10),
        ("peer_ends",),
        ("peer_sends", peer.text("late")),
        ("receives", 0, 20),
    ]
    play(Server(library, Config(max_queue=3)), script)
