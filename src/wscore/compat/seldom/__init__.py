"""The part of seldom for WebSocket tests: a blocking client in a thread, and a test case with hooks.

    from wscore.compat import seldom
    from wscore.compat.seldom import WebSocketClient, log

The client drives a `wscore.ClientConnection` with a socket and a selector; it needs neither seldom nor
websocket-client, and no event loop. `docs/howto/coming-from-seldom.md` lists what differs from seldom, and why.
"""

from ._case import TestCase, log, main
from ._client import WebSocketClient

__all__ = ["TestCase", "WebSocketClient", "log", "main"]
