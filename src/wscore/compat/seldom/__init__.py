"""The names of seldom that belong to its WebSocket tests: a blocking client in a thread, and a test case with hooks.

    from wscore.compat import seldom
    from wscore.compat.seldom import WebSocketClient, log

The client stands on `wscore.ClientConnection` alone: it needs neither seldom nor websocket-client, and no event loop.
What differs from seldom, and why, is listed in `docs/howto/coming-from-seldom.md`.
"""

from ._case import TestCase, log, main
from ._client import WebSocketClient

__all__ = ["TestCase", "WebSocketClient", "log", "main"]
