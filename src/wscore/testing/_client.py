"""A blocking test client for any ASGI application: `AsyncTestClient` in an event loop in another thread."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from types import TracebackType
from typing import Any, Literal, Self

from wscore import Application, CloseInfo, Config, Headers, Response

from ._async_client import AsyncTestClient, HeaderItems
from ._session import AsyncWebSocketTestSession
from ._thread import LoopThread

__all__ = ["TestClient", "WebSocketTestSession"]


class WebSocketTestSession:
    """A connection to an application, made by `TestClient.websocket_connect`. The names are Starlette's.

    The `timeout` of each method is in seconds; None means the client's. When it is over, TimeoutError is raised, whose
    text says what the application is doing. If the application raised, its exception is raised in the test in place of
    WebSocketDisconnect, unless `raise_server_exceptions` is False.
    """

    def __init__(self, loop: LoopThread, session: AsyncWebSocketTestSession, timeout: float) -> None:
        self._loop = loop
        self._session = session
        self._timeout = timeout

    @property
    def accepted_subprotocol(self) -> str | None:
        """The subprotocol that the application chose; None if it chose none."""
        return self._session.accepted_subprotocol

    @property
    def response(self) -> Response | None:
        """The complete response to the handshake."""
        return self._session.response

    @property
    def extra_headers(self) -> Headers:
        """The headers that the application added when it accepted, as pairs of bytes."""
        return self._session.extra_headers

    @property
    def close_info(self) -> CloseInfo | None:
        """How the connection ended, as the client sees it; None while it is open."""
        return self._session.close_info

    def send_text(self, data: str, *, timeout: float | None = None) -> None:
        """Send a text message.

        Raises:
            WebSocketDisconnect: The connection has ended.
            TimeoutError: The application does not read, and there is no room.
        """
        self._call(self._session.send_text, data, timeout=timeout)

    def send_bytes(self, data: bytes, *, timeout: float | None = None) -> None:
        """Send a binary message. Raises as `send_text`."""
        self._call(self._session.send_bytes, data, timeout=timeout)

    def send_json(self, data: Any, mode: Literal["text", "binary"] = "text", *, timeout: float | None = None) -> None:
        """Send `data` as compact JSON, in a text message or, with `mode="binary"`, a binary one.

        Raises as `send_text`, and as `json.dumps` for data that is not JSON.
        """
        self._call(self._session.send_json, data, mode, timeout=timeout)

    def receive_text(self, *, timeout: float | None = None) -> str:
        """Wait for a text message.

        Raises:
            WebSocketDisconnect: The connection has ended, and every message was received.
            WrongFrameType: The next message is binary; it is consumed.
            TimeoutError: No message came in time.
        """
        text: str = self._call(self._session.receive_text, timeout=timeout)
        return text

    def receive_bytes(self, *, timeout: float | None = None) -> bytes:
        """Wait for a binary message. Raises as `receive_text`; WrongFrameType if the next message is text."""
        data: bytes = self._call(self._session.receive_bytes, timeout=timeout)
        return data

    def receive_json(self, mode: Literal["text", "binary"] = "text", *, timeout: float | None = None) -> Any:
        """Wait for a message of the kind `mode`, and parse it as JSON.

        Raises as `receive_text`, and json.JSONDecodeError if the message is not JSON.
        """
        return self._call(self._session.receive_json, mode, timeout=timeout)

    def send(self, message: Mapping[str, Any], *, timeout: float | None = None) -> None:
        """Send the message of a "websocket.receive" event, or close with a "websocket.disconnect" one, as in Starlette.

        Raises as `send_text`, and InvalidMessage for any other event.
        """
        self._call(self._session.send, message, timeout=timeout)

    def receive(self, *, timeout: float | None = None) -> dict[str, Any]:
        """Wait for a "websocket.send" event; once the connection has ended, return "websocket.close", as in Starlette.

        Raises TimeoutError if neither comes in time.
        """
        message: dict[str, Any] = self._call(self._session.receive, timeout=timeout)
        return message

    def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Close the connection without waiting. Only messages that had arrived by then can still be received.

        Raises:
            InvalidMessage: No close frame can carry this code or reason.
        """
        self._loop.call(self._timeout, self._session.close, code, reason)

    def _call(self, function: Callable[..., Any], *args: Any, timeout: float | None) -> Any:
        seconds = self._timeout if timeout is None else timeout
        return self._loop.call(seconds, partial(function, *args, timeout=timeout))


