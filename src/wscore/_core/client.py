"""The client's end of one connection: feeds its table in `lifecycle`, performs its effects, owns the outputs.

The rules of `server` apply here too: it never waits, has no clock and no source of randomness, and never raises because
of a peer's input. Its messages are `str` and `bytes`; it does not use ASGI.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from .close import CloseCode
from .config import Config
from .endpoint import Endpoint
from .errors import (
    ConnectionClosed,
    HandshakeFailed,
    HandshakeRefused,
    HandshakeTimeout,
    InvalidMessage,
    LocalProtocolError,
)
from .frames.codec import ClientFrameCodec
from .frames.engines import client_codec
from .http.client_handshake import AcceptedHandshake, BadResponse, ClientHandshake
from .http.server_handshake import Response
from .http.uri import URI, parse_uri, redirected
from .lifecycle import CLIENT_TRANSITIONS, CLOSE_SENT, CLOSED, OPEN, Effect, State, Timer, Trigger
from .loss import is_certificate_error
from .outgoing import as_bytes, as_close, lone_surrogate, payload_size
from .termination import (
    ABANDONED,
    CUT_OFF,
    END_OF_STREAM,
    GIVEN_UP,
    TIMED_OUT,
    UNANSWERED,
    Termination,
    answered_otherwise,
    application_closed,
    not_answered,
)

__all__ = ["ClientConnection"]


class ClientConnection(Endpoint[ClientFrameCodec]):
    """One WebSocket connection on the client's side, between bytes and messages.

    Create it when the TCP connection (or TLS) is established: the request is then in `data_to_send`. Feed it what
    happens (on the network, in the application, timeouts); after any input read its outputs, in any order:
    `data_to_send`, `has_message`, `next_timeout`, `wants_read`, `closing`. Not thread-safe: call every method from one
    task, or under one lock.

    Args:
        uri: The URI to connect to.
        config: Limits and timeouts.
        now: The caller's monotonic clock, in seconds, here and in every method.
        random: A function returning n cryptographically random bytes, such as `os.urandom`.
        subprotocols: The subprotocols to offer, in order of preference.
        headers: Additional headers for the request.
        origin: The value of an Origin header.
        half_close: Whether the transport can shut down its writing side alone, as TCP can; without it `closing`
            requests a close instead.

    Raises:
        InvalidURI: `uri` is not a WebSocket URI.
        InvalidMessage: A header, a subprotocol or the origin cannot be sent.
    """

    __slots__ = (
        "_handshake",
        "_opened",
        "_pings",
        "_pongs",
        "_random",
        "_response",
        "_streaming",
        "_subprotocol",
        "uri",
    )

    def __init__(
        self,
        uri: str | URI,
        config: Config,
        *,
        now: float,
        random: Callable[[int], bytes],
        subprotocols: Sequence[str] = (),
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        origin: str | None = None,
        half_close: bool = True,
    ) -> None:
        self.uri = parse_uri(uri) if isinstance(uri, str) else uri
        super().__init__(config, State.AWAITING_RESPONSE, now, masked=False, half_close=half_close)
        self._random = random
        # the handshake
        self._handshake: ClientHandshake | None = ClientHandshake(
            self.uri, config, random, subprotocols=subprotocols, headers=headers, origin=origin
        )
        self._response: Response | None = None
        self._subprotocol: str | None = None
        self._opened = False
        # messages
        self._streaming: type[str | bytes] | None = None  # a message is being sent in fragments, of this kind
        # Pings in flight, in order, with their times. The flag marks keepalive's own.
        self._pings: dict[tuple[bytes, bool], float] = {}
        self._pongs: list[tuple[bytes, float]] = []
        self._lane.write(self._handshake.request())

    # -- the network: a peer's input never raises

    def receive_data(self, data: bytes | bytearray | memoryview, *, now: float) -> None:
        """Process bytes from the server, copying what is kept. Empty data has no effect; it does not mean EOF."""
        if not data or self._eof:
            return
        if self._codec is not None:
            self._take_frames(data, now)
        elif self._handshake is not None:
            self._read_response(self._handshake, data, now)

    # -- the application

    def send(self, message: str | bytes | bytearray | memoryview, *, now: float) -> None:
        """Send a message: a `str` as text, bytes as binary; afterwards there is `data_to_send`.

        Raises:
            InvalidMessage: The message is neither, or holds a lone surrogate.
            LocalProtocolError: The connection is not open yet, or another message's fragments are being sent.
            ConnectionClosed: The connection has ended; HandshakeFailed if it was never open.

        A message that raises has changed nothing.
        """
        if self._state is not OPEN:
            raise self._not_sendable("send")
        if self._streaming is not None:
            raise LocalProtocolError("send() between the fragments of a message: send its final fragment first")
        payload = _payload(message)
        codec, stats = self._codec, self.stats
        assert codec is not None  # set on every open connection
        try:
            self._lane.write(codec.text(payload) if isinstance(payload, str) else codec.binary(payload))
        except UnicodeEncodeError as error:
            raise lone_surrogate(error, "a text message") from None
        stats.messages_sent += 1
        stats.bytes_sent += payload_size(payload)

    def send_fragment(self, fragment: str | bytes | bytearray | memoryview, *, final: bool, now: float) -> None:
        """Send one fragment of a message; pings and a close may come between fragments.

        Args:
            fragment: `str` or bytes, the same for all fragments of a message.
            final: Whether it is the last fragment.
            now: The caller's clock, in seconds.

        Raises:
            InvalidMessage, LocalProtocolError, ConnectionClosed: As `send`; InvalidMessage also for mixed types.
        """
        if self._state is not OPEN:
            raise self._not_sendable("send_fragment")
        payload = _payload(fragment)
        kind = str if isinstance(payload, str) else bytes
        first = self._streaming is None
        if not first and kind is not self._streaming:
            raise InvalidMessage("a message's fragments must be all str or all bytes")
        codec, stats = self._codec, self.stats
        assert codec is not None
        try:
            self._lane.write(codec.fragment(payload, first=first, final=final))
        except UnicodeEncodeError as error:
            raise lone_surrogate(error, "a text message") from None
        self._streaming = None if final else kind
        stats.messages_sent += final
        stats.bytes_sent += payload_size(payload)

    def abandon_message(self, *, now: float) -> None:
        """Abandon a fragmented message without its final fragment; nothing can follow it, so this closes (1011).

        Does nothing if no message is being sent in fragments, or after the end.
        """
        if self._streaming is not None and self._state is OPEN:
            self._process(Trigger.APP_CLOSE, now, ABANDONED)
            self._after_our_close(now)

    def ping(self, payload: bytes | None = None, *, now: float) -> bytes:
        """Send a ping; `pongs_received` reports when it was answered.

        Args:
            payload: At most 125 bytes (RFC 6455 5.5); random if None.
            now: The caller's clock, in seconds.

        Returns:
            The payload.

        Raises:
            InvalidMessage: The payload is not bytes, or too long.
            LocalProtocolError: The connection is not open yet, or a ping with this payload, other than keepalive's, is
                in flight.
            ConnectionClosed: The connection has ended; HandshakeFailed if it was never open.
        """
        if self._state is not OPEN:
            raise self._not_sendable("ping")
        payload = self._random(8) if payload is None else _ping_payload(payload)
        if (payload, False) in self._pings:
            raise LocalProtocolError(f"ping({payload!r}): one with this payload is in flight already")
        assert self._codec is not None
        self._pings[payload, False] = now
        self.stats.pings_sent += 1
        self._lane.write(self._codec.ping(payload))
        return payload

    def pongs_received(self) -> list[tuple[bytes, float]]:
        """Take the answered pings among those sent by `ping`: payload, and seconds from ping to pong.

        A pong also answers the pings before its own (RFC 6455 5.5.3).
        """
        pongs, self._pongs = self._pongs, []
        return pongs

    def check_pong(self) -> None:
        """Check that a pong can still come.

        Raises:
            ConnectionClosed: The connection has ended; HandshakeFailed if it was never open.
        """
        if self._termination is not None:
            raise self._ended()

    def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "", *, now: float) -> None:
        """Close the connection: with a close frame when open, silently before; does nothing after the end.

        Args:
            code: The close code (RFC 6455 7.4).
            reason: The close reason, at most 123 bytes in UTF-8.
            now: The caller's clock, in seconds.

        Raises:
            InvalidMessage: A close frame cannot carry the code or the reason.
        """
        close = as_close(code, reason, "close")
        self._process(Trigger.APP_CLOSE, now, application_closed(close) if self._opened else GIVEN_UP)
        self._after_our_close(now)

    def next_message(self, *, now: float) -> str | bytes | None:
        """Return the application's next message, or None.

        This is an input: it makes room, so `wants_read` may change, and when no message is left, a server's end that
        waited behind them takes effect (F32). After None, `check_receive` raises if no more can come.
        """
        if self._pending_since is not None:
            self._before_next_message(now)
        lane = self._lane
        message = lane.next_payload()
        if lane.paused and lane.roomy and self._pending_since is None:
            self._resume(now)
        if message is None and self._deferred is not None and self._pending_since is None:
            self._apply_deferred(now)
            message = lane.next_payload()
        if not lane.open:
            self._steer()
        return message

    def check_receive(self) -> None:
        """Check that a message can still come.

        While our close awaits the server's this does not raise: how the connection ends is still to be awaited.

        Raises:
            ConnectionClosed: The connection has ended; HandshakeFailed if it was never open.
        """
        if self._termination is not None and self._state is not CLOSE_SENT and not self._lane.count:
            raise self._ended()

    def check_open(self) -> None:
        """Check that the connection is open or can still open.

        Raises:
            HandshakeFailed: It never will be open; includes the subclasses.
        """
        if self._state is CLOSED and not self._opened:
            raise self._ended()

    # -- outputs: levels, to be read after any input, in any order

    @property
    def has_message(self) -> bool:
        """Whether `next_message` would return one, or `check_receive` raise: wake a task that waits for a message."""
        over = self._termination is not None and self._state is not CLOSE_SENT
        return self._lane.count > 0 or (self._deferred is not None and self._pending_since is None) or over

    @property
    def opened(self) -> bool:
        """Whether the handshake was accepted; stays True after the end."""
        return self._opened

    @property
    def response(self) -> Response | None:
        """The handshake's answer, once its head has come; with a refusal's body once that ends, up to
        `max_refusal_size`."""
        return self._response

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the server chose from those offered."""
        return self._subprotocol

    @property
    def wants_read(self) -> bool:
        """Whether to read from the socket; if False, stop until it is True again."""
        return not self._eof and not self._lane.paused and self._state is not CLOSED

    @property
    def _awaits_peers_close(self) -> bool:
        """Whether to keep reading until EOF: after both close frames the server ends TCP first (RFC 6455 7.1.1)."""
        return not self._eof and self._close_received is not None and self._close_sent is not None

    def __repr__(self) -> str:
        """Return state and address, for logs."""
        return f"<ClientConnection {self._state.name} {self.uri}>"

    # -- the machine

    _TABLE = CLIENT_TRANSITIONS
    _TIMED_OUT: ClassVar[Mapping[Timer, Termination]] = {**TIMED_OUT, Timer.HANDSHAKE: UNANSWERED}

    def _settled_end(self, end: Termination | None) -> Termination | None:
        """Keep a refusal as the end, whatever ends its body."""
        if self._state is not State.READING_REFUSAL:
            return end
        assert self._handshake is not None
        self._response = self._handshake.cut_short()
        assert self._response is not None
        return answered_otherwise(self._response)

    def _finish(self, now: float) -> None:
        """Release what only an open connection needs."""
        del now
        self._lane.drop_output()
        self._handshake = None

    def _perform(self, effect: Effect, payload: Any, now: float) -> None:
        del payload
        match effect:
            case Effect.READ_FRAMES:
                self._opened = True
                self._handshake = None
            case Effect.SEND_CLOSE:
                self._write_close()
            case Effect.SEND_PING:
                assert self._codec is not None
                self._pings.pop((self._ping[0], True), None)  # given up for the next
                payload = self._keepalive_ping(now, self._random)
                self._pings.setdefault((payload, True), now)
                self._lane.write(self._codec.ping(payload))
            case Effect.APPLY_DEFERRED:
                self._apply_deferred(now)
            case _:
                # The application gets no message: `check_receive` raises.
                assert effect is Effect.QUEUE_DISCONNECT

    # -- the handshake

    def _read_response(self, handshake: ClientHandshake, data: bytes | bytearray | memoryview, now: float) -> None:
        if self._state is State.AWAITING_RESPONSE:
            match handshake.feed(data):
                case None:
                    return
                case BadResponse(why, response):
                    self._response = response
                    self._process(Trigger.PEER_BAD_RESPONSE, now, not_answered(why))
                    return
                case AcceptedHandshake(response, subprotocol, deflate, rest):
                    self._response = response
                    self._subprotocol = subprotocol
                    self._codec = client_codec(self.config, deflate, _keys(self._random).__next__)
                    self._lane.attach(self._codec)
                    self._process(Trigger.PEER_ACCEPTANCE, now)
                    if rest:
                        self._codec.receive_data(rest)
                        self._parse(now)
                    return
                case Response() as refusal:  # pragma: no branch  # the last of the handshake's results
                    self._response = refusal
                    self._process(Trigger.PEER_REFUSAL, now)
                    data = b""
        if handshake.body(data):
            self._process(Trigger.PEER_LAST_BODY, now)

    # -- frames

    def _process_eof(self, now: float, *, answering: bool = False) -> None:
        self._defer_or_apply(Trigger.PEER_EOF, END_OF_STREAM if self._opened else CUT_OFF, now, answering=answering)

    def _take_pong(self, payload: bytes, now: float) -> None:
        """Process a pong: it answers the first ping with its payload, and all pings sent before that."""
        if (payload, False) not in self._pings and (payload, True) not in self._pings:
            return
        self._changes()
        for earlier, of_keepalive in list(self._pings):  # pragma: no branch  # one of them has the payload
            sent_at = self._pings.pop((earlier, of_keepalive))
            if of_keepalive:
                self._keepalive_pong(earlier, now)
            else:
                self._pongs.append((earlier, now - sent_at))
                self.stats.latency = now - sent_at
            if earlier == payload:
                return

    def _not_sendable(self, what: str) -> Exception:
        """Make the error for an application that sends while the connection is not open."""
        if self._termination is not None:
            return self._ended()
        return LocalProtocolError(f"{what}() before the connection is open: {self._state.value}")

    def _ended(self) -> ConnectionClosed | HandshakeFailed:
        assert self._termination is not None
        return self._ended_error(self._termination)

    def _ended_error(self, end: Termination) -> ConnectionClosed | HandshakeFailed:
        error = self._told_end(end)
        error.__cause__ = self._loss
        return error

    def _told_end(self, end: Termination) -> ConnectionClosed | HandshakeFailed:
        address = str(self.uri)
        if self._opened:
            return ConnectionClosed(end.code, end.reason, self._close_sent, self._close_received, address)
        response = self._response
        if response is not None and response.status != 101:
            locations = [value for name, value in response.headers if name == b"location"]
            location = None
            if 300 <= response.status < 400 and locations:
                location = redirected(self.uri, locations[0].decode("latin-1"))
            status, headers, body = response
            return HandshakeRefused(address, end.reason, status=status, headers=headers, body=body, location=location)
        if end is UNANSWERED:
            return HandshakeTimeout(address, end.reason)
        # With TLS 1.3 a server refuses our certificate only once our part of the handshake is over (RFC 8446 4.4.2.4).
        temporary = end is CUT_OFF or (end.cause == "transport" and not is_certificate_error(self._loss))
        return HandshakeFailed(address, end.reason, temporary=temporary)


def _keys(random: Callable[[int], bytes]) -> Iterator[bytes]:
    """Yield masking keys (RFC 6455 5.3) endlessly, drawn in blocks: one call of `random` for 64 frames."""
    while True:
        block = random(256)
        for at in range(0, 256, 4):
            yield block[at : at + 4]


def _payload(message: object) -> str | bytes:
    """Check an application's message. Raises InvalidMessage."""
    if isinstance(message, str):
        return message
    if isinstance(message, bytes | bytearray | memoryview):
        return bytes(message)  # pyright: ignore[reportUnknownArgumentType]  # a memoryview of anything
    raise InvalidMessage(f"a message must be str or bytes, not {type(message).__name__}")


def _ping_payload(payload: object) -> bytes:
    """Check a ping's payload. Raises InvalidMessage."""
    data = as_bytes(payload, "a ping's payload")
    if len(data) > 125:
        raise InvalidMessage(f"a ping of {len(data)} bytes: at most 125 fit (RFC 6455 5.5)")
    return data
