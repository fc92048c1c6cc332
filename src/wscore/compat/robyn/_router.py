"""`Robyn` and `SubRouter`: the endpoint of each path, and the dependencies of its handlers."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from ...app import App, Registry, Route
from ._endpoint import Endpoint
from ._handler import WebSocketHandler

__all__ = ["Robyn", "SubRouter"]


class SubRouter:
    """WebSockets below a prefix, to be included in an application."""

    def __init__(self, file_object: str = "", prefix: str = "") -> None:
        del file_object  # Robyn finds its own files by it
        self.prefix = prefix
        self.router_dependencies: dict[str, Any] = {}
        self.global_dependencies: dict[str, Any] = {}
        self.endpoints: list[tuple[str, Endpoint]] = []

    def inject(self, **dependencies: Any) -> None:
        """Add to the `router_dependencies` of the handlers that `websocket` registers here."""
        self.router_dependencies.update(dependencies)

    def inject_global(self, **dependencies: Any) -> None:
        """Add to the `global_dependencies` of all handlers of the application."""
        self.global_dependencies.update(dependencies)

    def websocket(self, endpoint: str) -> Callable[[Callable[..., Any]], WebSocketHandler]:
        """Serve `endpoint` with a function that receives and sends: `@app.websocket("/chat")`."""
        return lambda handler: WebSocketHandler(self, endpoint, handler)

    def add_web_socket(self, endpoint: str, ws: Endpoint) -> None:
        """Serve `endpoint` with `ws`; a `WebSocket` calls this itself."""
        self.endpoints.append((self.prefix + endpoint, ws))

    def include_router(self, router: SubRouter) -> None:
        """Serve what is already registered on `router`, below its prefix; later registrations are not included."""
        self.global_dependencies.update(router.global_dependencies)
        router.global_dependencies = self.global_dependencies
        for endpoint, ws in router.endpoints:
            self.add_web_socket(endpoint, ws)


class Robyn(SubRouter):
    """An ASGI application, for `wscore run module:app` or any other server; `start` also serves it."""

    def __init__(self, file_object: str = "", *, registry: Registry | None = None) -> None:
        super().__init__(file_object)
        self._app = App(registry=registry)

    @property
    def registry(self) -> Registry:
        """The connected members."""
        return self._app.registry

    def add_web_socket(self, endpoint: str, ws: Endpoint) -> None:
        """Serve `endpoint` with `ws`; a `WebSocket` calls this itself."""
        ws.app, ws.endpoint = self, endpoint
        self._app.add(Route(endpoint, ws.serve))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a websocket connection or the lifespan."""
        await self._app(scope, receive, send)

    def start(self, host: str = "127.0.0.1", port: int = 8080, *, backend: str = "asyncio") -> None:
        """Serve until a signal arrives.

        Args:
            backend: "asyncio" or "trio".

        Raises:
            SystemExit: Serving failed; the status is the command's.
        """
        serve = importlib.import_module("wscore._cli.serve").serve
        status = serve(self, "Robyn", host=host, port=port, backend=backend)
        if status:
            raise SystemExit(status)
