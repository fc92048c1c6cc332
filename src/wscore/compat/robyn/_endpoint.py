"""What serves a path: the part that both generations of the API share."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, TypeVar

from ...app import WebSocket as Connection
from ...app._handlers import Hooks, run_hooks
from ...app._injection import Context
from ._session import Session

if TYPE_CHECKING:
    from ._router import Robyn, SubRouter

__all__ = ["Endpoint", "Function"]

Function = TypeVar("Function", bound=Callable[..., Any])


class Endpoint:
    """Serves a path."""

    def __init__(self, router: SubRouter, endpoint: str) -> None:
        self.endpoint = endpoint
        self.app: Robyn | None = None
        self.router_dependencies = router.router_dependencies
        router.add_web_socket(endpoint, self)

    async def serve(self, connection: Connection) -> None:
        assert self.app is not None  # set by the Robyn that routes to it
        await connection.accept()
        registry, room = self.app.registry, self.endpoint
        async with registry.join(connection, id=str(uuid.uuid4()), rooms=[room]) as member:
            hooks = self.hooks(Session(connection, member, registry, room))
            await run_hooks(Context({Connection: connection}, AsyncExitStack()), hooks)

    def hooks(self, session: Session) -> Hooks:
        raise NotImplementedError

    def dependency(self, name: str) -> dict[str, Any]:
        assert self.app is not None
        return self.app.global_dependencies if name == "global_dependencies" else self.router_dependencies
