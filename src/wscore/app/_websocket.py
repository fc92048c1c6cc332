"""`WebSocket`: one connection, as an application sees it, on any ASGI server.

It adds no protocol of its own: it remembers how far each side has come, refuses what ASGI would not allow at that
point, and turns the three ways of learning that the connection is over into one exception. The names, the states and
the words of the errors are Starlette's, so that code written for it runs here; `docs/howto/coming-from-starlette.md`
lists where this class does better, and why.

Two states, because the two sides move apart: `client_state` changes by what was received, `application_state` by what
was sent.

    CONNECTING --connect / accept--> CONNECTED --disconnect / close--> DISCONNECTED
         `------ response.start ---> RESPONSE  ---- last body -------------^          (application_state only)

Concurrency: any task may send; one task at a time may receive.
"""

from __future__ import annotations

import enum
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, MutableMapping
from functools import cached_property
from typing import Any, Final, Literal, NoReturn, TypeVar, cast

from wscore import CloseCode, InvalidMessage, LocalProtocolError, PreparedMessage, Scope

from ._address import Address
from ._cookies import parse_cookies
from ._disconnect import WebSocketDisconnect, WebSocketDisconnected, WrongFrameType
from ._headers import HeaderItems, Headers, encode_headers
from ._query import QueryParams
from ._state import State
from ._url import URL

__all__ = ["WebSocket", "WebSocketClose", "WebSocketState"]

Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
T = TypeVar("T")

_MODE: Final = 'The "mode" argument should be "text" or "binary".'
_NOT_CONNECTED: Final = 'WebSocket is not connected. Need to call "accept" first.'
_RECEIVE_AFTER_END: Final = 'Cannot call "receive" once a disconnect message has been received.'
_SEND_AFTER_CLOSE: Final = 'Cannot call "send" once a close message has been sent.'
_SEND_AFTER_RETURN: Final = 'Cannot call "send" once the application has returned, or has closed the connection.'
_SEND_AFTER_END: Final = 'Cannot call "send" once a disconnect message has been received.'
_NO_DENIAL: Final = "The server doesn't support the Websocket Denial Response extension."


class WebSocketState(enum.Enum):
    """How far one side of a connection has come."""

    CONNECTING = 0
    CONNECTED = 1
    DISCONNECTED = 2
    RESPONSE = 3


