"""Clients for tests of ASGI websocket applications, in memory: `TestClient` blocks, `AsyncTestClient` awaits.

Both ends are wscore's own: a test's client speaks through a `ClientConnection` with a `ServerConnection`, in bytes.
`wscore.testing.fixtures` has fixtures for pytest, and alone imports it.
"""

from wscore.app import WebSocketDisconnect, WrongFrameType

from ._async_client import AsyncTestClient
from ._client import TestClient, WebSocketTestSession
from ._denial import WebSocketDenialResponse
from ._session import AsyncWebSocketTestSession

__all__ = [
    "AsyncTestClient",
    "AsyncWebSocketTestSession",
    "TestClient",
    "WebSocketDenialResponse",
    "WebSocketDisconnect",
    "WebSocketTestSession",
    "WrongFrameType",
]
