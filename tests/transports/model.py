"""The oracle: a bare core that is told the same facts as a transport's, at the same moments.

What follows from a fact here is what a transport owes its core, written down once more in the plainest way: take what
is to be written, read while the core wants to, tell the application, and end the connection as the core says. It has
no task and no socket, so it cannot forget to wake one or to look again.

A model is a pure function of its facts, so a fork of one is made by telling another the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, Self

from wscore import (
    ClientConnection,
    ClientDisconnected,
    Closing,
    Config,
    ConnectionClosed,
    HandshakeFailed,
    InvalidMessage,
    LocalProtocolError,
    ServerConfig,
    ServerConnection,
    State,
)

from .peer import Written, acceptance

__all__ = ["NOTHING", "URI", "ClientModel", "Model", "ServerModel", "is_last", "outcome_of"]

URI = "ws://server.example.com/chat"

_REFUSED = (LocalProtocolError, InvalidMessage, ClientDisconnected, ConnectionClosed, HandshakeFailed)


class _SentOrLost:
    """Of a message whose receiver has gone, its sender may hear, or have been told before that it was sent."""

    def __eq__(self, other: object) -> bool:
        match other:
            case "sent" | ("ClientDisconnected" | "ConnectionClosed", int()):
                return True
            case _:
                return False

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "'sent', or that the connection has ended"


SENT_OR_LOST = _SentOrLost()


def outcome_of(outcome: object) -> object:
    """Give what two runs must agree on: of an exception its kind and code, since a loss may say more of itself."""
    match outcome:
        case BaseException():
            return (type(outcome).__name__, getattr(outcome, "code", None))
        case {"type": "websocket.disconnect", "reason": reason, **rest} if reason.startswith("connection lost"):
            return {"type": "websocket.disconnect", "reason": "connection lost", **rest}
        case _:
            return outcome


NOTHING = (None,)
"""The outcome for who waited in vain."""


def is_last(outcome: object) -> bool:
    """Tell whether no message can follow."""
    match outcome:
        case str() | bytes():
            return False
        case {"type": kind}:
            return bool(kind == "websocket.disconnect")
        case _:
            return True


class Model:
    """One end of a connection, and the world as far as it is told of it. Two `hands` use it, as two tasks may."""

    core: ServerConnection | ClientConnection

    def __init__(self, config: Config, now: float) -> None:
        self.config = config
        self.written = Written()
        self.ended = False
        """Our side of the stream was ended."""
        self.gone = False
        """The socket is closed."""
        self.running = False
        """The application, or who uses the client, has begun and not ended."""
        self.told: tuple[list[object], list[object]] = ([], [])
        """What came of each thing that a hand did."""
        self.busy = [False, False]
        self._made_at = now
        self._facts: list[tuple[float, str, tuple[Any, ...]]] = []
        self._now = now
        self._wire = b""  # what the peer has sent and nobody has read
        self._wire_end: Callable[[], None] | None = None
        self._saw_end = False
        self._peer_gone = False
        self._receiving: int | None = None  # the hand that waits for a message
        self._wanted = 0  # how many messages it waits for, one after the other
        self._patience: float | None = None
        self._in_doubt: list[tuple[int, int]] | None = None  # what was sent while the peer does not read

    def tell(self, now: float, fact: str, *details: Any) -> None:
        """Take a fact, and let all follow that does at that moment."""
        self._facts.append((now, fact, details))
        self._now = now
        getattr(self, fact)(*details)
        while self._follow():
            pass
        self._check_deadlines()

    def fork(self) -> Self:
        """Give another that has been told the same."""
        fork = type(self)(self.config, self._made_at)
        for now, fact, details in self._facts:
            fork.tell(now, fact, *details)
        return fork

    # -- facts

    def begins(self) -> None:
        """The connection stands."""

    def peer_sends(self, data: bytes) -> None:
        if not self.gone and self._wire_end is None:  # after its end a peer cannot write
            self._wire += data

    def peer_answers_ping(self, pong: Callable[[bytes], bytes]) -> None:
        self.peer_sends(pong(self.written.pings[-1]))

    def peer_ends(self) -> None:
        self._wire_end = self._wire_end or self._read_end

    def peer_vanishes(self, reset: bool) -> None:
        self._peer_gone = True
        self._wire_end = self._lose if reset else self._wire_end or self._read_end

    def can_act(self, hand: int) -> bool:
        """Whether a hand is there: the first one ends with its application, perhaps before it could act."""
        return hand == 1 or self.running

    @property
    def received(self) -> bool:
        """Nobody waits for a message."""
        return self._receiving is None

    def peer_stops_reading(self) -> None:
        self._in_doubt = []

    def peer_reads_on(self) -> None:
        """What was sent meanwhile has gone out; or, where the peer has vanished, its sender may have heard of that."""
        in_doubt, self._in_doubt = self._in_doubt or [], None
        if self._peer_gone:
            for hand, index in in_doubt:
                self.told[hand][index] = SENT_OR_LOST

    def receives(self, hand: int, count: int, patience: float | None) -> None:
        if not self.can_act(hand):
            return
        self._receiving, self._wanted, self.busy[hand] = hand, count, True
        self._patience = None if patience is None else self._now + patience

    def core_times_out(self) -> None:
        self.core.handle_timeout(now=self._now)
        due = self.core.next_timeout()
        assert due is None or due > self._now, "what was due is due again"

    def patience_ends(self) -> None:
        if self._patience is not None and self._patience <= self._now:
            self._told_receiver(NOTHING)

    # -- time

    def deadlines(self) -> dict[str, float]:
        """When which fact is due that time alone brings."""
        due = {"core_times_out": self.core.next_timeout(), "patience_ends": self._patience}
        return {fact: at for fact, at in due.items() if at is not None}

    def _check_deadlines(self) -> None:
        """Without a deadline nobody would ever look again."""
        core, config = self.core, self.config
        due = core.next_timeout()
        if core.state is State.OPEN and config.ping_interval is not None and config.ping_timeout is not None:
            assert due is not None, "an open connection without a deadline"
        if core.state in (State.CLOSE_SENT, State.LINGERING):
            assert due is not None, "a closing without a deadline"

    # -- what follows

    def _follow(self) -> bool:
        """Do one thing that is to be done; tell whether there was one."""
        core = self.core
        if not self.gone:
            if data := core.data_to_send():
                if self._peer_gone:
                    self._lose()
                else:
                    self.written.feed(data)
                return True
            match core.closing:
                case Closing.ABORT | Closing.CLOSE:
                    self._lose()
                    return True
                case Closing.SHUT_DOWN_WRITING:
                    self.ended = True
                case Closing.NO:
                    pass
        if self._application_follows():
            return True
        if self._receiving is not None:
            try:
                message = core.next_message(now=self._now)
                if message is None:
                    core.check_receive()
            except _REFUSED as error:
                message = error
            if message is not None:
                self._told_receiver(outcome_of(message))
                return True
        if not self.gone and core.wants_read:
            if self._wire:
                data, self._wire = self._wire, b""
                core.receive_data(data, now=self._now)
                return True
            if self._wire_end is not None and not self._saw_end:
                self._wire_end()
                return True
        return False

    def _application_follows(self) -> bool:
        return False

    def _read_end(self) -> None:
        self._saw_end = True
        self.core.receive_eof(now=self._now)

    def _lose(self) -> None:
        self._saw_end = self.ended = self.gone = True
        self.core.connection_lost(now=self._now)

    def _told_receiver(self, outcome: object) -> None:
        hand = self._receiving
        assert hand is not None
        self.told[hand].append(outcome)
        self._wanted -= 1
        if not self._wanted or is_last(outcome):
            self._receiving = self._patience = None
            self.busy[hand] = False

    def _tell_hand(self, hand: int, does: Callable[[], Any], done: str) -> bool:
        try:
            does()
        except _REFUSED as error:
            self.told[hand].append(outcome_of(error))
            return False
        # Where the peer has gone, it is for the transport to find that out before or after it says that it has sent.
        lost = self._peer_gone and done == "sent"
        if self._in_doubt is not None and done == "sent":
            self._in_doubt.append((hand, len(self.told[hand])))
        self.told[hand].append(SENT_OR_LOST if lost else done)
        return True


class ServerModel(Model):
    """A server's connection, and its application, which begins with nothing to do."""

    core: ServerConnection

    def __init__(self, config: Config, now: float) -> None:
        super().__init__(config, now)
        self.core = ServerConnection(config, now=now, access_log=False)
        self.over = False
        """The application has ended."""
        self._started = False
        self._cancel_at: float | None = None
        self._abort_at: float | None = None

    def sends(self, hand: int, message: dict[str, Any]) -> None:
        if self.can_act(hand):
            self._tell_hand(hand, lambda: self.core.send(message, now=self._now), "sent")

    def returns(self) -> None:
        if self.running:
            self._end_application(self.core.application_returned)

    def raises(self) -> None:
        if self.running:
            self._end_application(self.core.application_raised)

    def shuts_down(self) -> None:
        self.core.begin_shutdown(now=self._now)
        self._cancel_at = self._now + ServerConfig.of(self.config).shutdown_grace
        self._abort_at = self._cancel_at + self.config.close_timeout

    def grace_ends(self) -> None:
        self._cancel_at = None
        if self.running:
            if self._receiving == 0:
                self._receiving = self._patience = None
            self._end_application(self.core.application_raised)

    def server_aborts(self) -> None:
        self._abort_at = None
        self._lose()

    def deadlines(self) -> dict[str, float]:
        due = super().deadlines()
        if self._cancel_at is not None and not (self.gone and not self.running):
            due["grace_ends"] = self._cancel_at
        if self._abort_at is not None and not self.gone:
            due["server_aborts"] = self._abort_at
        return due

    def _application_follows(self) -> bool:
        if self.core.scope is not None and not self._started:
            self._started = self.running = True
            return True
        return False

    def _end_application(self, ended: Callable[..., None]) -> None:
        self.running, self.over = False, True
        self.busy[0] = False
        ended(now=self._now)


