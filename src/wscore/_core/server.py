"""The server's end of one connection: feeds the table in `lifecycle`, performs its effects, owns the outputs.

The rules of this file: it never waits, never asks for the time, and never raises on what a peer did. It decides
nothing that the table decides, and names no code: a trigger carries a `Termination` from `termination`, or what was
read of a message. What it adds is the fast path of messages, pings and pongs, which change no state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, Self

from .access import answered_line, closed_line
from .asgi.messages import (
    TRIGGERS,
    Accept,
    Body,
    Peer,
    ReceivedMessage,
    ResponseStart,
    Scope,
    as_dict,
    message_type,
    read_accept,
    read_body,
    read_close,
    read_response_start,
    read_send,
    unencodable,
)
from .close import MAX_REASON_BYTES, is_sendable
from .config import Config
from .endpoint import Endpoint
from .errors import ClientDisconnected, LocalProtocolError
from .frames.codec import FrameCodec
from .frames.deflate import DeflateParameters
from .frames.native import NativeCodec
from .frames.wsproto import WsprotoCodec
from .http.server_handshake import Denial, HeadReader, OpeningHandshake, Request, Response, validate_request
from .lifecycle import SERVER_TRANSITIONS, Effect, State, Timer, Trigger, transition
from .prepared_message import Encoding, PreparedMessage, encoding
from .receive_queue import payload_size
from .termination import (
    CLOSED_UNANSWERED,
    DENIED,
    END_OF_STREAM,
    OVERLOAD,
    RAISED,
    RAISED_UNANSWERED,
    RETURNED,
    RETURNED_UNANSWERED,
    TIMED_OUT,
    Termination,
    application_closed,
    refused,
    shut_down,
)

__all__ = ["ServerConnection"]


_Payload = OpeningHandshake | Accept | ResponseStart | Body | None
"""What rides beside a trigger that does not end the connection, for the effects of its step."""

_UNKNOWN_PEER: Final = Peer()


class ServerConnection(Endpoint[FrameCodec]):
    """One WebSocket connection, seen from the server, between bytes and ASGI messages.

    Feed it what happens (the network, the application, the clock, the operator); after any input read its outputs,
    in any order: `data_to_send`, `has_message`, `next_timeout`, `scope`, `wants_read`, `closing`. `now` is seconds of a
    monotonic clock of the caller's. Not thread-safe: call every method from one task, or under one lock.

    `peer` says what the transport knows of the connection; `state` is the lifespan's, copied into the scope. Without
    `access_log` no `access_lines` are written. `random` gives so many bytes that nobody can foretell, as `os.urandom`
    does, for the payloads of keepalive's pings; without it they are counted. `half_close` says that the transport can
    end its writing side alone, as TCP can, and TLS of Python's asyncio cannot; without it `closing` asks to close
    instead.
    """

    __slots__ = (
        "_access_log",
        "_app_state",
        "_as_value",
        "_asking",
        "_denial",
        "_early",
        "_encoding",
        "_handshake",
        "_head",
        "_opened_at",
        "_peer",
        "_random",
        "_rejected",
        "_request",
        "_response",
        "_scope",
        "access_lines",
    )

    def __init__(
        self,
        config: Config,
        *,
        peer: Peer = _UNKNOWN_PEER,
        now: float,
        state: Mapping[str, Any] | None = None,
        access_log: bool = True,
        half_close: bool = True,
        random: Callable[[int], bytes] | None = None,
    ) -> None:
        super().__init__(config, State.AWAITING_REQUEST, now, half_close=half_close)
        self.access_lines: list[str] = []
        self._peer = peer
        self._access_log = access_log
        self._random = random
        self._app_state: Mapping[str, Any] = {} if state is None else state
        self._opened_at = now
        # the handshake
        self._head: HeadReader | None = HeadReader(config)
        self._request: Request | None = None
        self._rejected = False
        self._as_value = False
        self._handshake: OpeningHandshake | None = None
        self._scope: Scope | None = None
        self._early: bytearray | None = None  # what came before the accept
        self._denial: Denial | None = None
        self._response: Response | None = None
        # messages
        self._encoding: Encoding | None = None
        self._asking = False  # the application has asked in vain for its next message

    @classmethod
    def from_request(
        cls,
        request: Request,
        config: Config,
        *,
        peer: Peer = _UNKNOWN_PEER,
        now: float,
        state: Mapping[str, Any] | None = None,
        access_log: bool = True,
        half_close: bool = True,
        random: Callable[[int], bytes] | None = None,
        as_value: bool = False,
    ) -> Self:
        """Start from a request head that another HTTP parser has read; what follows it goes to `receive_data`.

        With `as_value` the handshake's answer is not written: take status and headers from `response`, and from
        `data_to_send` the body as it comes, unframed, and then WebSocket frames. That is for parsers that write
        responses themselves, and for HTTP/2 (RFC 8441), where `request.http_version` is "2" and the answer is 200.
        """
        connection = cls(
            config, peer=peer, now=now, state=state, access_log=access_log, half_close=half_close, random=random
        )
        connection._as_value = as_value
        connection._validate_request(request, now)
        return connection

    # -- the network: nothing that a peer does raises

    def secured(self, tls: dict[str, Any]) -> None:
        """Take what TLS has agreed, once its handshake is over: the content of ASGI's tls extension."""
        self._peer = self._peer._replace(tls=tls)

    def receive_data(self, data: bytes | bytearray | memoryview, *, now: float) -> None:
        """Take bytes from the peer, copied where they are kept. No bytes mean nothing, not the end."""
        if not data or self._eof:
            return
        if self._codec is not None:
            self._take_frames(data, now)
        elif self._state is _AWAITING_REQUEST:
            assert self._head is not None
            match self._head.feed(data):
                case None:
                    pass
                case Response() as bad:
                    self._process(Trigger.PEER_BAD_REQUEST, now, refused(bad))
                case (request, rest):  # pragma: no branch  # the last of the parser's results
                    if rest:
                        self._early = bytearray(rest)
                    self._validate_request(request, now)
        elif self._state is _AWAITING_ACCEPT:
            self.generation += 1
            if self._early is None:
                self._early = bytearray()
            self._early += data

    # -- the application

    def send(self, message: Mapping[str, Any], *, now: float) -> None:
        """Take an ASGI message from the application; afterwards there may be `data_to_send`.

        Raises InvalidMessage for a malformed message, LocalProtocolError for one that the state does not allow, and
        ClientDisconnected once the connection has ended by other doing than the application's. A message that was
        refused has changed nothing.
        """
        given: Any = message
        if type(given) is not dict:
            message = as_dict(message)
        if self._state is _OPEN and message.get("type") == "websocket.send":  # the fast path
            payload = read_send(message)
            codec, stats = self._codec, self.stats
            assert codec is not None
            try:
                self._send_buffer.write(codec.text(payload) if isinstance(payload, str) else codec.binary(payload))
            except UnicodeEncodeError as error:
                raise unencodable(error) from None
            stats.messages_sent += 1
            stats.bytes_sent += payload_size(payload)
            return
        kind = message_type(message)
        trigger = TRIGGERS[kind]
        if transition(self._state, trigger) is None:
            raise self._refused_message(kind)
        match trigger:
            case Trigger.APP_ACCEPT:
                assert self._handshake is not None  # AWAITING_ACCEPT is only entered by PEER_REQUEST
                accept = read_accept(message, self._handshake.subprotocols)
                self._process(trigger, now, payload=accept)
                self._take_early_data(now)
            case Trigger.APP_CLOSE if self._state is State.AWAITING_ACCEPT:
                # The reason goes nowhere, and FastAPI gives a list of errors as one.
                read_close({**message, "reason": None})
                self._process(trigger, now, CLOSED_UNANSWERED)
            case Trigger.APP_CLOSE:
                self._process(trigger, now, application_closed(read_close(message)))
                self._after_our_close(now)
            case Trigger.APP_RESPONSE:
                self._process(trigger, now, payload=read_response_start(message))
            case _:
                body = read_body(message)
                assert self._denial is not None  # RESPONSE_PENDING is only entered by APP_RESPONSE
                self._denial.check(body)
                self._process(Trigger.APP_BODY if body.more else Trigger.APP_LAST_BODY, now, DENIED, payload=body)

    def needs_room(self, message: Mapping[str, Any]) -> bool:
        """Tell whether `send` should be given `message` only when there is room, so that what is held stays bounded.

        What carries a payload should wait: cancelled meanwhile, nothing of it was sent. A close should not, since its
        deadline is what ends a connection whose output nobody takes; nor anything after the end.
        """
        return self._termination is None and getattr(message, "get", _nothing)("type") in _WITH_PAYLOAD

    def send_nowait(self, message: PreparedMessage) -> bool:
        """Take a message that goes to many connections; afterwards there is `data_to_send`.

        False where there is no room for it now, or the connection is not open, and then nothing has changed: unlike an
        application's `send` a broadcast waits for no receiver, so its sender decides what becomes of it.
        """
        output = self._send_buffer
        if self._state is not _OPEN or output.size >= output.limit:
            return False
        assert self._codec is not None
        output.write(message.frame(self._codec, self._encoding))
        self.stats.messages_sent += 1
        self.stats.bytes_sent += message.size
        return True

    def next_message(self, *, now: float) -> ReceivedMessage | None:
        """Give the application its next message, or None.

        Asking is an input: it makes room, so that `wants_read` may change, and with no message left, a peer's end
        that waited behind them takes effect (F32). After `websocket.disconnect` there is nothing more.
        """
        if self._pending_since is not None:
            self._before_next_message(now)
        message = self._receive_queue.take()
        if self._paused and self._receive_queue.roomy and self._pending_since is None:
            self._resume(now)
        if message is None and self._deferred is not None and self._pending_since is None:
            self._apply_deferred(now)
            message = self._receive_queue.take()
        self._asking = message is None
        return message

    def check_receive(self) -> None:
        """Raise LocalProtocolError where waiting for a message would be in vain: the disconnect was taken."""
        if self._termination is not None and self._scope is not None and not self._receive_queue:
            raise LocalProtocolError("receive() after websocket.disconnect: it was the last message; return instead")

    def application_returned(self, *, now: float) -> None:
        """Take the news that the application returned: 500 without an answer, 1000 when open; unread messages go."""
        self._application_over(Trigger.TASK_RETURNED, RETURNED, RETURNED_UNANSWERED, now)

    def application_raised(self, *, now: float) -> None:
        """Take the news that the application raised, or was cancelled: 500 without an answer, 1011 when open."""
        self._application_over(Trigger.TASK_RAISED, RAISED, RAISED_UNANSWERED, now)

    # -- the operator

    def begin_shutdown(self, *, now: float, code: int | None = None, reason: str = "") -> None:
        """End the connection because the server stops: 503 before an answer, a close frame with `code` when open.

        `code` defaults to the configuration's `shutdown_code`. A response that is being streamed, and a closing that
        is under way, go on. Raises ValueError for a code or a reason that no close frame can carry.
        """
        code = self.config.shutdown_code if code is None else code
        if not is_sendable(code) or len(reason.encode()) > MAX_REASON_BYTES:
            raise ValueError(f"begin_shutdown(code={code}, reason={reason!r}): no close frame can carry that")
        self._process(Trigger.OPERATOR_SHUTDOWN, now, shut_down(code, reason))
        self._after_our_close(now)

    def reject(self, *, now: float) -> None:
        """Answer the request with 503 once it has come, because there are too many connections.

        Not before: an answer that overtakes the question confuses clients, and the end of the stream behind it makes
        some report a lost connection instead of the 503.
        """
        del now
        self._rejected = True

    def forget_scope(self) -> None:
        """Let go of the scope, once nobody needs it any more: the transport's way to send in it leads back to here.

        Such a circle is freed by the garbage collector alone, which took a tenth of what a connection costs.
        """
        self.generation += 1
        self._scope = None

    # -- outputs: levels, to be read after any input, in any order

    @property
    def has_message(self) -> bool:
        """`next_message` would give one."""
        queue = self._receive_queue
        # The first is the common case, and no call.
        return bool(queue.messages or queue or (self._deferred and self._pending_since is None))

    @property
    def scope(self) -> Scope | None:
        """The ASGI scope, once the application is to be started with it; None before, and on a refused request."""
        return self._scope

    @property
    def response(self) -> Response | None:
        """The handshake's answer, once there is one."""
        return self._response

    @property
    def wants_read(self) -> bool:
        """False: stop reading from the socket, until it is True again."""
        if self._eof or self._paused:
            return False
        if self._state is _AWAITING_ACCEPT:
            return self._early is None or len(self._early) < self.config.max_early_data
        return self._state is not _CLOSED

    def __repr__(self) -> str:
        """Show state and peer, for logs."""
        return f"<ServerConnection {self._state.name} client={self._peer.client}>"

    # -- the machine

    _TABLE = SERVER_TRANSITIONS
    _TIMED_OUT = TIMED_OUT

    def _perform(self, effect: Effect, payload: Any, now: float) -> None:
        self._PERFORM[effect](self, payload, now)

    # -- the effects. The assertions hold by the table: they say which trigger brings what

    def _start_application(self, payload: _Payload, now: float) -> None:
        del now
        assert isinstance(payload, OpeningHandshake)
        self._handshake = payload
        self._scope = payload.scope(self._peer, self.config, self._app_state)
        self._receive_queue.put_connect({"type": "websocket.connect"})

    def _refuse(self, payload: _Payload, now: float) -> None:
        del payload, now
        assert self._termination is not None
        response = self._termination.response
        assert response is not None
        self._early = None
        if self._request is not None and self._request.method == b"HEAD":
            # RFC 9110 9.3.2: its answer has no content, whatever content-length says.
            response = response._replace(body=b"")
        self._answer(response)
        self._send_buffer.write(response.body)

    def _switch_protocols(self, payload: _Payload, now: float) -> None:
        del now
        assert isinstance(payload, Accept)
        opening = self._handshake
        assert opening is not None
        self._answer(opening.accept(payload))
        self._codec = _ENGINES[self.config.engine](self.config, opening.deflate)
        self._encoding = encoding(self.config, opening.deflate)

    def _hold_response(self, payload: _Payload, now: float) -> None:
        del now
        assert isinstance(payload, ResponseStart)
        self._early = None
        self._denial = Denial(payload)

    def _write_head(self, payload: _Payload, now: float) -> None:
        del now
        assert isinstance(payload, Body)
        assert self._denial is not None
        self._answer(self._denial.head(payload, chunks=not self._as_value))

    def _write_body(self, payload: _Payload, now: float) -> None:
        del now
        assert isinstance(payload, Body)
        assert self._denial is not None
        self._send_buffer.write(self._denial.frame(payload))

    def _await_body(self, payload: _Payload, now: float) -> None:
        del payload
        self._timers.start(Timer.BODY, now)

    def _send_close(self, payload: _Payload, now: float) -> None:
        del payload, now
        self._write_close()

    def _send_ping(self, payload: _Payload, now: float) -> None:
        del payload
        assert self._codec is not None
        self._send_buffer.write(self._codec.ping(self._keepalive_ping(now, self._random)))

    def _apply_deferred_effect(self, payload: _Payload, now: float) -> None:
        del payload
        self._apply_deferred(now)

    def _queue_disconnect(self, payload: _Payload, now: float) -> None:
        del payload, now
        assert self._termination is not None
        self._receive_queue.put_disconnect(_disconnect(self._termination))

    _PERFORM: ClassVar[Mapping[Effect, Callable[[Any, _Payload, float], None]]] = {
        Effect.START_APPLICATION: _start_application,
        Effect.REFUSE: _refuse,
        Effect.SWITCH_PROTOCOLS: _switch_protocols,
        Effect.HOLD_RESPONSE: _hold_response,
        Effect.WRITE_HEAD: _write_head,
        Effect.WRITE_BODY: _write_body,
        Effect.AWAIT_BODY: _await_body,
        Effect.SEND_CLOSE: _send_close,
        Effect.SEND_PING: _send_ping,
        Effect.APPLY_DEFERRED: _apply_deferred_effect,
        Effect.QUEUE_DISCONNECT: _queue_disconnect,
    }

    # -- the handshake

    def _validate_request(self, request: Request, now: float) -> None:
        self._head = None
        self._request = request
        verdict = validate_request(request, self.config)
        if self._rejected:
            self._process(Trigger.OPERATOR_REJECTS, now, OVERLOAD)
        elif isinstance(verdict, Response):
            self._process(Trigger.PEER_BAD_REQUEST, now, refused(verdict))
        else:
            self._process(Trigger.PEER_REQUEST, now, payload=verdict)

    def _take_early_data(self, now: float) -> None:
        """Read what came before the accept as frames, now that the answer is out (E24, E25)."""
        early, self._early = self._early, None
        if early:
            assert self._codec is not None
            self._codec.receive_data(early)
            self._parse(now)

    def _answer(self, response: Response) -> None:
        """Answer the handshake; what was kept of it for that is let go."""
        over_http2 = self._request is not None and self._request.http_version == "2"
        self._request = self._handshake = None
        self._response = response.over_http2() if over_http2 else response
        if not self._as_value:
            self._send_buffer.write(response.head())
        if self._access_log:
            self.access_lines.append(answered_line(self._peer, self._scope, response.status))

    def _take_pong(self, payload: bytes, now: float) -> None:
        if self._keepalive_pong(payload, now):
            self.generation += 1

    # -- the end

    def _process_eof(self, now: float, *, answering: bool = False) -> None:
        # Some clients end their half when they have asked (`printf ... | client`), and read on: whoever has a message
        # in its hands may answer it. A close frame says more, that nobody reads on, and has no such delay.
        answering = answering or (not self._asking and self.stats.messages_received > 0)
        self._defer_or_apply(Trigger.PEER_EOF, END_OF_STREAM, now, answering=answering)

    def _end_corrected(self, end: Termination) -> None:
        self._receive_queue.correct_disconnect(_disconnect(end))

    def _application_over(self, trigger: Trigger, opened: Termination, unanswered: Termination, now: float) -> None:
        self._receive_queue.drop_messages()
        # What was held back is dropped as well: nothing may come after the disconnect.
        self._paused, self._pending_since = False, None
        self._process(trigger, now, opened if self._state is _OPEN else unanswered)
        self._after_our_close(now)

    def _finish(self, now: float) -> None:
        """Say the last word on a connection that is closed: it gives no more output (I8)."""
        self._send_buffer.drop()
        self._early = None
        self._head = None
        if self._access_log and (
            end := self._termination
        ):  # as far as it is known: a full inbox may hold back how it ended
            seconds = now - self._opened_at
            self.access_lines.append(closed_line(self._peer, self._scope, end, self.stats, seconds))

    def _ended_error(self, end: Termination) -> ClientDisconnected:
        error = ClientDisconnected(end.code, end.reason)
        error.__cause__ = self._loss
        return error

    def _refused_message(self, kind: str) -> LocalProtocolError | ClientDisconnected:
        end = self._termination
        if end is not None and end.cause != "application":
            return self._ended_error(end)
        allowed = [name for name, trigger in TRIGGERS.items() if trigger in SERVER_TRANSITIONS[self._state]]
        return LocalProtocolError(
            f"{kind} while {self._state.name}: {self._state.value} (allowed: {', '.join(allowed) or 'nothing'})"
        )


def _disconnect(end: Termination) -> ReceivedMessage:
    """Write the application's last message."""
    return {"type": "websocket.disconnect", "code": end.code, "reason": end.reason}


_ENGINES: Final[Mapping[str, Callable[[Config, DeflateParameters | None], FrameCodec]]] = {
    "native": NativeCodec,
    "wsproto": WsprotoCodec,
}


def _nothing(key: str) -> None:
    """Stand in for `get` of what is no message, which `send` refuses."""
    del key


_WITH_PAYLOAD: Final = frozenset({"websocket.send", "websocket.http.response.body"})
# For what is asked on every message: looking a member up in its class takes Python 3.11 as long as unmasking a word.
_AWAITING_REQUEST: Final = State.AWAITING_REQUEST
_AWAITING_ACCEPT: Final = State.AWAITING_ACCEPT
_OPEN: Final = State.OPEN
_CLOSE_SENT: Final = State.CLOSE_SENT
_CLOSED: Final = State.CLOSED
