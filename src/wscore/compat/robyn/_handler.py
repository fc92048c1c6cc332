"""`WebSocketHandler`, the newer API (Robyn 0.88): `@app.websocket(path)` on a function that receives and sends."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ... import CloseCode
from ...app._handlers import Hooks
from ...app._injection import call
from ._adapter import WebSocketAdapter
from ._endpoint import Endpoint, Function
from ._parameters import Filled, WrongParameter
from ._session import Session

if TYPE_CHECKING:
    from ._router import SubRouter

__all__ = ["WebSocketHandler"]


class WebSocketHandler(Endpoint):
    """The result of `@app.websocket(path)` on a function; `on_connect` and `on_close` register two more.

    Of each, the first parameter gets the adapter. The others are filled by name: `query_params`, the dependencies, or
    else the query parameter of that name, converted to the annotated type.

    Raises:
        InjectionError: A parameter is annotated with a type other than str, int, float, bool and QueryParams.
    """

    def __init__(self, router: SubRouter, endpoint: str, handler: Callable[..., Any]) -> None:
        self._filled = {"message": Filled(handler)}
        super().__init__(router, endpoint)

    def on_connect(self, handler: Function) -> Function:
        """Register the function to call once a connection is accepted. Its return value is sent."""
        self._filled["connect"] = Filled(handler)
        return handler

    def on_close(self, handler: Function) -> Function:
        """Register the function to call when a connection ends. Its return value is sent if it is still open."""
        self._filled["close"] = Filled(handler)
        return handler

    def hooks(self, session: Session) -> Hooks:
        """Return the functions for one connection."""
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
                arguments.clear()  # no close handler without a connect handler
                await websocket.send_text(f"Error: {error}")
                await session.end(CloseCode.POLICY_VIOLATION, "wrong parameters")
                return
            await say("connect")
            await call(self._filled["message"].function, **arguments["message"])  # its return value is ignored
            await close()
            await session.end()

        async def close(*_: Any) -> None:
            await session.tell_end(lambda: say("close"))

        return Hooks(converse, None, close, None)
