"""The server's end of one connection: feeds the table in `lifecycle`, performs its effects, owns the outputs.

Rules of this file: it never waits, has no clock and no source of randomness, and never raises because of a peer's
input. It decides nothing that the table decides, and contains no close code: a trigger carries a `Termination` from
`termination`, or a validated message. It adds the fast path of messages, pings and pongs, which change no state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, Literal, Self

from .access import AccessRecord
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
)
from .close import CloseCode
from .config import Config
from .endpoint import Endpoint
from .errors import ClientDisconnected, LocalProtocolError
from .frames.codec import FrameCodec
from .frames.engines import server_codec
from .http.server_handshake import Denial, HeadReader, OpeningHandshake, Request, Response, validate_request
from .lifecycle import (
    AWAITING_ACCEPT,
    AWAITING_REQUEST,
    CLOSED,
    OPEN,
    SERVER_TRANSITIONS,
    Effect,
    State,
    Timer,
    Trigger,
)
from .outgoing import as_close, lone_surrogate, payload_size
from .prepared_message import Encoding, PreparedMessage, encoding
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
"""What a trigger that does not end the connection carries, for the effects of its step."""

_UNKNOWN_PEER: Final = Peer()


class ServerConnection(Endpoint[FrameCodec]):
    """One WebSocket connection on the server's side, between bytes and ASGI messages.

    Feed it what happens (on the network, in the application, timeouts, the operator's actions); after any input read
    its outputs, in any order: `data_to_send`, `has_message`, `next_timeout`, `scope`, `wants_read`, `closing`. Not
    thread-safe: call every method from one task, or under one lock.

    Args:
        config: Limits and timeouts.
        peer: What the transport knows of the connection.
        now: The caller's monotonic clock, in seconds, here and in every method.
        state: The lifespan's state, copied into the scope.
        access_log: Whether to produce `access_records`.
        half_close: Whether the transport can shut down its writing side alone, as TCP can, and TLS in Python's asyncio
            cannot; without it `closing` requests a close instead.
        random: A function returning n cryptographically random bytes, such as `os.urandom`, for the payloads of
            keepalive's pings; without it they are a counter.
        root_path: ASGI `root_path`: where the application is mounted. A prefix of `path` and `raw_path`, as in uvicorn.
    """

    __slots__ = (
        "_access_log",
        "_app_state",
        "_denial",
        "_early",
        "_emit_response",
        "_encoding",
        "_handshake",
        "_head",
        "_opened_at",
        "_peer",
        "_random",
        "_rejected",
        "_request",
        "_response",
        "_root_path",
        "_scope",
        "access_records",
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
        root_path: str = "",
    ) -> None:
        super().__init__(config, State.AWAITING_REQUEST, now, masked=True, half_close=half_close)
        self.access_records: list[AccessRecord] = []
        self._peer = peer
        self._access_log = access_log
        self._random = random
        self._root_path = root_path
        self._app_state: Mapping[str, Any] = {} if state is None else state
        self._opened_at = now
        # the handshake
        self._head: HeadReader | None = HeadReader(config)
        self._request: Request | None = None
        self._rejected = False
        self._emit_response = True
        self._handshake: OpeningHandshake | None = None
        self._scope: Scope | None = None
        self._early: bytearray | None = None  # input received before the accept
        self._denial: Denial | None = None
        self._response: Response | None = None
        # messages
        self._encoding: Encoding | None = None

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
        root_path: str = "",
        emit_response: bool = True,
    ) -> Self:
        """Start from a request head that another HTTP parser has read; pass the bytes after it to `receive_data`.

        Args:
            request: The request head.
            config: As for the class, like the arguments not listed here.
            emit_response: False: do not write the handshake's answer. Take status and headers from `response`, and from
                `data_to_send` the body as it comes, unframed, or WebSocket frames. For servers that write responses
                themselves, and for HTTP/2 (RFC 8441), where `request.http_version` is "2" and the answer is 200.
        """
        connection = cls(
            config,
            peer=peer,
            now=now,
            state=state,
            access_log=access_log,
            half_close=half_close,
            random=random,
            root_path=root_path,
        )
        connection._emit_response = emit_response
        connection._validate_request(request, now)
        return connection

    # -- the network: a peer's input never raises

    def secured(self, tls: dict[str, Any]) -> None:
        """Call when the TLS handshake is over, with the content of ASGI's tls extension."""
        self._peer = self._peer._replace(tls=tls)

    def receive_data(self, data: bytes | bytearray | memoryview, *, now: float) -> None:
        """Process bytes from the peer, copying what is kept. Empty data has no effect; it does not mean EOF."""
        if not data or self._eof:
            return
        if self._codec is not None:
            self._take_frames(data, now)
        elif self._state is AWAITING_REQUEST:
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
        elif self._state is AWAITING_ACCEPT:
            self._changes()
            if self._early is None:
                self._early = bytearray()
            self._early += data

    # -- the application

    def send(self, message: Mapping[str, Any], *, now: float) -> None:
        """Process an ASGI message from the application; afterwards there may be `data_to_send`.

        Raises:
            InvalidMessage: The message is malformed.
            LocalProtocolError: The state does not allow the message.
            ClientDisconnected: The connection was ended by anyone but the application.

        A message that raises has changed nothing.
        """
        given: Any = message
        if type(given) is not dict:
            message = as_dict(message)
        if self._state is OPEN and message.get("type") == "websocket.send":  # the fast path
            payload = read_send(message)
            codec, stats = self._codec, self.stats
            assert codec is not None
            try:
                self._lane.write(codec.text(payload) if isinstance(payload, str) else codec.binary(payload))
            except UnicodeEncodeError as error:
                raise lone_surrogate(error, "websocket.send: 'text'") from None
            stats.messages_sent += 1
            stats.bytes_sent += payload_size(payload)
            return
        kind = message_type(message)
        trigger = TRIGGERS[kind]
        if trigger not in SERVER_TRANSITIONS[self._state]:
            raise self._refused_message(kind)
        match trigger:
            case Trigger.APP_ACCEPT:
                assert self._handshake is not None  # AWAITING_ACCEPT is only entered by PEER_REQUEST
                accept = read_accept(message, self._handshake.subprotocols)
                self._process(trigger, now, payload=accept)
                self._take_early_data(now)
            case Trigger.APP_CLOSE if self._state is State.AWAITING_ACCEPT:
                # The reason is sent nowhere, and FastAPI passes a list of errors as the reason.
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
        """Return whether `message` should wait until there is room for output, to keep it bounded.

        Messages with a payload should wait; if cancelled meanwhile, nothing of them was sent. A close should not, since
        its deadline is what ends a connection whose peer does not read; nor should anything after the end.
        """
        return self._termination is None and getattr(message, "get", _nothing)("type") in _WITH_PAYLOAD

    def send_nowait(self, message: PreparedMessage) -> bool:
        """Send a message that goes to many connections; afterwards there is `data_to_send`.

        Returns:
            False, with nothing changed, if there is no room now or the connection is not open: unlike an application's
            `send`, a broadcast waits for no receiver, so its sender decides what to do.
        """
        output = self._lane
        if self._state is not OPEN or output.output_size >= output.output_limit:
            return False
        assert self._codec is not None
        output.write(message.frame(self._codec, self._encoding))
        self.stats.messages_sent += 1
        self.stats.bytes_sent += message.size
        return True

    def next_message(self, *, now: float) -> ReceivedMessage | None:
        """Return the application's next message, or None.

        This is an input: it makes room, so `wants_read` may change, and when no message is left, a peer's end that
        waited behind them takes effect (F32). After `websocket.disconnect` there are no more messages.
        """
        if self._pending_since is not None:
            self._before_next_message(now)
        lane = self._lane
        message = lane.next_message()
        if lane.paused and lane.roomy and self._pending_since is None:
            self._resume(now)
        if message is None and self._deferred is not None and self._pending_since is None:
            self._apply_deferred(now)
            message = lane.next_message()
        lane.asking = message is None
        if not lane.open:
            self._steer()
        return message

    def check_receive(self) -> None:
        """Check that a message can still come.

        Raises:
            LocalProtocolError: The disconnect, the last message, was already taken.
        """
        if self._termination is not None and not self._lane:
            raise LocalProtocolError("receive() after websocket.disconnect: it was the last message; return instead")

    def application_returned(self, *, now: float) -> None:
        """Call when the application returned: 500 if unanswered, 1000 when open. Unread messages are dropped."""
        self._application_over(Trigger.TASK_RETURNED, RETURNED, RETURNED_UNANSWERED, now)

    def application_raised(self, *, now: float) -> None:
        """Call when the application raised, or was cancelled: 500 if unanswered, 1011 when open."""
        self._application_over(Trigger.TASK_RAISED, RAISED, RAISED_UNANSWERED, now)

    # -- the operator

    def begin_shutdown(self, *, now: float, code: int | None = None, reason: str = "") -> None:
        """End the connection because the server stops: 503 if unanswered, a close frame when open.

        A response that is being streamed, and a closing that has begun, continue.

        Args:
            now: The caller's clock, in seconds.
            code: The close code; None is 1012, which asks clients to come back (1001 "going away" is older).
            reason: The close reason, at most 123 bytes in UTF-8.

        Raises:
            InvalidMessage: A ValueError; a close frame cannot carry the code or the reason.
        """
        close = as_close(CloseCode.SERVICE_RESTART if code is None else code, reason, "begin_shutdown")
        self._process(Trigger.OPERATOR_SHUTDOWN, now, shut_down(close))
        self._after_our_close(now)

    def reject(self, *, now: float) -> None:
        """Answer the request with 503 once it has come, because there are too many connections.

        Not earlier: an answer before the request confuses clients, and the end of stream after it makes some report a
        lost connection instead of the 503.
        """
        del now
        self._rejected = True

    def forget_scope(self) -> None:
        """Release the scope, once it is no longer needed: the transport's `send_nowait` in it refers back to here.

        Only the garbage collector frees such a reference cycle, at a tenth of a connection's cost.
        """
        self._changes()
        self._scope = None

    # -- outputs: levels, to be read after any input, in any order

    @property
    def has_message(self) -> bool:
        """Whether `next_message` would return one."""
        lane = self._lane
        # The first operand is the common case, and needs no call.
        return bool(lane.count or lane or (self._deferred and self._pending_since is None))

    @property
    def scope(self) -> Scope | None:
        """The ASGI scope, once the application should be started with it; None before, and for a refused request."""
        return self._scope

    @property
    def response(self) -> Response | None:
        """The handshake's answer, once there is one."""
        return self._response

    @property
    def wants_read(self) -> bool:
        """Whether to read from the socket; if False, stop until it is True again."""
        if self._eof or self._lane.paused:
            return False
        if self._state is AWAITING_ACCEPT:
            return self._early is None or len(self._early) < self.config.max_early_data
        return self._state is not CLOSED

    def __repr__(self) -> str:
        """Return state and peer, for logs."""
        return f"<ServerConnection {self._state.name} client={self._peer.client}>"

    # -- the machine

    _TABLE = SERVER_TRANSITIONS
    _TIMED_OUT = TIMED_OUT

    def _perform(self, effect: Effect, payload: Any, now: float) -> None:
        self._PERFORM[effect](self, payload, now)

    # -- the effects. The assertions follow from the table: they state which trigger carries what

    def _start_application(self, payload: _Payload, now: float) -> None:
        del now
        assert isinstance(payload, OpeningHandshake)
        self._handshake = payload
        self._scope = payload.scope(self._peer, self._root_path, self._app_state)
        self._lane.put_connect({"type": "websocket.connect"})

    def _refuse(self, payload: _Payload, now: float) -> None:
        del payload
        assert self._termination is not None
        response = self._termination.response
        assert response is not None
        self._early = None
        if self._request is not None and self._request.method == b"HEAD":
            # RFC 9110 9.3.2: the response to HEAD has no content, whatever its content-length.
            response = response._replace(body=b"")
        self._answer(response, now)
        self._lane.write(response.body)

    def _switch_protocols(self, payload: _Payload, now: float) -> None:
        assert isinstance(payload, Accept)
        opening = self._handshake
        assert opening is not None
        self._answer(opening.accept(payload), now)
        self._codec = server_codec(self.config, opening.deflate)
        self._lane.attach(self._codec)
        self._encoding = encoding(self.config, opening.deflate)

    def _hold_response(self, payload: _Payload, now: float) -> None:
        del now
        assert isinstance(payload, ResponseStart)
        self._early = None
        self._denial = Denial(payload)

    def _write_head(self, payload: _Payload, now: float) -> None:
        assert isinstance(payload, Body)
        assert self._denial is not None
        self._answer(self._denial.head(payload, chunks=self._emit_response), now)

    def _write_body(self, payload: _Payload, now: float) -> None:
        del now
        assert isinstance(payload, Body)
        assert self._denial is not None
        self._lane.write(self._denial.frame(payload))

    def _await_body(self, payload: _Payload, now: float) -> None:
        del payload
        self._timers.start(Timer.BODY, now)

    def _send_close(self, payload: _Payload, now: float) -> None:
        del payload, now
        self._write_close()

    def _send_ping(self, payload: _Payload, now: float) -> None:
        del payload
        assert self._codec is not None
        self._lane.write(self._codec.ping(self._keepalive_ping(now, self._random)))

    def _apply_deferred_effect(self, payload: _Payload, now: float) -> None:
        del payload
        self._apply_deferred(now)

    def _queue_disconnect(self, payload: _Payload, now: float) -> None:
        del payload, now
        assert self._termination is not None
        self._lane.put_disconnect(_disconnect(self._termination))

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
        """Parse input received before the accept as frames, now that the answer is out (E24, E25)."""
        early, self._early = self._early, None
        if early:
            assert self._codec is not None
            self._codec.receive_data(early)
            self._parse(now)

    def _answer(self, response: Response, now: float) -> None:
        """Answer the handshake, and release what was kept of it."""
        over_http2 = self._request is not None and self._request.http_version == "2"
        self._response = response.over_http2() if over_http2 else response
        if self._emit_response:
            self._lane.write(response.head())
        if self._access_log:
            self._record("accepted" if self._state is OPEN else "refused", now)
        self._request = self._handshake = None

    def _take_pong(self, payload: bytes, now: float) -> None:
        if self._keepalive_pong(payload, now):
            self._changes()

    # -- the end

    def _process_eof(self, now: float, *, answering: bool = False) -> None:
        # Some clients half-close after their last request (`printf ... | client`) and keep reading: an application that
        # has taken a message may still answer it. A close frame means that the peer stops reading; it is not delayed.
        answering = answering or (not self._lane.asking and self.stats.messages_received > 0)
        self._defer_or_apply(Trigger.PEER_EOF, END_OF_STREAM, now, answering=answering)

    def _end_corrected(self, end: Termination) -> None:
        self._lane.correct_disconnect(_disconnect(end))

    def _application_over(self, trigger: Trigger, opened: Termination, unanswered: Termination, now: float) -> None:
        self._lane.drop_messages()
        # Unparsed input is dropped as well: nothing may come after the disconnect. So reading goes on, though the state
        # may stay.
        self._changes()
        self._lane.paused, self._pending_since = False, None
        self._process(trigger, now, opened if self._state is OPEN else unanswered)
        self._after_our_close(now)

    def _finish(self, now: float) -> None:
        """Release everything and write the access record; from here on there is no output (I8)."""
        self._lane.drop_output()
        self._early = None
        if self._access_log and (self._response is None or self._response.status in _ACCEPTED):
            # As far as it is known: a full queue may hold back how the connection ended.
            self._record("closed", now)
        self._head = None

    def _record(self, event: Literal["accepted", "refused", "closed"], now: float) -> None:
        """Make an access record."""
        head, end, stats, response = self._head, self._termination, self.stats, self._response
        request = self._request
        if request is not None:
            line: tuple[bytes, bytes] | None = (request.method, request.target.partition(b"?")[0])
        elif self._scope is not None:
            line = (b"CONNECT" if self._scope["http_version"] == "2" else b"GET", self._scope["raw_path"])
        else:
            line = None if head is None else head.request_line()
        self.access_records.append(
            AccessRecord(
                event="unused" if head is not None and not head.begun else event,
                client=self._peer.client,
                method=None if line is None else line[0].decode("ascii", "backslashreplace"),
                path=None if line is None else line[1].decode("ascii", "backslashreplace"),
                status=None if response is None else response.status,
                code=None if end is None else int(end.code),
                cause=None if end is None else end.cause,
                reason="" if end is None else end.reason,
                messages_received=stats.messages_received,
                bytes_received=stats.bytes_received,
                messages_sent=stats.messages_sent,
                bytes_sent=stats.bytes_sent,
                duration=now - self._opened_at,
            )
        )

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
    """Make the application's last message."""
    return {"type": "websocket.disconnect", "code": int(end.code), "reason": end.reason}


def _nothing(key: str) -> None:
    """Stand in for `get` on an object that is not a mapping, which `send` refuses."""
    del key


_ACCEPTED: Final = (101, 200)  # 200 over HTTP/2 (RFC 8441 5)
_WITH_PAYLOAD: Final = frozenset({"websocket.send", "websocket.http.response.body"})
