"""A client for tests that await: of any ASGI application, in the test's own event loop."""

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
_A_DAY: Final = 86_400.0  # the client's own limit for its handshake: the session's comes first
_WHOLE: Final = re.compile(r"\w+://")
_TLS: Final = {  # ASGI's tls extension 0.2, of a connection on which nobody showed a certificate
    "server_cert": None,
    "client_cert_chain": (),
    "client_cert_name": None,
    "client_cert_error": None,
    "tls_version": None,
    "cipher_suite": None,
}


class AsyncTestClient:
    """A client of `app`, in memory, through the real core on both ends, on whichever loop the test runs.

    `async with AsyncTestClient(app) as client` runs the application's lifespan; without it there is none. `timeout`
    seconds bound every wait: a test hangs only with an application that blocks the loop or refuses to be cancelled.
    `config` holds for both ends; `client` is the address that the application sees. With `raise_server_exceptions`
    what the application raises is raised in the test; without, the test sees what a client on a network would.
    """

    __test__ = False  # no test case, whatever its name

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
        """Run the application's startup. Raises what it raises, StartupFailed, TimeoutError."""
        if self._state is not None:
            raise RuntimeError("the client is entered already")
        self._state = await self._stack.enter_async_context(lifespan_manager(self.app, self.timeout))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """Run the application's shutdown. Raises as the startup does."""
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
        """Connect: `async with client.websocket_connect("/ws") as ws`. `url` is a path, or a whole ws or wss URL.

        Raises InvalidURI or InvalidMessage for what cannot be asked. Entering raises WebSocketDenialResponse where the
        application does not accept, TimeoutError after `timeout` seconds. Leaving closes with 1000 where the
        connection is open, waits until the application has returned, and raises what that raised.
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
