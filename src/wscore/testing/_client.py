"""A blocking client for tests of any ASGI application: `AsyncTestClient`, from a thread beside its event loop."""

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
    """A connection to an application, with Starlette's names; made by `TestClient.websocket_connect`.

    `timeout` is in seconds, and the client's own where None; what it runs out in raises TimeoutError, with what the
    application does at that time. An application that raised raises in the test instead of WebSocketDisconnect.
    """

    def __init__(self, loop: LoopThread, session: AsyncWebSocketTestSession, timeout: float) -> None:
        self._loop = loop
        self._session = session
        self._timeout = timeout

    @property
    def accepted_subprotocol(self) -> str | None:
        """What the application chose from those offered."""
        return self._session.accepted_subprotocol

    @property
    def response(self) -> Response | None:
        """The handshake's whole answer."""
        return self._session.response

    @property
    def extra_headers(self) -> Headers:
        """The headers that the application gave its accept, as pairs of bytes."""
        return self._session.extra_headers

    @property
    def close_info(self) -> CloseInfo | None:
        """How the connection ended, seen from the client; None while it has not."""
        return self._session.close_info

    def send_text(self, data: str, *, timeout: float | None = None) -> None:
        """Send a text message. Raises WebSocketDisconnect once the connection has ended."""
        self._call(self._session.send_text, data, timeout=timeout)

    def send_bytes(self, data: bytes, *, timeout: float | None = None) -> None:
        """Send a binary message. Raises WebSocketDisconnect once the connection has ended."""
        self._call(self._session.send_bytes, data, timeout=timeout)

    def send_json(self, data: Any, mode: Literal["text", "binary"] = "text", *, timeout: float | None = None) -> None:
        """Send `data` as compact JSON, in a text message or (`mode="binary"`) a binary one."""
        self._call(self._session.send_json, data, mode, timeout=timeout)

    def receive_text(self, *, timeout: float | None = None) -> str:
        """Wait for a text message. WebSocketDisconnect once the connection has ended, WrongFrameType for binary."""
        text: str = self._call(self._session.receive_text, timeout=timeout)
        return text

    def receive_bytes(self, *, timeout: float | None = None) -> bytes:
        """Wait for a binary message. WebSocketDisconnect once the connection has ended, WrongFrameType for text."""
        data: bytes = self._call(self._session.receive_bytes, timeout=timeout)
        return data

    def receive_json(self, mode: Literal["text", "binary"] = "text", *, timeout: float | None = None) -> Any:
        """Wait for a message of the kind `mode`, and read it as JSON."""
        return self._call(self._session.receive_json, mode, timeout=timeout)

    def send(self, message: Mapping[str, Any], *, timeout: float | None = None) -> None:
        """Send "websocket.receive", or close with "websocket.disconnect": ASGI's messages, as in Starlette."""
        self._call(self._session.send, message, timeout=timeout)

    def receive(self, *, timeout: float | None = None) -> dict[str, Any]:
        """Wait for a "websocket.send", or once the connection has ended its "websocket.close", as in Starlette."""
        message: dict[str, Any] = self._call(self._session.receive, timeout=timeout)
        return message

    def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Close the connection, and wait for nothing; only what had arrived by then can still be received."""
        self._loop.call(self._timeout, self._session.close, code, reason)

    def _call(self, function: Callable[..., Any], *args: Any, timeout: float | None) -> Any:
        seconds = self._timeout if timeout is None else timeout
        return self._loop.call(seconds, partial(function, *args, timeout=timeout))


class TestClient:
    """A blocking client of `app`, in memory, through the real core on both ends, on asyncio or trio.

    `with TestClient(app) as client` runs the application's lifespan, and all connections in one event loop; without it
    there is no lifespan, and each connection has a loop of its own. `backend_options` are anyio's; all else is as with
    `AsyncTestClient`.
    """

    __test__ = False  # no test case, whatever its name

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
        self._new_loop()  # to refuse a wrong backend here
        self._loop: LoopThread | None = None
        self._stack = ExitStack()

    @property
    def app(self) -> Application:
        """The application under test."""
        return self._client.app

    @property
    def timeout(self) -> float:
        """How many seconds bound a wait."""
        return self._client.timeout

    def __enter__(self) -> Self:
        """Run the application's startup. Raises what it raises, StartupFailed, TimeoutError."""
        with ExitStack() as stack:
            loop = stack.enter_context(self._new_loop())
            stack.enter_context(loop.entered(2 * self.timeout, lambda: self._client))
            self._loop = loop
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """Run the application's shutdown. Raises as the startup does."""
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
        """Connect: `with client.websocket_connect("/ws") as ws`. `url` is a path, or a whole ws or wss URL.

        Entering raises WebSocketDenialResponse where the application does not accept, TimeoutError after `timeout`
        seconds, and InvalidURI or InvalidMessage for what cannot be asked. Leaving closes with 1000 where the
        connection is open, waits until the application has returned, and raises what that raised.
        """
        connect = partial(
            self._client.websocket_connect, url, subprotocols, headers=headers, origin=origin, timeout=timeout
        )
        seconds = self.timeout + (self.timeout if timeout is None else timeout)  # to be accepted, to return
        with ExitStack() as stack:
            loop = self._loop or stack.enter_context(self._new_loop())
            session = stack.enter_context(loop.entered(seconds, connect))
            yield WebSocketTestSession(loop, session, self.timeout)