class TestClient:
    """A blocking in-memory client of `app`, with wscore's core on both ends, on asyncio or trio.

    `with TestClient(app) as client` runs the application's lifespan, and all connections share one event loop. Used
    without it, there is no lifespan, and each connection gets a separate event loop.

    Args:
        app: The ASGI 3 application under test.
        backend: The event loop's library.
        backend_options: Options that `anyio.run` passes to the backend.
        base_url: Prefix of the paths given to `websocket_connect`: `ws://`, `wss://`, `http://` or `https://`.
        headers: Headers of every request: a mapping, or pairs of name and value.
        client: The client's address, (host, port), as the application sees it.
        config: Limits and timeouts of both ends; None means `Config()`.
        timeout: Default limit of every wait, in seconds.
        raise_server_exceptions: Raise in the test what the application raises. False: the test sees what a client on
            a network would see.

    Raises:
        InvalidURI: `base_url` is not usable.
        ValueError: `backend` is neither asyncio nor trio.
        ImportError: The backend is not installed.
    """

    __test__ = False  # not a test case: pytest must not collect it

    def __init__(
        self,
        app: Application,
        *,
        backend: Literal["asyncio", "trio"] = "asyncio",
        backend_options: dict[str, Any] | None = None,
        base_url: str = "ws://testserver",
        headers: HeaderItems = (),
        client: tuple[str, int] = ("testclient", 50000),
        config: Config | None = None,
        timeout: float = 5.0,
        raise_server_exceptions: bool = True,
    ) -> None:
        self._client = AsyncTestClient(
            app,
            base_url=base_url,
            headers=headers,
            client=client,
            config=config,
            timeout=timeout,
            raise_server_exceptions=raise_server_exceptions,
        )
        self._new_loop = partial(LoopThread, backend, backend_options or {})
        self._new_loop()  # so that an unusable backend raises here
        self._loop: LoopThread | None = None
        self._stack = ExitStack()

    @property
    def app(self) -> Application:
        """The application under test."""
        return self._client.app

    @property
    def timeout(self) -> float:
        """Default limit of every wait, in seconds."""
        return self._client.timeout

    def __enter__(self) -> Self:
        """Run the lifespan startup. Raises what the application raises, StartupFailed, or TimeoutError."""
        with ExitStack() as stack:
            loop = stack.enter_context(self._new_loop())
            stack.enter_context(loop.entered(2 * self.timeout, lambda: self._client))
            self._loop = loop
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """Run the lifespan shutdown. Raises what the application raises, RuntimeError, or TimeoutError."""
        self._loop = None
        return self._stack.__exit__(kind, error, trace)

    @contextmanager
    def websocket_connect(
        self,
        url: str,
        subprotocols: Sequence[str] | None = None,
        *,
        headers: HeaderItems = (),
        origin: str | None = None,
        timeout: float | None = None,
    ) -> Generator[WebSocketTestSession, None, None]:
        """Connect: `with client.websocket_connect("/ws") as ws`.

        Leaving the context closes an open connection with 1000, waits until the application has returned, and raises
        what the application raised.

        Args:
            url: A path below `base_url`, or a complete `ws://` or `wss://` URL.
            subprotocols: Subprotocols to offer, preferred first.
            headers: Headers to add to the client's own.
            origin: The Origin header; None sends none.
            timeout: Seconds that the application may take to accept; None means the client's `timeout`.

        Raises:
            InvalidURI: On entering: `url` is not usable.
            InvalidMessage: On entering: a header, a subprotocol or the origin cannot be sent.
            WebSocketDenialResponse: On entering: the application did not accept.
            TimeoutError: On entering: the application did not answer in time. On leaving: it did not return in time.
        """
        connect = partial(
            self._client.websocket_connect, url, subprotocols, headers=headers, origin=origin, timeout=timeout
        )
        seconds = self.timeout + (self.timeout if timeout is None else timeout)  # to accept, and to return
        with ExitStack() as stack:
            loop = self._loop or stack.enter_context(self._new_loop())
            session = stack.enter_context(loop.entered(seconds, connect))
            yield WebSocketTestSession(loop, session, self.timeout)