class ClientModel(Model):
    """A client's connection, and who connects: hand 0 enters and leaves the context."""

    core: ClientConnection

    def __init__(self, config: Config, now: float) -> None:
        super().__init__(config, now)
        count = itertools.count()
        self.core = ClientConnection(
            URI, config, now=now, random=lambda size: (next(count) * 0x1D872B41).to_bytes(size + 8)[-size:]
        )
        self.running = True
        self.over = False
        self.busy[0] = True
        self.entered = False
        self._leaving = False
        self._pings: dict[int, bytes] = {}
        self._answered: set[bytes] = set()
        self._closing: set[int] = set()

    def peer_accepts(self, rest: bytes) -> None:
        self.peer_sends(acceptance(self.written.key) + rest)

    def sends(self, hand: int, message: str | bytes) -> None:
        if self.can_act(hand):
            self._tell_hand(hand, lambda: self.core.send(message, now=self._now), "sent")

    def pings(self, hand: int, payload: bytes) -> None:
        if not self.can_act(hand):
            return
        try:
            self.core.ping(payload, now=self._now)
        except _REFUSED as error:
            self.told[hand].append(outcome_of(error))
        else:
            self._pings[hand], self.busy[hand] = payload, True

    def closes(self, hand: int, code: int, reason: str) -> None:
        if not self.can_act(hand):
            return
        self.core.close(code, reason, now=self._now)
        self._closing.add(hand)
        self.busy[hand] = True

    def leaves(self) -> None:
        if not self.can_act(0):
            return
        self.core.close(now=self._now)
        self.busy[0] = self._leaving = True

    def is_cancelled(self) -> None:
        """Its last word is a close frame, where the connection is open; then it is cut."""
        self.core.close(now=self._now)
        if not self.gone:
            data = self.core.data_to_send()
            if not self._peer_gone:
                self.written.feed(data)
            self._lose()
        if self._receiving == 0:
            self._receiving = self._patience = None
        self._end(None)

    def _application_follows(self) -> bool:
        core = self.core
        self._answered |= {payload for payload, _ in core.pongs_received()}
        for hand, payload in list(self._pings.items()):
            outcome: object = None
            if payload in self._answered:
                self._answered.discard(payload)
                outcome = "pong"
            else:
                try:
                    core.check_pong()
                except _REFUSED as error:
                    outcome = outcome_of(error)
            if outcome is not None:
                del self._pings[hand]
                self.busy[hand] = False
                self.told[hand].append(outcome)
                return True
        if self.running and not self.entered:
            try:
                core.check_open()
            except _REFUSED as error:
                self._end(outcome_of(error))
                return True
            if core.opened:
                self.entered, self.busy[0] = True, False
                self.told[0].append("opened")
                return True
        if self.gone:
            for hand in self._closing:
                self.busy[hand] = False
                self.told[hand].append("closed")
            self._closing.clear()
            if self._leaving and self.running:
                self._end("left")
                return True
        return False

    def _end(self, outcome: object) -> None:
        self.running, self.over = False, True
        self.busy[0] = False
        self._pings.pop(0, None)
        self._closing.discard(0)
        if outcome is not None:
            self.told[0].append(outcome)
