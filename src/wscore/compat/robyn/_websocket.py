"""`WebSocket`, the older API (Robyn 0.65): a path with handlers for "connect", "message" and "close"."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...app._handlers import Hooks
from ._connector import WebSocketConnector
from ._endpoint import Endpoint, Function
from ._parameters import DEPENDENCIES, names_for
from ._session import Session

if TYPE_CHECKING:
    from ._router import SubRouter

__all__ = ["WebSocket"]


class WebSocket(Endpoint):
    """A path with optional handlers for "connect", "message" and "close".

    A handler may be sync or async. Its parameters are filled by name: `ws`, `msg` (the message, "" if there is none),
    `global_dependencies` and `router_dependencies`; other names stand for `ws`, then `msg`. Its return value is sent.

    Args:
        robyn_object: The application or router that serves the path.
        endpoint: The path, below the router's prefix.
    """

    def __init__(self, robyn_object: SubRouter, endpoint: str) -> None:
        super().__init__(robyn_object, endpoint)
        self.router_dependencies: dict[str, Any] = {}
        self._router = robyn_object
        self._handlers: dict[str, tuple[Callable[..., Any], dict[str, str]]] = {}

    def on(self, type: str) -> Callable[[Function], Function]:
        """Register a handler, replacing an earlier one.

        Args:
            type: "connect", "message" or "close".

        Raises:
            ValueError: There is no such event (from the decorator).
            InjectionError: A parameter of the handler stands for nothing (from the decorator).
        """

        def register(handler: Function) -> Function:
            if type not in ("connect", "message", "close"):
                raise ValueError(f"Socket method {type} does not exist")
            self._handlers[type] = handler, names_for(handler)
            return handler

        return register

    def inject(self, **dependencies: Any) -> None:
        """Add to the `router_dependencies` of these handlers."""
        self.router_dependencies.update(dependencies)

    def inject_global(self, **dependencies: Any) -> None:
        """Add to the `global_dependencies` of the application's handlers."""
        self._router.inject_global(**dependencies)

    def hooks(self, session: Session) -> Hooks:
        """Return the functions for one connection."""
        ws = WebSocketConnector(session)

        async def say(event: str, msg: str | bytes = "") -> None:
            if event in self._handlers:
                function, names = self._handlers[event]
                values = {"ws": ws, "msg": msg, **{name: self.dependency(name) for name in DEPENDENCIES}}
                await session.say(function, **{parameter: values[name] for parameter, name in names.items()})

        async def handle(event: str, msg: str | bytes = "") -> None:
            await say(event, msg)
            if session.close_wanted:
                await close()  # before the close frame, so that its return value is still sent
                await session.end()

        async def message(event: Any) -> None:
            await handle("message", event["bytes"] if event.get("text") is None else event["text"])

        async def close(*_: Any) -> None:
            await session.tell_end(lambda: say("close"))

        return Hooks(lambda: handle("connect"), message, close, None)
