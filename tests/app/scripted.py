"""The server's half of a connection, as a script: what `receive()` gives, and a record of what was sent."""

from __future__ import annotations

from typing import Any

CONNECT = {"type": "websocket.connect"}


def text(data: str) -> dict[str, Any]:
    return {"type": "websocket.receive", "text": data}


def binary(data: bytes) -> dict[str, Any]:
    return {"type": "websocket.receive", "bytes": data}


def disconnect(code: int = 1001, reason: str = "") -> dict[str, Any]:
    return {"type": "websocket.disconnect", "code": code, "reason": reason}


def make_scope(**changes: Any) -> dict[str, Any]:
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": "/chat",
        "raw_path": b"/chat",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"example.org:8000")],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
        "subprotocols": [],
        "state": {},
        "extensions": {"websocket.http.response": {}},
    } | changes


class Server:
    """`Server(scope, incoming).connection(cls)` makes the connection; `sent` is what it sent.

    `failure` is raised by every send from the `fails_from`th on. A script that is over is an error of the test.
    """

    def __init__(
        self,
        incoming: list[dict[str, Any]],
        scope: dict[str, Any] | None = None,
        failure: Exception | None = None,
        fails_from: int = 0,
    ) -> None:
        self.scope = make_scope() if scope is None else scope
        self.incoming = list(incoming)
        self.sent: list[dict[str, Any]] = []
        self.failure = failure
        self.fails_from = fails_from

    async def receive(self) -> dict[str, Any]:
        if not self.incoming:
            raise AssertionError("the script is over")
        return self.incoming.pop(0)

    async def send(self, message: dict[str, Any]) -> None:
        if self.failure is not None and len(self.sent) >= self.fails_from:
            raise self.failure
        self.sent.append(message)
