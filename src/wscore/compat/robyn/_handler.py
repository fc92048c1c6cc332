"""`WebSocketHandler`: the newer form, `@app.websocket(path)` on a function that receives and sends (Robyn 0.88)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ...app._handlers import Hooks
from ...app._injection import call
from ._adapter import WebSocketAdapter
from ._endpoint import Endpoint, Function
from ._parameters import Filled, WrongParameter
from ._session import Session

if TYPE_CHECKING:
    from ._router import SubRouter

__all__ = ["WebSocketHandler"]

_POLICY_VIOLATION: Final = 1008


class WebSocketHandler(Endpoint):
    """What `@app.websocket(path)` makes of a function; `on_connect` and `on_close` register two more.

    The first parameter gets the adapter, the others by name `query_params` and the dependencies, or else the query's
    parameter of that name, converted to what they are annotated with.
    """

    def __init__(self, router: SubRouter, endpoint: str, handler: Callable[..., Any]) -> None:
        self._filled = {"message": Filled(handler)}
        super().__init__(router, endpoint)

    def on_connect(self, handler: Function) -> Function:
        """Register what runs when a connection was accepted; text that it returns is sent."""
        self._filled["connect"] = Filled(handler)
        return handler

    def on_close(self, handler: Function) -> Function:
        """Register what runs when a connection ends; text that it returns is sent where it is still open."""
        self._filled["close"] = Filled(handler)
        return handler

    def hooks(self, session: Session) -> Hooks:
        """Give the functions for one connection."""
        websocket = WebSocketAdapter(session)
        arguments: dict[str, dict[str, Any]] = {}

        async def say(event: str) -> None:
            if event in arguments:
                await session.say(self._filled[event].function, **arguments[event])

        async def converse() -> None:
            try:
                for event, filled in self._filled.items():
                    arguments[event] = filled.arguments(websocket, self.dependency)
            except WrongParameter as error:
                arguments.clear()  # nobody is told of the end who heard nothing of the beginning
                await websocket.send_text(f"Error: {error}")
                await session.end(_POLICY_VIOLATION, "wrong parameters")
                return
            await say("connect")
            await call(self._filled["message"].function, **arguments["message"])  # what it returns is nobody's
            await close()
            await session.end()

        async def close(*_: Any) -> None:
            await session.tell_end(lambda: say("close"))

        return Hooks(converse, None, close, None)