class WebSocket(Mapping[str, Any]):
    """A websocket connection: `WebSocket(scope, receive, send)`; also a read-only mapping of the scope.

    Every method that uses the connection raises `WebSocketDisconnect` once the peer is gone, and its subclass
    `WebSocketDisconnected` when it is called before `accept()`, after `close()` or again after the disconnect.
    A message out of order is a RuntimeError.
    """

    client_state: WebSocketState
    """What the client has done, as far as it was received."""
    application_state: WebSocketState
    """What the application has done."""

    def __init__(
        self,
        scope: Scope | MutableMapping[str, Any],
        receive: Receive | None = None,
        send: Send | None = None,
        *,
        on_accepted: Callable[[], None] | None = None,
    ) -> None:
        """Take a connection from an ASGI server; `on_accepted` is called once `accept()` was sent."""
        assert scope["type"] == "websocket"
        self.scope = cast("MutableMapping[str, Any]", scope)
        self._receive = receive or _no_receive
        self._send = send or _no_send
        self.client_state = WebSocketState.CONNECTING
        self.application_state = WebSocketState.CONNECTING
        self._on_accepted = on_accepted
        self.was_accepted = False
        """The connection was opened, whatever has become of it since."""
        self._receiving = False
        self._end: tuple[int, str] | None = None  # code and reason, from whichever side came first

    # -- the scope

    def __class_getitem__(cls, item: Any) -> Any:
        return cls  # `WebSocket[State]`, as an annotation

    def __getitem__(self, key: str) -> Any:
        return self.scope[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.scope)

    def __len__(self) -> int:
        return len(self.scope)

    # A connection is itself and no other, whatever its scope says; it is a key in registries.
    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    @property
    def app(self) -> Any:
        """The application that the scope names; KeyError where it names none."""
        return self.scope["app"]

    @cached_property
    def url(self) -> URL:
        """The URL that the client asked for: a `str` that also has the parts."""
        return URL(scope=self.scope)

    @cached_property
    def base_url(self) -> URL:
        """The URL of the application's root, with a slash at its end."""
        root: str = self.scope.get("app_root_path", self.scope.get("root_path", ""))
        path = root if root.endswith("/") else root + "/"
        return URL(scope={**self.scope, "path": path, "query_string": b""})

    @cached_property
    def headers(self) -> Headers:
        """The request's header fields."""
        return Headers(scope=self.scope)

    @cached_property
    def query_params(self) -> QueryParams:
        """The query's parameters, decoded."""
        return QueryParams(cast("bytes", self.scope.get("query_string", b"")))

    @property
    def path_params(self) -> dict[str, Any]:
        """The parameters that a router found in the path."""
        return cast("dict[str, Any]", self.scope.get("path_params", {}))

    @cached_property
    def cookies(self) -> dict[str, str]:
        """The cookies, of all Cookie headers."""
        cookies: dict[str, str] = {}
        for header in self.headers.getlist("cookie"):
            cookies.update(parse_cookies(header))
        return cookies

    @property
    def client(self) -> Address | None:
        """Where the client is, or None where the server does not know."""
        client = self.scope.get("client")
        return None if client is None else Address(*client)

    @cached_property
    def state(self) -> State:
        """Values for this connection, beginning with those of the lifespan; they live in `scope["state"]`."""
        return State(self.scope.setdefault("state", {}))

    @property
    def subprotocols(self) -> list[str]:
        """The subprotocols that the client offers, best first."""
        return list(self.scope.get("subprotocols") or ())

    def url_for(self, name: str, /, **path_params: Any) -> URL:
        """Give the URL of the route called `name`; RuntimeError where no router put itself into the scope."""
        router: Any = self.scope.get("router") or self.scope.get("app")
        if router is None:
            raise RuntimeError("The `url_for` method can only be used inside a Starlette application or with a router.")
        return URL(str(router.url_path_for(name, **path_params).make_absolute_url(base_url=self.base_url)))

    @property
    def session(self) -> Any:
        """What SessionMiddleware put into the scope."""
        assert "session" in self.scope, "SessionMiddleware must be installed to access request.session"
        session: Any = self.scope["session"]
        if hasattr(session, "mark_accessed"):  # so it learns that the answer depends on the cookie
            session.mark_accessed()
        return session

    @property
    def auth(self) -> Any:
        """The credentials that AuthenticationMiddleware put into the scope."""
        assert "auth" in self.scope, "AuthenticationMiddleware must be installed to access request.auth"
        return self.scope["auth"]

    @property
    def user(self) -> Any:
        """The user that AuthenticationMiddleware put into the scope."""
        assert "user" in self.scope, "AuthenticationMiddleware must be installed to access request.user"
        return self.scope["user"]

    @property
    def is_disconnected(self) -> bool:
        """Whether either side has ended the connection, as far as was seen here. It asks nobody."""
        return WebSocketState.DISCONNECTED in {self.client_state, self.application_state}

    @property
    def close_code(self) -> int:
        """The code of the connection's end, from whichever side it came; 1006 while there is none."""
        return self._known_end()[0]

    @property
    def close_reason(self) -> str:
        """The reason of the connection's end."""
        return self._known_end()[1]

    @property
    def _send_nowait(self) -> Callable[[PreparedMessage], bool] | None:
        """The server's `send_nowait`, for broadcasts; None if a middleware wraps `send` and must see every message."""
        extensions: Any = self.scope.get("extensions") or {}
        extension = extensions.get("wscore.send_nowait", {})
        return extension.get("send_nowait") if extension.get("send") == self._send else None

    # -- raw messages

    async def receive(self) -> Message:
        """Receive one ASGI message. A disconnect is returned, not raised; after it this raises WebSocketDisconnected.

        RuntimeError for a message out of order, and when another task is already receiving: two readers would take
        each other's messages.
        """
        if self.client_state is WebSocketState.DISCONNECTED:
            raise self._disconnected(_RECEIVE_AFTER_END)
        if self._receiving:
            raise RuntimeError(
                'Cannot call "receive" while another task is receiving from this WebSocket: let one task receive '
                "and hand the messages on."
            )
        self._receiving = True
        try:
            message: Message = await self._receive()
        finally:
            self._receiving = False
        kind = message["type"]
        if self.client_state is WebSocketState.CONNECTING:
            if kind != "websocket.connect":
                raise RuntimeError(f'Expected ASGI message "websocket.connect", but got {kind!r}')
            self.client_state = WebSocketState.CONNECTED
        elif kind == "websocket.disconnect":
            self.client_state = WebSocketState.DISCONNECTED
            self._ended(*_end_of(message))
        elif kind != "websocket.receive":
            raise RuntimeError(f'Expected ASGI message "websocket.receive" or "websocket.disconnect", but got {kind!r}')
        return message

    async def send(self, message: Message) -> None:
        """Send one ASGI message.

        RuntimeError for a message that is not allowed now. WebSocketDisconnect once the peer is gone, or the
        application has returned, as a task that outlives it learns; but where the peer is gone a close is no error, for
        it asks for what has happened already.
        """
        before = self.application_state
        if before is WebSocketState.DISCONNECTED:
            raise self._disconnected(_SEND_AFTER_CLOSE)
        after = _after_sending(message, before)
        if self.client_state is WebSocketState.DISCONNECTED:
            # Some servers raise RuntimeError for a close after the disconnect, and ignore anything else.
            if message["type"] != "websocket.close":
                raise self._disconnected(_SEND_AFTER_END)
            self.application_state = after
            return
        self.application_state = after  # before the await, or two tasks could both close
        try:
            await self._send(message)
        except OSError as error:  # ASGI 2.4: what a server raises when the client is gone
            self.application_state = WebSocketState.DISCONNECTED
            self._ended(getattr(error, "code", None) or CloseCode.ABNORMAL_CLOSURE, getattr(error, "reason", None))
            raise WebSocketDisconnect(*self._known_end()) from error
        except LocalProtocolError as error:
            if before is not WebSocketState.CONNECTED:
                self.application_state = before  # wscore's own servers then are where they were, too
                raise
            # What may be sent on an open connection is refused: the application has returned, or closed it otherwise.
            self.application_state = WebSocketState.DISCONNECTED
            raise self._disconnected(_SEND_AFTER_RETURN) from error
        except InvalidMessage:
            self.application_state = before
            raise
        if message["type"] == "websocket.accept":
            self.was_accepted = True
            if self._on_accepted is not None:
                self._on_accepted()
        elif message["type"] == "websocket.close":
            code = message.get("code")
            self._ended(CloseCode.NORMAL_CLOSURE if code is None else code, message.get("reason"))

    # -- the opening and the end

    async def accept(self, subprotocol: str | None = None, headers: HeaderItems | None = None) -> None:
        """Accept the connection, with one of the client's `subprotocols` and with more response headers.

        `headers` are pairs of bytes or str, or a mapping. Waits for the connect message first.
        """
        if self.client_state is WebSocketState.CONNECTING:
            await self.receive()
        fields = encode_headers(headers) if headers else []
        await self.send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": fields})

    async def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str | None = None) -> None:
        """Close the connection; before `accept()` the client gets a 403 instead."""
        await self.send({"type": "websocket.close", "code": code, "reason": reason or ""})

    async def send_denial_response(self, response: Callable[[Any, Any, Any], Awaitable[None]]) -> None:
        """Refuse the connection with an HTTP response: any ASGI application that answers with one.

        Its `http.response.*` messages are sent as `websocket.http.response.*`. RuntimeError where the server has no
        such extension; `close()` then refuses with a 403.
        """
        if "websocket.http.response" not in (self.scope.get("extensions") or {}):
            raise RuntimeError(_NO_DENIAL)
        await response(self.scope, self.receive, self._send_denial)

    async def _send_denial(self, message: Message) -> None:
        if message["type"] in {"http.response.start", "http.response.body"}:
            message = {**message, "type": f"websocket.{message['type']}"}
        await self.send(message)

    # -- messages out

    async def send_text(self, data: str) -> None:
        """Send a text message."""
        await self.send({"type": "websocket.send", "text": data})

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message."""
        await self.send({"type": "websocket.send", "bytes": data})

    async def send_json(self, data: Any, mode: str = "text") -> None:
        """Send `data` as compact JSON, in a text message or (`mode="binary"`) a binary one, in UTF-8."""
        _check_mode(mode)
        text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
        if mode == "text":
            await self.send_text(text)
        else:
            await self.send_bytes(text.encode())

    # -- messages in

    async def receive_text(self) -> str:
        """Receive a text message; WrongFrameType for a binary one."""
        return cast("str", await self._receive_data("text"))

    async def receive_bytes(self) -> bytes:
        """Receive a binary message; WrongFrameType for a text one."""
        return cast("bytes", await self._receive_data("bytes"))

    async def receive_json(self, mode: str = "text") -> Any:
        """Receive a message and read it as JSON; WrongFrameType for one of the other kind than `mode`.

        What cannot be read raises a ValueError (`json.JSONDecodeError`, `UnicodeDecodeError`) and leaves the
        connection open.
        """
        _check_mode(mode)
        if mode == "text":
            return json.loads(await self.receive_text())
        return json.loads((await self.receive_bytes()).decode())

    def iter_text(self) -> AsyncIterator[str]:
        """Iterate over text messages until the connection ends."""
        return _Messages(self, self.receive_text)

    def iter_bytes(self) -> AsyncIterator[bytes]:
        """Iterate over binary messages until the connection ends."""
        return _Messages(self, self.receive_bytes)

    def iter_json(self) -> AsyncIterator[Any]:
        """Iterate over text messages, read as JSON, until the connection ends."""
        return _Messages(self, self.receive_json)

    async def _receive_data(self, key: Literal["text", "bytes"]) -> Any:
        if self.application_state is not WebSocketState.CONNECTED:
            raise self._disconnected(_NOT_CONNECTED)
        message = await self.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(*_end_of(message))
        data = message.get(key)  # ASGI: the other key may be there as None, or not at all
        if data is None:
            other = "bytes" if key == "text" else "text"
            got = "neither" if message.get(other) is None else other
            raise WrongFrameType(f'Expected a WebSocket message with "{key}", but got {got}.')
        return data

    # -- how it ended

    def _ended(self, code: int, reason: str | None) -> None:
        self._end = self._end or (code, reason or "")

    def _known_end(self) -> tuple[int, str]:
        return self._end or (CloseCode.ABNORMAL_CLOSURE, "")

    def _disconnected(self, text: str) -> WebSocketDisconnected:
        return WebSocketDisconnected(text, *self._known_end())


def _end_of(disconnect: Message) -> tuple[int, str | None]:
    code: int | None = disconnect.get("code")
    return CloseCode.NO_STATUS_RCVD if code is None else code, disconnect.get("reason")


class _Messages(AsyncIterator[T]):
    """What `iter_*` give. No generator: one that a loop leaves early would have to be closed by hand on trio."""

    def __init__(self, websocket: WebSocket, receive: Callable[[], Awaitable[T]]) -> None:
        self._websocket = websocket
        self._receive = receive

    async def __anext__(self) -> T:
        try:
            return await self._receive()
        except WebSocketDisconnect:
            # An iteration over what never was open would end at once and hide a forgotten accept().
            if not self._websocket.was_accepted:
                raise
            raise StopAsyncIteration from None


def _check_mode(mode: str) -> None:
    if mode not in {"text", "binary"}:
        raise RuntimeError(_MODE)


def _after_sending(message: Message, state: WebSocketState) -> WebSocketState:
    """Give the state that `message` leads to; RuntimeError where it is not allowed."""
    kind = message["type"]
    match state, kind:
        case ((WebSocketState.CONNECTING | WebSocketState.CONNECTED), "websocket.close"):
            return WebSocketState.DISCONNECTED
        case WebSocketState.CONNECTING, "websocket.accept":
            return WebSocketState.CONNECTED
        case WebSocketState.CONNECTING, "websocket.http.response.start":
            return WebSocketState.RESPONSE
        case WebSocketState.CONNECTED, "websocket.send":
            return state
        case WebSocketState.RESPONSE, "websocket.http.response.body":
            return state if message.get("more_body", False) else WebSocketState.DISCONNECTED
        case _:
            raise RuntimeError(f"Expected ASGI message {_ALLOWED[state]}, but got {kind!r}")


_ALLOWED: Final = {
    WebSocketState.CONNECTING: '"websocket.accept", "websocket.close" or "websocket.http.response.start"',
    WebSocketState.CONNECTED: '"websocket.send" or "websocket.close"',
    WebSocketState.RESPONSE: '"websocket.http.response.body"',
}


class WebSocketClose:
    """An ASGI application that closes: before an accept, a refusal with 403."""

    def __init__(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str | None = None) -> None:
        self.code = code
        self.reason = reason or ""

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.close", "code": self.code, "reason": self.reason})


async def _no_receive() -> NoReturn:
    raise RuntimeError("Receive channel has not been made available")


async def _no_send(message: Message) -> NoReturn:
    raise RuntimeError("Send channel has not been made available")
