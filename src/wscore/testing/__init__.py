"""In-memory clients for testing ASGI WebSocket applications: `TestClient` blocks, `AsyncTestClient` is awaited.

Both ends are wscore's: a `ClientConnection` and a `ServerConnection` exchange real bytes. `Network` puts a simulated
network with a clock of its own between any number of them. Other modules are imported by who asks for them:

    fixtures                         fixtures for pytest; nothing else imports pytest
    strategies, machine              for Hypothesis, which nothing else imports: what peers do, and what holds
    frames, handshakes               both written by hand, right or wrong
    pair                             both ends and a network in a test's hand, without an event loop
    virtual_asyncio, virtual_trio    event loops whose clock jumps when nothing is ready
    memory                           what an object holds on to
    transport                        whether a transport does what the core requires
"""

from wscore.app import WebSocketDisconnect, WrongFrameType

from .._public import set_public_module as _set_public_module
from ._async_client import AsyncTestClient
from ._client import TestClient, WebSocketTestSession
from ._denial import WebSocketDenialResponse
from ._session import AsyncWebSocketTestSession
from .network import Link, Network

__all__ = [
    "AsyncTestClient",
    "AsyncWebSocketTestSession",
    "Link",
    "Network",
    "TestClient",
    "WebSocketDenialResponse",
    "WebSocketDisconnect",
    "WebSocketTestSession",
    "WrongFrameType",
]

_set_public_module(__name__, [globals()[name] for name in __all__ if name not in ("Link", "Network")])
