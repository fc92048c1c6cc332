"""A client's core, with who uses it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from itertools import count
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from wscore import ClientConnection, ConnectionClosed, HandshakeFailed, State

from ..frames import AnnotatedBytes
from ..handshakes import response_head
from ..strategies import arbitrary_frames, hostile_responses, messages, responses
from ._core_machine import REFUSED, CoreMachine, config_names, for_machine, may_end

__all__ = ["ClientMachine"]


def _answers(machine: Any) -> st.SearchStrategy[AnnotatedBytes]:
    right, wrong = responses(machine.request), hostile_responses(machine.request)
    return st.one_of(right, right, wrong, arbitrary_frames(masked=False))


class ClientMachine(CoreMachine[ClientConnection]):
    """A `ClientConnection`, its server and who uses it; see `CoreMachine` for what holds.

    Besides, whoever asks for a message that cannot come any more is told why, with the code of the end.
    """

    peer_masks: ClassVar[bool] = False

    request: bytes
    """The head of the request."""

    @initialize(
        config=for_machine(config_names),
        opens=st.sampled_from(["open", "compressed", "open", "no"]),
        hurried=st.booleans(),
    )
    def starts(self, config: str, opens: str, hurried: bool) -> None:
        """A connection is made; most get past the handshake."""
        self.begin(self.configs[config], hurried=hurried)
        self.writes()
        self.request = self.output.head
        self.pings_in_flight: list[bytes] = []
        self.parts: list[str] = []  # of the message that is sent in fragments
        if opens != "no":
            extensions = [b"Sec-WebSocket-Extensions: permessage-deflate"] * (opens == "compressed")
            self.receives(response_head(self.request, *extensions))
            assert self.connection.state is State.OPEN

    # -- what happens to the core

    def make_core(self) -> ClientConnection:
        """Return a new core, with nothing around it."""
        numbers = count(1)
        return ClientConnection(
            "ws://server.example.com/chat",
            self.config,
            now=100.0,
            random=lambda size: (next(numbers) * 0x1D872B41).to_bytes(size + 8)[-size:],
            subprotocols=["chat"],
        )

    def send(self, message: str | bytes) -> None:
        """Send a message."""
        self.connection.send(message, now=self.now)

    def send_fragment(self, fragment: str | bytes, final: bool) -> None:
        """Send a part of a message."""
        self.connection.send_fragment(fragment, final=final, now=self.now)

    def abandon_message(self) -> None:
        """Give up a message whose last part was not sent."""
        self.connection.abandon_message(now=self.now)

    def ping(self, payload: bytes) -> None:
        """Send a ping."""
        self.connection.ping(payload, now=self.now)

    def close(self, code: int, reason: str) -> None:
        """Close the connection."""
        self.connection.close(code, reason, now=self.now)

    # -- the peer

    def receives(self, data: bytes, places: Sequence[int] = ()) -> bool:
        """Let bytes arrive, cut at these places; not while reading is paused. Return whether they did."""
        opened = self.connection.opened
        arrived = super().receives(data, places)
        if self.connection.opened and not opened:
            response = self.connection.response
            assert response is not None
            extensions = dict(response.headers).get(b"sec-websocket-extensions", b"")
            self.compressed = extensions.startswith(b"permessage-deflate")
            self.output.extensions = extensions
            self.peer_may_send_frames(behind=data.partition(b"\r\n\r\n")[2])
        return arrived

    @precondition(lambda self: self.connection.state is State.AWAITING_RESPONSE)
    @rule(data=for_machine(_answers), more=st.booleans())
    def server_answers(self, data: AnnotatedBytes, more: bool) -> None:
        """The server answers the request, well or not, perhaps with something behind it."""
        lawful = self.peer_is_lawful
        self.peer_breaks_rules(data + b"\x81\x00" if more else data)
        self.peer_is_lawful = lawful and self.connection.opened
        if self.peer_is_lawful and more:
            self.offered.append("")

    # -- who uses it

    @rule(message=messages(max_size=300))
    def user_sends(self, message: str | bytes) -> None:
        """Send a message; what is refused changes nothing."""
        if self.does("send", message):
            self.sent.append(message)

    @rule(parts=st.lists(st.text(max_size=20), min_size=1, max_size=3), final=st.booleans())
    def user_sends_in_parts(self, parts: list[str], final: bool) -> None:
        """Send a message in fragments, and perhaps its last."""
        for at, part in enumerate(parts, 1):
            last = final and at == len(parts)
            if self.does("send_fragment", part, last):
                self.parts = [*(self.parts if self.fragmenting else []), part]
                self.fragmenting = not last
                if last:
                    self.sent.append("".join(self.parts))

    @precondition(lambda self: self.fragmenting)
    @rule()
    def user_abandons_the_message(self) -> None:
        """Give up a message that was begun."""
        self.does("abandon_message")

    @rule(payload=st.binary(max_size=130))
    def user_pings(self, payload: bytes) -> None:
        """Send a ping; what is refused changes nothing."""
        if self.does("ping", payload):
            self._own_pings += 1
            self.pings_in_flight.append(payload)

    @rule(count=st.integers(1, 4))
    def user_takes_messages(self, count: int) -> None:
        """Take some messages, and the pongs."""
        self.takes(count)
        for payload, seconds in self.connection.pongs_received():
            self.pings_in_flight.remove(payload)
            assert seconds >= 0

    @precondition(may_end)
    @rule(code=st.sampled_from([1000, 4000, 1005]), reason=st.sampled_from(["", "bye"]))
    def user_closes(self, code: int, reason: str) -> None:
        """Close the connection; what is refused changes nothing."""
        self.does("close", code, reason)

    def does(self, fact: str, *details: Any) -> bool:
        """Do something, and check that it changes nothing if it is refused. Return whether it was not."""
        before = self.levels()
        try:
            self.tell(fact, *details)
        except REFUSED:
            assert self.levels() == before, "what was refused has changed something"
            return False
        return True

    # -- what holds

    def payloads(self) -> list[str | bytes]:
        """Return what the messages that were taken carry."""
        return self.taken

    def check_no_message(self) -> None:
        """Check that who asks for a message that cannot come is told why."""
        connection = self.connection
        info = connection.close_info
        assert info is not None, "promises a message, gives none, and has not ended"
        told: tuple[int, str] | None = None
        try:
            connection.check_receive()
        except ConnectionClosed as closed:
            told = closed.code, closed.reason
        except HandshakeFailed:
            assert not connection.opened
            return
        assert told == (info.code, info.reason), "promises a message, and gives neither one nor the end"

    def tell_twin(self, twin: ClientConnection, fact: str, details: tuple[Any, ...], now: float) -> None:
        """Tell a bare core what was told by `tell`."""
        if fact == "send_fragment":
            with contextlib.suppress(*REFUSED):
                twin.send_fragment(details[0], final=details[1], now=now)
        else:
            super().tell_twin(twin, fact, details, now)

    def check_end(self) -> None:
        """Check what is told of the end of a connection that is closed."""
        super().check_end()
        self.check_no_message()
