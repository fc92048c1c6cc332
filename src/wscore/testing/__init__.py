"""In-memory clients for testing ASGI WebSocket applications: `TestClient` blocks, `AsyncTestClient` is awaited.

Both ends are wscore's: a `ClientConnection` and a `ServerConnection` exchange real bytes. `wscore.testing.fixtures` has
fixtures for pytest; nothing else here imports pytest.
"""

from wscore.app import WebSocketDisconnect, WrongFrameType

from .._public import set_public_module as _set_public_module
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

_set_public_module(__name__, [globals()[name] for name in __all__])
