"""A test client for any ASGI application, in the test's own event loop."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Final, Self

import anyio

from wscore import Application, ClientConnection, Config, Peer, ServerConfig, ServerConnection, parse_uri

from ._lifespan import lifespan_manager
from ._session import AsyncWebSocketTestSession

__all__ = ["AsyncTestClient", "HeaderItems"]

HeaderItems = Mapping[str, str] | Iterable[tuple[str, str]]

_SCHEMES: Final = {"http": "ws", "https": "wss"}
_A_DAY: Final = 86_400.0  # the core's handshake limit, never reached: the session's own timeout comes first
_WHOLE: Final = re.compile(r"\w+://")
_TLS: Final = {  # ASGI's tls extension 0.2, for a connection without certificates
    "server_cert": None,
    "client_cert_chain": (),
    "client_cert_name": None,
    "client_cert_error": None,
    "tls_version": None,
    "cipher_suite": None,
}


class AsyncTestClient:
    """An in-memory client of `app`, with wscore's core on both ends, on asyncio or trio.

    `async with AsyncTestClient(app) as client` runs the application's lifespan; used without it, there is none. Every
    wait has a timeout: a test can only hang if the application blocks the event loop or ignores its cancellation.

    Args:
        app: The ASGI 3 application under test.
        base_url: Prefix of the paths given to `websocket_connect`: `ws://`, `wss://`, `http://` or `https://`.
        headers: Headers of every request: a mapping, or pairs of name and value.
        client: The client's address, (host, port), as the application sees it.
        config: Limits and timeouts of both ends; None means `Config()`.
        timeout: Default limit of every wait, in seconds.
        raise_server_exceptions: Raise in the test what the application raises. False: the test sees what a client on
            a network would see.

    Raises:
        InvalidURI: `base_url` is not usable.
    """

    __test__ = False  # not a test case: pytest must not collect it

    def __init__(
        self,
        app: Application,
        *,
        base_url: str = "ws://testserver",
        headers: HeaderItems = (),
        client: tuple[str, int] = ("testclient", 50000),
        config: Config | None = None,
        timeout: float = 5.0,
        raise_server_exceptions: bool = True,
    ) -> None:
        self.app = app
        self.timeout = timeout
        scheme, _, rest = base_url.rstrip("/").partition("://")
        self._base_url = f"{_SCHEMES.get(scheme, scheme)}://{rest}"
        parse_uri(self._base_url)
        self._headers = _pairs(headers)
        self._client = client
        self._config = config or Config()
        self._raise_server_exceptions = raise_server_exceptions
        self._state: dict[str, Any] | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Run the lifespan startup. Raises what the application raises, StartupFailed, or TimeoutError."""
        if self._state is not None:
            raise RuntimeError("the client is entered already")
        self._state = await self._stack.enter_async_context(lifespan_manager(self.app, self.timeout))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """Run the lifespan shutdown. Raises what the application raises, RuntimeError, or TimeoutError."""
        self._state = None
        return await self._stack.__aexit__(kind, error, trace)

    def websocket_connect(
        self,
        url: str,
        subprotocols: Sequence[str] | None = None,
        *,
        headers: HeaderItems = (),
        origin: str | None = None,
        timeout: float | None = None,
    ) -> AsyncWebSocketTestSession:
        """Connect: `async with client.websocket_connect("/ws") as ws`.

        Leaving the context closes an open connection with 1000, waits until the application has returned, and raises
        what the application raised. Cancelling a wait loses no message; cancelling the test inside the context cancels
        the application too.

        Args:
            url: A path below `base_url`, or a complete `ws://` or `wss://` URL.
            subprotocols: Subprotocols to offer, preferred first.
            headers: Headers to add to the client's own.
            origin: The Origin header; None sends none.
            timeout: Seconds that the application may take to accept; None means the client's `timeout`.

        Returns:
            The session, not connected yet: enter it.

        Raises:
            InvalidURI: On the call: `url` is not usable.
            InvalidMessage: On the call: a header, a subprotocol or the origin cannot be sent.
            WebSocketDenialResponse: On entering: the application did not accept.
            TimeoutError: On entering: the application did not answer in time. On leaving: it did not return in time.
        """
        uri = parse_uri(url if _WHOLE.match(url) else f"{self._base_url}/{url.removeprefix('/')}")
        now = anyio.current_time()
        client = ClientConnection(
            uri,
            dataclasses.replace(self._config, handshake_timeout=_A_DAY),
            now=now,
            random=os.urandom,
            subprotocols=subprotocols or (),
            headers=[*self._headers, *_pairs(headers)],
            origin=origin,
        )
        server = ServerConnection(
            self._config,
            peer=Peer(self._client, (uri.host, uri.port), dict(_TLS) if uri.secure else None),
            now=now,
            state=self._state,
            access_log=False,
            root_path=self._config.root_path if isinstance(self._config, ServerConfig) else "",
        )
        return AsyncWebSocketTestSession(
            self.app,
            client,
            server,
            timeout=self.timeout,
            open_timeout=timeout,
            raise_server_exceptions=self._raise_server_exceptions,
        )


def _pairs(headers: HeaderItems) -> list[tuple[str, str]]:
    given: Any = headers
    return list(given.items() if isinstance(headers, Mapping) else given)
