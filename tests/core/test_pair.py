"""Both ends of wscore on one wire: messages whole and in order, one close, and an end in any case."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.core.test_invariants import EXAMPLES
from wscore import Close, Config, ConnectionClosed, HandshakeFailed, State
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

messages = st.one_of(
    st.text(max_size=20),
    st.binary(max_size=20),
    st.sampled_from(["", b"", "a" * 125, b"b" * 126, "ä" * 200, b"c" * 70_000]),
)
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


class Conversation(RuleBasedStateMachine):
    """Two ends, each with an application, and a wire between them, in any order of events."""

    @initialize(compression=st.booleans(), engines=st.permutations(["native", "wsproto"]))
    def begins(self, compression: bool, engines: list[Any]) -> None:
        configs = [Config(**{f: getattr(SMALL, f) for f in FIELDS}, compression=compression, engine=e) for e in engines]
        self.pair = ConnectionPair(*configs)
        self.pair.opens()
        self.sent: dict[str, list[str | bytes]] = {"client": [], "server": []}
        self.got: dict[str, list[str | bytes]] = {"client": [], "server": []}
        self.closers: list[str] = []
        self.overdue: list[str] = []  # ends that the clock has closed
        self.streaming: str | None = None

    def is_open(self, name: str) -> bool:
        return self.pair.ends[name].core.state is State.OPEN

    @rule(message=messages)
    @precondition(lambda self: self.is_open("client") and self.streaming is None)
    def client_sends(self, message: str | bytes) -> None:
        self.pair.client.send(message, now=self.pair.now)
        self.sent["client"].append(message)

    @rule(part=st.text(max_size=30), final=st.booleans())
    @precondition(lambda self: self.is_open("client"))
    def client_sends_a_fragment(self, part: str, final: bool) -> None:
        self.pair.client.send_fragment(part, final=final, now=self.pair.now)
        self.streaming = (self.streaming or "") + part
        if final:
            self.sent["client"].append(self.streaming)
            self.streaming = None

    @rule(message=messages)
    @precondition(lambda self: self.is_open("server"))
    def server_sends(self, message: str | bytes) -> None:
        key = "text" if isinstance(message, str) else "bytes"
        self.pair.server.send({"type": "websocket.send", key: message}, now=self.pair.now)
        self.sent["server"].append(message)

    @rule(name=st.sampled_from(["client", "server"]), most=st.sampled_from([1, 3, 20, 500, None]))
    def delivers(self, name: str, most: int | None) -> None:
        self.pair.delivers(name, most)

    @rule()
    def client_takes(self) -> None:
        if (message := self.pair.client.next_message(now=self.pair.now)) is not None:
            self.got["client"].append(message)

    @rule()
    def server_takes(self) -> None:
        message: Any = self.pair.server.next_message(now=self.pair.now)
        if message is not None and message["type"] == "websocket.receive":
            self.got["server"].append(message["text"] if message.get("text") is not None else message["bytes"])

    @rule()
    @precondition(lambda self: self.is_open("client"))
    def client_pings(self) -> None:
        self.pair.client.ping(now=self.pair.now)

    @rule(seconds=st.sampled_from([0.1, 1.0, 2.0]))
    def time_passes(self, seconds: float) -> None:
        self.pair.now += seconds
        for name, end in self.pair.ends.items():
            was_closed = end.core.state is State.CLOSED
            if end.due is not None and end.due <= self.pair.now:
                end.time_out()
            if end.core.state is State.CLOSED and not was_closed:
                self.overdue.append(name)

    @rule(code=st.sampled_from([1000, 4000]))
    @precondition(lambda self: self.is_open("client"))
    def client_closes(self, code: int) -> None:
        self.closers.append("client")
        self.pair.client.close(code, "client's", now=self.pair.now)

    @rule(code=st.sampled_from([1000, 4001]))
    @precondition(lambda self: self.is_open("server"))
    def server_closes(self, code: int) -> None:
        self.closers.append("server")
        self.pair.server.send({"type": "websocket.close", "code": code, "reason": "server's"}, now=self.pair.now)

    @invariant()
    def what_arrived_was_sent(self) -> None:
        if hasattr(self, "pair"):
            for name, other in (("client", "server"), ("server", "client")):
                assert self.got[name] == self.sent[other][: len(self.got[name])]

    def teardown(self) -> None:
        if not hasattr(self, "pair"):
            return
        pair = self.pair
        pair.settles()
        for _ in range(200):
            before = sum(map(len, self.got.values()))
            self.client_takes()
            self.server_takes()
            pair.settles()
            if sum(map(len, self.got.values())) == before and not pair.client.has_message:
                break
        self.what_arrived_was_sent()
        infos = (pair.client.close_info, pair.server.close_info)
        causes = {info.cause for info in infos if info is not None}
        late = bool(self.overdue) or "timeout" in causes
        if not late:
            if "client" not in self.closers:
                assert self.got["client"] == self.sent["server"]
            if "server" not in self.closers:
                assert self.got["server"] == self.sent["client"]
        if None not in infos and not late and "transport" not in causes:
            ours, theirs = infos
            assert ours.clean, (ours, theirs)
            assert theirs.clean, (ours, theirs)
            assert (ours.sent, ours.received) == (theirs.received, theirs.sent)
            if len(self.closers) == 1:
                assert (ours.code, ours.reason) == (theirs.code, theirs.reason)
        pair.dies()
        for _ in range(30):
            pair.waits()
        assert (pair.server.state, pair.client.state) == (State.CLOSED, State.CLOSED)


FIELDS = (
    "max_queue",
    "max_queue_size",
    "max_output_size",
    "ping_interval",
    "ping_timeout",
    "close_timeout",
    "compression_min_size",
)


def test_any_conversation():
    """In any order of events, between any two engines: messages in order, all where nobody closed, and one close."""
    run_state_machine_as_test(Conversation, settings=few)
