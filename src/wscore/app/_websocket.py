"""`WebSocket`: one connection, as an application sees it, on any ASGI server.

It adds no protocol: it tracks the state of each side, rejects messages that ASGI does not allow in that state, and
turns the three ways to learn of the end (a message, a failed send, use after the end) into one exception. Names, states
and error texts are Starlette's, so code written for Starlette runs here; `docs/howto/coming-from-starlette.md` lists
where this class does better, and why.

There are two states because the sides change independently: `client_state` follows received messages,
`application_state` sent ones.

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
    """The state of one side of a connection."""

    CONNECTING = 0
    CONNECTED = 1
    DISCONNECTED = 2
    RESPONSE = 3


class WebSocket(Mapping[str, Any]):
    """A websocket connection, and a read-only mapping of its scope.

    Every method that uses the connection raises `WebSocketDisconnect` once the peer is gone, and its subclass
    `WebSocketDisconnected` when called before `accept()`, after `close()` or again after the disconnect. A message out
    of order raises RuntimeError.
    """

    client_state: WebSocketState
    """What the client has done, according to the messages received."""
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
        """Wrap a connection from an ASGI server.

        Args:
            scope: The connection's scope, of type "websocket".
            receive: The server's callable; without it receiving raises RuntimeError.
            send: The server's callable; without it sending raises RuntimeError.
            on_accepted: Called once the accept was sent.
        """
        assert scope["type"] == "websocket"
        self.scope = cast("MutableMapping[str, Any]", scope)
        self._receive = receive or _no_receive
        self._send = send or _no_send
        self.client_state = WebSocketState.CONNECTING
        self.application_state = WebSocketState.CONNECTING
        self._on_accepted = on_accepted
        self.was_accepted = False
        """Whether the connection was ever open, even if it has ended since."""
        self._receiving = False
        self._end: tuple[int, str] | None = None  # code and reason, from the side that ended it first

    # -- the scope

    def __class_getitem__(cls, item: Any) -> Any:
        return cls  # `WebSocket[State]` is a valid annotation

    def __getitem__(self, key: str) -> Any:
        return self.scope[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.scope)

    def __len__(self) -> int:
        return len(self.scope)

    # Identity, not a mapping's equality: connections are keys in registries.
    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    @property
    def app(self) -> Any:
        """The application in the scope. Raises KeyError if there is none."""
        return self.scope["app"]

    @cached_property
    def url(self) -> URL:
        """The requested URL: a `str` with its parts as attributes."""
        return URL(scope=self.scope)

    @cached_property
    def base_url(self) -> URL:
        """The URL of the application's root, with a trailing slash."""
        root: str = self.scope.get("app_root_path", self.scope.get("root_path", ""))
        path = root if root.endswith("/") else root + "/"
        return URL(scope={**self.scope, "path": path, "query_string": b""})

    @cached_property
    def headers(self) -> Headers:
        """The request's header fields."""
        return Headers(scope=self.scope)

    @cached_property
    def query_params(self) -> QueryParams:
        """The decoded query parameters."""
        return QueryParams(cast("bytes", self.scope.get("query_string", b"")))

    @property
    def path_params(self) -> dict[str, Any]:
        """The path parameters that the router found."""
        return cast("dict[str, Any]", self.scope.get("path_params", {}))

    @cached_property
    def cookies(self) -> dict[str, str]:
        """The cookies from all Cookie headers."""
        cookies: dict[str, str] = {}
        for header in self.headers.getlist("cookie"):
            cookies.update(parse_cookies(header))
        return cookies

    @property
    def client(self) -> Address | None:
        """The client's address, or None if the server does not know it."""
        client = self.scope.get("client")
        return None if client is None else Address(*client)

    @cached_property
    def state(self) -> State:
        """This connection's values, initially those of the lifespan; stored in `scope["state"]`."""
        return State(self.scope.setdefault("state", {}))

    @property
    def subprotocols(self) -> list[str]:
        """The subprotocols that the client offers, most preferred first."""
        return list(self.scope.get("subprotocols") or ())

    def url_for(self, name: str, /, **path_params: Any) -> URL:
        """Return the URL of the route called `name`.

        Raises:
            RuntimeError: The scope contains no router.
        """
        router: Any = self.scope.get("router") or self.scope.get("app")
        if router is None:
            raise RuntimeError("The `url_for` method can only be used inside a Starlette application or with a router.")
        return URL(str(router.url_path_for(name, **path_params).make_absolute_url(base_url=self.base_url)))

    @property
    def session(self) -> Any:
        """The session that SessionMiddleware put into the scope. Raises AssertionError without it."""
        assert "session" in self.scope, "SessionMiddleware must be installed to access request.session"
        session: Any = self.scope["session"]
        if hasattr(session, "mark_accessed"):  # tells the middleware that the response depends on the cookie
            session.mark_accessed()
        return session

    @property
    def auth(self) -> Any:
        """The credentials that AuthenticationMiddleware put into the scope. Raises AssertionError without it."""
        assert "auth" in self.scope, "AuthenticationMiddleware must be installed to access request.auth"
        return self.scope["auth"]

    @property
    def user(self) -> Any:
        """The user that AuthenticationMiddleware put into the scope. Raises AssertionError without it."""
        assert "user" in self.scope, "AuthenticationMiddleware must be installed to access request.user"
        return self.scope["user"]

    @property
    def is_disconnected(self) -> bool:
        """Whether either side has ended the connection, as far as this object knows; it does not query the server."""
        return WebSocketState.DISCONNECTED in {self.client_state, self.application_state}

    @property
    def close_code(self) -> int:
        """The close code, from the side that ended the connection first; 1006 while there is none."""
        return self._known_end()[0]

    @property
    def close_reason(self) -> str:
        """The close reason, from the side that ended the connection first; empty while there is none."""
        return self._known_end()[1]

    @property
    def _send_nowait(self) -> Callable[[PreparedMessage], bool] | None:
        """The server's `send_nowait`, for broadcasts; None if a middleware wraps `send` and must see every message."""
        extensions: Any = self.scope.get("extensions") or {}
        extension = extensions.get("wscore.send_nowait", {})
        return extension.get("send_nowait") if extension.get("send") == self._send else None

    # -- raw messages

    async def receive(self) -> Message:
        """Receive one ASGI message. A disconnect is returned, not raised.

        Raises:
            WebSocketDisconnected: The disconnect was already received.
            RuntimeError: The message is out of order, or another task is already receiving: two readers would take
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

        A close after the peer's disconnect is no error: it asks for what has already happened.

        Raises:
            WebSocketDisconnect: The peer is gone, or the application has returned and this task has outlived it.
            RuntimeError: The message is not allowed in this state.
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
                self.application_state = before  # wscore's own servers keep their state, too
                raise
            # Allowed on an open connection, yet refused: the application has returned, or closed it by other means.
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

    # -- opening and closing

    async def accept(self, subprotocol: str | None = None, headers: HeaderItems | None = None) -> None:
        """Accept the connection, after waiting for the connect message.

        Args:
            subprotocol: One of the client's `subprotocols`.
            headers: More response headers: a mapping, or pairs of bytes or str.
        """
        if self.client_state is WebSocketState.CONNECTING:
            await self.receive()
        fields = encode_headers(headers) if headers else []
        await self.send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": fields})

    async def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str | None = None) -> None:
        """Close the connection; before `accept()` the client gets a 403 instead.

        Args:
            code: The close code (RFC 6455 7.4).
            reason: At most 123 bytes of UTF-8 (RFC 6455 5.5).
        """
        await self.send({"type": "websocket.close", "code": code, "reason": reason or ""})

    async def send_denial_response(self, response: Callable[[Any, Any, Any], Awaitable[None]]) -> None:
        """Refuse the connection with an HTTP response.

        Args:
            response: An ASGI application that sends one. Its `http.response.*` messages become
                `websocket.http.response.*`.

        Raises:
            RuntimeError: The server does not support denial responses; `close()` still refuses with a 403.
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
        """Send `data` as compact JSON.

        Args:
            data: Any value that `json.dumps` encodes.
            mode: "text", or "binary" for a binary message in UTF-8.

        Raises:
            RuntimeError: `mode` is neither.
        """
        _check_mode(mode)
        text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
        if mode == "text":
            await self.send_text(text)
        else:
            await self.send_bytes(text.encode())

    # -- messages in

    async def receive_text(self) -> str:
        """Receive a text message.

        Raises:
            WrongFrameType: A binary message came; it is lost.
        """
        return cast("str", await self._receive_data("text"))

    async def receive_bytes(self) -> bytes:
        """Receive a binary message.

        Raises:
            WrongFrameType: A text message came; it is lost.
        """
        return cast("bytes", await self._receive_data("bytes"))

    async def receive_json(self, mode: str = "text") -> Any:
        """Receive a message and parse it as JSON.

        Args:
            mode: The kind of message to expect, "text" or "binary".

        Raises:
            WrongFrameType: A message of the other kind came; it is lost.
            ValueError: The message is not valid (`json.JSONDecodeError`, `UnicodeDecodeError`); the connection stays
                open.
            RuntimeError: `mode` is neither.
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
        """Iterate over text messages, parsed as JSON, until the connection ends."""
        return _Messages(self, self.receive_json)

    async def _receive_data(self, key: Literal["text", "bytes"]) -> Any:
        if self.application_state is not WebSocketState.CONNECTED:
            raise self._disconnected(_NOT_CONNECTED)
        message = await self.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(*_end_of(message))
        data = message.get(key)  # ASGI: the other key may be None or absent
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
    """The iterator of `iter_*`. Not a generator: trio requires closing one explicitly if a loop leaves it early."""

    def __init__(self, websocket: WebSocket, receive: Callable[[], Awaitable[T]]) -> None:
        self._websocket = websocket
        self._receive = receive

    async def __anext__(self) -> T:
        try:
            return await self._receive()
        except WebSocketDisconnect:
            # If the connection never was open, ending the iteration silently would hide a forgotten accept().
            if not self._websocket.was_accepted:
                raise
            raise StopAsyncIteration from None


def _check_mode(mode: str) -> None:
    if mode not in {"text", "binary"}:
        raise RuntimeError(_MODE)


def _after_sending(message: Message, state: WebSocketState) -> WebSocketState:
    """Return the state that `message` leads to. Raises RuntimeError if it is not allowed."""
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
    """An ASGI application that closes the connection; before an accept the client gets a 403 instead."""

    def __init__(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str | None = None) -> None:
        self.code = code
        self.reason = reason or ""

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.close", "code": self.code, "reason": self.reason})


async def _no_receive() -> NoReturn:
    raise RuntimeError("Receive channel has not been made available")


async def _no_send(message: Message) -> NoReturn:
    raise RuntimeError("Send channel has not been made available")
