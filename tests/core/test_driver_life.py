"""A server's driver and a client's, with events in any order: after every one, what was told is what is wanted."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.core import peer
from tests.core.port import NEVER, ClientPort, Clock, Port, ServerPort
from tests.core.test_invariants import few
from wscore import ClientDisconnected, Closing, Config, ConnectionClosed, HandshakeFailed, LocalProtocolError, State

CONFIG = Config(
    max_queue=3,
    max_queue_size=300,
    max_output_size=400,
    max_early_data=50,
    handshake_timeout=10,
    accept_timeout=20,
    ping_interval=20,
    ping_timeout=20,
    close_timeout=10,
)
AT_LEAST = 400  # fewer examples seldom come to where somebody waits, or to the first ping
BY_THE_CORE = (ClientDisconnected, ConnectionClosed, HandshakeFailed, LocalProtocolError)

texts = st.sampled_from(["", "a", "b" * 50, "c" * 200, "d" * 1000])
ends = st.sampled_from(["server", "client"])


class Life(RuleBasedStateMachine):
    """Both ends, what is on its way between them, an application at each, a library and a timer at each."""

    @initialize(opens=st.booleans(), gathers=st.booleans(), capacity=st.sampled_from([NEVER, 1, 300]))
    def begins(self, opens: bool, gathers: bool, capacity: int) -> None:
        self.clock = Clock()
        self.server, self.client = ServerPort(CONFIG, time=self.clock), ClientPort(CONFIG, time=self.clock)
        self.ports: dict[str, Port] = {"server": self.server, "client": self.client}
        self.over: set[str] = set()  # ends whose application is
        self.ended: set[str] = set()  # ends that have read the end of the other's stream
        self.seen: dict[str, tuple[Any, ...]] = {}
        for port in self.ports.values():
            port.gathers, port.capacity = gathers, capacity
            port.start()
        if opens:
            for port in self.ports.values():
                port.capacity = NEVER
            self.arrives("server", None)
            self.takes("server")
            self.application_sends({"type": "websocket.accept"})
            self.arrives("client", None)
            for port in self.ports.values():
                port.capacity = capacity

    # the network

    @rule(name=ends, most=st.sampled_from([1, 7, 100, None]))
    def arrives(self, name: str, most: int | None) -> None:
        """Some of what the other end has written; or the end of its stream, with nothing else on the way."""
        port, other = self.ports[name], self.ports["client" if name == "server" else "server"]
        if other._flush_planned:
            other.flush()
        if port.gone or not port.reads or name in self.ended:
            return
        if other.written:
            data, other.written = other.written[:most], other.written[most:] if most is not None else b""
            port.receive_data(data)
        elif other.half_closed or other.gone:
            self.ended.add(name)
            port.receive_eof()

    @rule(
        name=ends,
        data=st.one_of(
            st.sampled_from([b"\x00", b"\xff\xff", b"HTTP/1.1 200 OK\r\n\r\n"]),
            st.just(peer.ping(b"?")),
            st.just(peer.close(3000)),
        ),
    )
    def something_else_arrives(self, name: str, data: bytes) -> None:
        port = self.ports[name]
        if port.reads and not port.gone and name not in self.ended:
            port.receive_data(data)

    @rule(name=ends)
    def is_drained(self, name: str) -> None:
        self.ports[name].drains()

    @rule(name=ends)
    def flushes(self, name: str) -> None:
        self.ports[name].flush()

    @precondition(lambda self: self.clock.now > 60)
    @rule(name=ends)
    def is_lost(self, name: str) -> None:
        self.ports[name].lost()

    # the clock

    @rule(seconds=st.sampled_from([0.1, 1.0, 5.0]))
    def time_passes(self, seconds: float) -> None:
        """To the first timer at most, which then fires."""
        self.clock.now += seconds
        for port in self.ports.values():
            if port.deadline is not None and port.deadline <= self.clock.now:
                port.rings()

    @rule()
    def a_timer_fires(self) -> None:
        deadlines = [port.deadline for port in self.ports.values() if port.deadline is not None]
        if deadlines:
            self.time_passes(max(0.0, min(deadlines) - self.clock.now))

    # the applications

    @rule(name=ends)
    def takes(self, name: str) -> None:
        if name in self.over or (name == "server" and not self.server.scopes):
            return
        with contextlib.suppress(*BY_THE_CORE):
            self.ports[name].next_message()

    def application_sends(self, message: dict[str, Any]) -> None:
        if self.server.scopes and "server" not in self.over:
            with contextlib.suppress(*BY_THE_CORE):
                self.server.send_message(message)

    @rule(text=texts)
    def the_server_sends(self, text: str) -> None:
        self.application_sends({"type": "websocket.send", "text": text})

    @rule(kind=st.sampled_from(["websocket.accept", "websocket.close"]))
    def the_application_decides(self, kind: str) -> None:
        self.application_sends({"type": kind})

    @rule(text=texts)
    def the_client_sends(self, text: str) -> None:
        with contextlib.suppress(*BY_THE_CORE):
            if not self.client.must_wait:
                self.client.send_message(text)

    @rule()
    def the_client_pings(self) -> None:
        if self.client.core.state is State.OPEN:
            self.client.pongs[self.client.core.ping(now=self.clock.now)] = None
            self.client.sync()

    @precondition(lambda self: self.clock.now > 20)
    @rule()
    def the_client_closes(self) -> None:
        self.client.core.close(now=self.clock.now)
        self.client.sync()

    @precondition(lambda self: self.clock.now > 20)
    @rule(error=st.sampled_from([None, ValueError()]), cancelled=st.booleans())
    def the_application_ends(self, error: BaseException | None, cancelled: bool) -> None:
        if self.server.scopes and "server" not in self.over:
            self.over.add("server")
            if error is None and not cancelled:
                self.server.application_returned()
            else:
                self.server.application_raised(error, ValueError if cancelled else None)

    @precondition(lambda self: self.clock.now > 20)
    @rule()
    def the_server_stops(self) -> None:
        self.server.begin_shutdown()

    # what holds after every event

    @invariant()
    def told_is_wanted(self) -> None:
        for name, port in getattr(self, "ports", {}).items():
            core = port.core
            if port.gone:
                assert port.deadline is None, "nothing is armed once the socket is gone"
                assert port._armed is None
                assert core.state is State.CLOSED
                continue
            due = core.next_timeout()
            assert due is None or (port.deadline is not None and port.deadline <= due), "a timer that is too late"
            if name not in self.ended:
                assert port.reads == core.wants_read, "reading"
            planned = port._flush_planned
            assert core.closing is not Closing.ABORT or planned, "the socket is still there"
            assert not core.output_size or not port.writable or planned, "output that nobody writes"
            if port.writable and not planned:
                assert port.half_closed is (core.closing is Closing.SHUT_DOWN_WRITING), "the end of TCP"
            if core.state is State.OPEN and port.written == b"" and core.wants_read and core.close_info is None:
                assert port.deadline is not None, "no ping will follow"
            if core.close_info is not None and core.closing is not Closing.ABORT:
                assert port.deadline is not None, "a closing without an end"
        server = getattr(self, "server", None)
        if server is not None:
            assert len(server.scopes) == (server.core.scope is not None) or (server.gone and server._application_over)
            assert server.core.access_records == []
            assert server.overs == (server.gone and ("server" in self.over or not server.scopes))

    @invariant()
    def the_revision_is_worth_its_name(self) -> None:
        """While it is the same, so is all that a driver does not look at on the way of a message."""
        for name, port in getattr(self, "ports", {}).items():
            core = port.core
            assert port.gone or port._generation == core.generation, "an input that was not looked at"
            levels = (
                getattr(core, "scope", None) is None,
                core.wants_read,
                core.close_info,
                len(getattr(core, "access_records", ())),
                len(getattr(core, "_pongs", ())),
            )
            closing = core.closing if core.output_size else None
            due = core.next_timeout()
            if (before := self.seen.get(name)) and before[0] == core.generation:
                assert before[1] == levels
                assert before[2] in (closing, None) or closing is None
                assert due is None or (before[3] is not None and due >= before[3])
            self.seen[name] = core.generation, levels, closing, due

    def teardown(self) -> None:
        """Left alone, both come to their end by what they were told alone, in a bounded time."""
        if not hasattr(self, "ports"):
            return
        began = self.clock.now
        self.client.core.close(now=began)
        self.client.sync()
        self.server.begin_shutdown()
        for _ in range(400):
            for name, port in self.ports.items():
                port.drains()
                self.arrives(name, None)
                self.takes(name)
            if self.server.gone and self.client.gone:
                break
            self.a_timer_fires()
        assert self.server.gone
        assert self.client.gone
        assert self.clock.now - began <= CONFIG.close_timeout + 20


def test_whatever_happens_the_library_knows_what_the_core_wants() -> None:
    """Deadline, reading, writing, the end of TCP, the application and the logs, after any event, at both ends."""
    run_state_machine_as_test(Life, settings=settings(few, max_examples=max(few.max_examples, AT_LEAST)))
