"""A server's core, with an application and an operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from wscore import ClientDisconnected, LocalProtocolError, Scope, ServerConnection, State

from ..frames import AnnotatedBytes
from ..handshakes import accept_value, header_values, request_head
from ..pair import payload_of
from ..strategies import arbitrary_application_messages, arbitrary_frames, handshakes, hostile_handshakes
from ._core_machine import REFUSED, CoreMachine, config_names, for_machine, may_end

__all__ = ["ServerMachine", "check_messages"]

_requests = st.one_of(handshakes(), handshakes(), hostile_handshakes(), arbitrary_frames())


class ServerMachine(CoreMachine[ServerConnection]):
    """A `ServerConnection`, its client, its application and its operator; see `CoreMachine` for what holds.

    Besides, the application gets one `websocket.disconnect` if it was started, and that last, and nothing is written
    before its answer but a refusal.
    """

    peer_masks: ClassVar[bool] = True

    @initialize(
        config=for_machine(config_names),
        opens=st.sampled_from(["open", "compressed", "open", "no"]),
        hurried=st.booleans(),
    )
    def starts(self, config: str, opens: str, hurried: bool) -> None:
        """A connection is made; most get past the handshake."""
        self.begin(self.configs[config], hurried=hurried)
        self.scope: Scope | None = None
        self.unread_was_dropped = False  # an application that ends drops what it has not taken, the connect too
        self.aborted = False  # a response that was broken off
        if opens != "no":
            offer = [b"Sec-WebSocket-Extensions: permessage-deflate"] * (opens == "compressed")
            self.receives(request_head(*offer))
            self.scope = self.connection.scope
            self.application_says({"type": "websocket.accept"})

    # -- what happens to the core

    def make_core(self) -> ServerConnection:
        """Return a new core, with nothing around it."""
        return ServerConnection(self.config, now=100.0)

    def send(self, message: Mapping[str, Any]) -> None:
        """The application sends a message."""
        self.connection.send(message, now=self.now)

    def application_returned(self) -> None:
        """The application returns."""
        self.connection.application_returned(now=self.now)

    def application_raised(self) -> None:
        """The application raises."""
        self.connection.application_raised(now=self.now)

    def begin_shutdown(self, code: int | None, reason: str) -> None:
        """The server stops."""
        self.connection.begin_shutdown(now=self.now, code=code, reason=reason)

    def reject(self) -> None:
        """There are too many connections."""
        self.connection.reject(now=self.now)

    # -- the peer

    @precondition(lambda self: self.connection.state is State.AWAITING_REQUEST)
    @rule(data=_requests, more=st.booleans())
    def peer_sends_a_request(self, data: AnnotatedBytes, more: bool) -> None:
        """The peer sends a request, well-formed or not, perhaps with something behind it."""
        lawful = self.peer_is_lawful
        self.peer_breaks_rules(data + b"\x81\x80" if more else data)
        self.peer_is_lawful = lawful and self.connection.scope is not None and not more

    def receives(self, data: bytes, places: Sequence[int] = ()) -> bool:
        """Let bytes arrive, cut at these places; not while reading is paused. Return whether they did."""
        began = self.connection.scope is not None
        arrived = super().receives(data, places)
        if self.connection.scope is not None and not began:
            self.peer_may_send_frames(behind=data.partition(b"\r\n\r\n")[2])
        return arrived

    # -- the application

    @precondition(lambda self: self.scope is not None)
    @rule(message=arbitrary_application_messages())
    def application_sends(self, message: Any) -> None:
        """The application sends anything; what is refused changes nothing."""
        self.application_says(message)

    def application_says(self, message: Any) -> None:
        """Let the application send a message, and check that it changes nothing if it is refused."""
        before, state = self.levels(), self.connection.state
        error: Exception | None = None
        try:
            self.tell("send", message)
        except REFUSED as refused:
            error = refused
        if error is not None:
            assert self.levels() == before, "a refused message has changed something"
            if isinstance(error, ClientDisconnected):
                info = self.connection.close_info
                assert info is not None
                assert info.cause != "application"
                assert (error.code, error.reason) == (info.code, info.reason)
            return
        if message["type"] == "websocket.send":
            self.sent.append(_plain(payload_of(message)))
        if state is State.AWAITING_ACCEPT and self.connection.response is not None:
            extensions = dict(self.connection.response.headers).get(b"sec-websocket-extensions", b"")
            self.compressed = extensions.startswith(b"permessage-deflate")

    @precondition(lambda self: self.scope is not None)
    @rule(count=st.integers(1, 4))
    def application_takes_messages(self, count: int) -> None:
        """The application takes some messages."""
        self.takes(count)

    @precondition(lambda self: self.scope is not None and may_end(self))
    @rule(raised=st.booleans())
    def application_ends(self, raised: bool) -> None:
        """The application returns or raises."""
        self.unread_was_dropped = self.unread_was_dropped or not self.taken
        self.tell("application_raised" if raised else "application_returned")

    # -- the operator

    @precondition(may_end)
    @rule(code=st.sampled_from([None, 1001, 4000]), reason=st.sampled_from(["", "deploy"]))
    def operator_shuts_down(self, code: int | None, reason: str) -> None:
        """The operator stops the server."""
        self.tell("begin_shutdown", code, reason)

    @rule()
    def operator_turns_away(self) -> None:
        """The operator has too many connections."""
        self.tell("reject")

    # -- what holds

    def levels(self) -> tuple[Any, ...]:
        """Return all that can be seen of the core without taking anything."""
        return (*super().levels(), self.connection.scope, list(self.connection.access_records))

    def levels_of_generation(self) -> tuple[Any, ...]:
        """Return the levels that `generation` tells of, whatever they are."""
        connection = self.connection
        return (connection.scope is None, connection.wants_read, len(connection.access_records))

    def payloads(self) -> list[str | bytes]:
        """Return what the messages that were taken carry."""
        return [payload_of(each) for each in self.taken if each["type"] == "websocket.receive"]

    @invariant()
    def messages_are_asgi(self) -> None:
        """The connect comes first; then messages of one kind each; at most one disconnect, and that last."""
        check_messages([{"type": "websocket.connect"}, *self.taken] if self.unread_was_dropped else self.taken)

    @invariant()
    def the_scope_stays(self) -> None:
        """Once there, the scope is one and the same."""
        connection = self.connection
        assert self.scope is None or connection.scope is self.scope, "another scope"
        self.scope = connection.scope

    def tell_twin(self, twin: ServerConnection, fact: str, details: tuple[Any, ...], now: float) -> None:
        """Tell a bare core what was told by `tell`."""
        if fact == "begin_shutdown":
            twin.begin_shutdown(now=now, code=details[0], reason=details[1])
        else:
            super().tell_twin(twin, fact, details, now)

    def check_output(self) -> None:
        """Check that all that was written had a cause."""
        super().check_output()
        assert not self.output.head or self.connection.response is not None, "an answer that it does not tell of"
        if self.output.opened:
            assert self.scope is not None, "took a request, and tells of none"
            [key] = [value for name, value in self.scope["headers"] if name == b"sec-websocket-key"]
            accepted = header_values(self.output.head, b"sec-websocket-accept")
            assert accepted == [accept_value(key)], "the answer to another key"

    def check_end(self) -> None:
        """Check what is told of the end of a connection that is closed."""
        super().check_end()
        self.messages_are_asgi()
        connection = self.connection
        disconnects = [each for each in self.taken if each["type"] == "websocket.disconnect"]
        assert len(disconnects) == (connection.scope is not None), "not one disconnect"
        if disconnects:
            info = connection.close_info
            assert info is not None
            assert (disconnects[0]["code"], disconnects[0]["reason"]) == (info.code, info.reason)
            try:
                connection.check_receive()
            except LocalProtocolError:
                return
            raise AssertionError("a message can still come behind the disconnect")


def check_messages(taken: Sequence[Mapping[str, Any]]) -> None:
    """Check what an application got: the connect first, at most one disconnect, and that last, its code a plain int."""
    kinds: list[str] = [each["type"] for each in taken]
    assert kinds[:1] in ([], ["websocket.connect"]), "another message before the connect"
    assert "websocket.disconnect" not in kinds[:-1], "a message behind the disconnect"
    for each in taken:
        match each["type"]:
            case "websocket.disconnect":
                assert set(each) == {"type", "code", "reason"}
                assert type(each["code"]) is int
                assert type(each["reason"]) is str
            case "websocket.receive":
                [payload] = [value for key, value in each.items() if key != "type"]
                assert type(payload) is (str if "text" in each else bytes)
            case _:
                pass


def _plain(payload: Any) -> str | bytes:
    return payload if isinstance(payload, str) else bytes(payload)
