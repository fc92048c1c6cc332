"""Applications under test."""

from __future__ import annotations

from typing import Any

import anyio


class Failure(Exception):
    pass


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Echo; text "close CODE REASON" closes, "fail" raises, "return" returns."""
    if scope["type"] == "lifespan":
        raise NotImplementedError
    await receive()
    subprotocol = scope["subprotocols"][0] if scope["subprotocols"] else None
    await send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": [(b"x-app", b"echo")]})
    while (message := await receive())["type"] == "websocket.receive":
        match (message.get("text") or "").split(maxsplit=2):
            case ["close", code, reason]:
                await send({"type": "websocket.close", "code": int(code), "reason": reason})
            case ["fail"]:
                raise Failure("as asked")
            case ["return"]:
                return
            case _:
                await send({**message, "type": "websocket.send"})
    scope["state"].setdefault("ends", []).append(message)


def lively(log: list[str], **answers: str) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": scope["state"].get("name", "")})
            return
        for event in ("startup", "shutdown"):
            assert (await receive())["type"] == f"lifespan.{event}"
            log.append(event)
            scope["state"]["name"] = "kept"
            match answers.get(event, "complete"):
                case "raise":
                    raise Failure(event)
                case "hang":
                    await anyio.sleep_forever()
                case "failed and raise":
                    await send({"type": f"lifespan.{event}.failed", "message": "traceback"})
                    raise Failure(event)
                case answer:
                    await send({"type": f"lifespan.{event}.{answer}", "message": "no database"})

    return app
