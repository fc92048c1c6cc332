"""An echo that says in which process it runs, where it is asked."""

from __future__ import annotations

import os
from typing import Any, Final

__all__ = ["WHO", "app"]

WHO: Final = "who?"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer `WHO` with the number of the process, and echo everything else."""
    if scope["type"] != "websocket":
        raise NotImplementedError
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        text = message["text"]
        await send({"type": "websocket.send", "text": str(os.getpid()) if text == WHO else text})
