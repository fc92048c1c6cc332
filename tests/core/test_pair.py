"""Both ends of wscore on one wire: messages whole and in order, one close, and an end in any case."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from tests.core.test_invariants import EXAMPLES
from wscore import Close, Config, ConnectionClosed, HandshakeFailed, State
from wscore.testing import strategies
from wscore.testing.machine import PairMachine
from wscore.testing.pair import ConnectionPair

few = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), stateful_step_count=40)

SMALL = Config(
    max_queue=3,
    max_queue_size=300,
    max_output_size=400,
    ping_interval=5,
    ping_timeout=3,
    close_timeout=4,
    compression_min_size=10,
)
PLAIN = Config(compression=False)

messages = strategies.messages(max_size=400)
pieces = st.sampled_from([1, 2, 3, 7, 50, None])


@given(st.lists(messages, max_size=8), st.lists(messages, max_size=8), pieces, st.sampled_from([SMALL, PLAIN]))
@few
def test_messages_arrive_whole_and_in_order(
    to_server: list[str | bytes], to_client: list[str | bytes], most: int | None, config: Config
):
    """However the bytes are cut, each end gets what the other sent, of its kind and in its order."""
    pair = ConnectionPair(config, config)
    pair.opens()
    for message in to_server:
        pair.client.send(message, now=pair.now)
    for message in to_client:
        key = "text" if isinstance(message, str) else "bytes"
        pair.server.send({"type": "websocket.send", key: message}, now=pair.now)
    pair.settles(most)
    assert pair.server_receives() == to_server
    assert pair.client_receives() == to_client


@given(st.lists(st.text(max_size=30), min_size=1, max_size=6), pieces, st.sampled_from([SMALL, PLAIN]))
@few
def test_fragments_arrive_as_one_message(parts: list[str], most: int | None, config: Config):
    """What goes out in fragments, with pings between them, arrives as one message; a whole one may follow."""
    pair = ConnectionPair(config, config)
    pair.opens()
    for index, part in enumerate(parts):
        pair.client.send_fragment(part, final=index == len(parts) - 1, now=pair.now)
        pair.ends["client"].pongs[pair.client.ping(now=pair.now)] = None
    pair.client.send("after", now=pair.now)
    pair.settles(most)
    assert pair.server_receives() == ["".join(parts), "after"]
    assert [*pair.ends["client"].pongs.values()] == [0.0] * len(parts)


def test_the_clients_close():
    """A client's close reaches the server's application, is echoed and clean at both ends; the server goes first."""
    pair = ConnectionPair()
    pair.opens()
    pair.client.close(4000, "bye", now=0)
    pair.delivers("server")
    assert pair.ends["server"].write_ended
    pair.delivers("client")
    assert pair.client.state is State.LINGERING
    assert not pair.ends["client"].write_ended
    pair.settles()
    assert pair.server_receives() == [{"type": "websocket.disconnect", "code": 4000, "reason": "bye"}]
    for connection in (pair.server, pair.client):
        info = connection.close_info
        assert info is not None
        assert (info.code, info.reason, info.clean) == (4000, "bye", True)
        assert connection.state is State.CLOSED


def test_the_servers_close():
    """A server's close ends the client's messages with its code and reason, clean at both ends."""
    pair = ConnectionPair()
    pair.opens()
    pair.server.send({"type": "websocket.send", "text": "last"}, now=0)
    pair.server.send({"type": "websocket.close", "code": 4001, "reason": "go"}, now=0)
    pair.settles()
    assert pair.client_receives() == ["last"]
    with pytest.raises(ConnectionClosed) as caught:
        pair.client.check_receive()
    close = Close(4001, "go")
    assert (caught.value.code, caught.value.sent, caught.value.received) == (4001, close, close)
    pair.settles()
    assert (pair.server.state, pair.client.state) == (State.CLOSED, State.CLOSED)


@pytest.mark.parametrize("opened", [False, True])
@given(st.data())
@few
def test_a_dead_wire_ends_both(opened: bool, data: st.DataObject):
    """Both ends reach CLOSED by their timers alone when the wire goes dead, whatever they were in the middle of."""
    pair = ConnectionPair(SMALL, SMALL)
    if opened:
        pair.opens()
        if data.draw(st.booleans()):
            pair.client.send("x" * data.draw(st.integers(0, 900)), now=0)
        if data.draw(st.booleans()):
            pair.client.close(now=0)
        if data.draw(st.booleans()):
            pair.server.send({"type": "websocket.close"}, now=0)
    for name in data.draw(st.lists(st.sampled_from(["server", "client"]), max_size=6)):
        pair.delivers(name, data.draw(st.integers(1, 60)))
    pair.dies()
    while pair.waits():  # with applications that take their messages: while a queue is full, no pong is awaited
        pair.server_receives()
        pair.client_receives()
    assert (pair.server.state, pair.client.state) == (State.CLOSED, State.CLOSED)
    pair.client_receives()
    with pytest.raises(ConnectionClosed if pair.client.opened else HandshakeFailed):
        pair.client.check_receive()


class Conversation(PairMachine):
    """Either end on either engine."""

    configs: ClassVar = {
        f"{engine}, {name}": dataclasses.replace(config, engine=engine)
        for name, config in PairMachine.configs.items()
        for engine in ("native", "wsproto")
    }


def test_any_conversation():
    """In any order of events, between any two engines: messages in order, all where nobody closed, and one close."""
    run_state_machine_as_test(Conversation, settings=few)
