"""Last words: a close frame that came counts, and one that can be sent is sent."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.core import peer as frames
from wscore import Config, ServerConnection

from .steps import ACCEPT
from .world import Client, Server, Step, play


@pytest.mark.parametrize("count", [1, 20, 40])
def test_a_close_frame_that_was_read_counts_before_a_loss(count: int) -> None:
    """Messages and a close frame in one read, then the loss: the application gets all of it, and the peer's code."""
    core = ServerConnection(Config(), now=0.0)
    core.receive_data(frames.head(), now=0.0)
    core.next_message(now=0.0)
    core.send(ACCEPT, now=0.0)
    core.receive_data(frames.text("x") * count + frames.close(4003), now=0.0)
    core.receive_eof(now=0.0)
    core.connection_lost(now=0.0)
    messages: list[Any] = []
    while (message := core.next_message(now=0.0)) is not None:
        messages.append(message)
    assert len(messages) == count + 1
    assert messages[-1]["code"] == 4003


@pytest.mark.parametrize("count", [1, 20, 40])
def test_a_transport_that_loses_its_peer_has_read_the_close_frame(library: str, count: int) -> None:
    """The same through a socket."""
    server = Server(library, Config(attention_interval=0.001))
    opening = [("peer_sends", frames.head()), ("receives", 0), ("sends", 0, ACCEPT)]
    data = frames.text("x") * count + frames.close(4003)
    play(server, [*opening, ("peer_sends", data), ("peer_vanishes", False), ("receives", 0, 1000)])
    last: Any = server.told[0][-1]
    assert last["code"] == 4003


@pytest.mark.parametrize("before", [[], [("receives", 0, 1000), ("peer_sends", frames.text("x", mask=None))]])
def test_a_client_that_is_cancelled_says_so(library: str, before: list[Step]) -> None:
    """Cancelling who uses a connection sends a close frame, in whatever order the tasks run, and cuts it."""
    for seed in range(20):
        random.seed(seed)
        client = Client(library, Config())
        play(client, [("peer_accepts",), *before, ("is_cancelled",)])
        assert client.peer.written.items[-1] == (0x88, b"\x03\xe8")
