"""The programs of Robyn's page on WebSockets: import lines changed, indentation and undefined names mended.

Each is a text that defines `websocket` handlers for an application and a WebSocket that PREAMBLE makes, as the page's
later programs go on from its first.
"""

PREAMBLE = """
from collections import defaultdict

from wscore.compat.robyn import Robyn, WebSocket, WebSocketConnector, jsonify

app = Robyn(__file__)
websocket = WebSocket(app, "/web_socket")
websocket_state = defaultdict(int)
"""

HELLO = """
@websocket.on("message")
def connect():
    return "Hello world, from ws"

@websocket.on("close")
def close():
    return "Goodbye world, from ws"

@websocket.on("connect")
def message():
    return "Connected to ws"
"""

SYNC_SEND_TO = """
@websocket.on("message")
def message(ws, msg, global_dependencies) -> str:
    websocket_id = ws.id
    ws.sync_send_to(websocket_id, "This is a message to self")
    return ""
"""

SYNC_SEND_TO_TYPED = """
@websocket.on("message")
def message(ws: WebSocketConnector, msg: str, global_dependencies) -> str:
    websocket_id = ws.id
    state = websocket_state[websocket_id]
    ws.sync_send_to(websocket_id, "This is a message to self")
    return ""
"""

ASYNC_SEND_TO = """
@websocket.on("message")
async def message(ws, msg, global_dependencies) -> str:
    websocket_id = ws.id
    await ws.async_send_to(websocket_id, "This is a message to self")
    return ""
"""

ASYNC_SEND_TO_TYPED = """
@websocket.on("message")
async def message(ws: WebSocketConnector, msg: str, global_dependencies) -> str:
    websocket_id = ws.id
    state = websocket_state[websocket_id]
    await ws.async_send_to(websocket_id, "This is a message to self")
    return ""
"""

SYNC_BROADCAST = """
@websocket.on("message")
def message(ws, msg, global_dependencies) -> str:
    websocket_id = ws.id
    ws.sync_broadcast("This is a message to self")
    return ""
"""

SYNC_BROADCAST_TYPED = """
@websocket.on("message")
def message(ws: WebSocketConnector, msg: str, global_dependencies) -> str:
    websocket_id = ws.id
    ws.sync_broadcast("This is a message to self")
    return ""
"""

ASYNC_BROADCAST = """
@websocket.on("message")
async def message(ws, msg, global_dependencies) -> str:
    websocket_id = ws.id
    await ws.async_broadcast("This is a message to self")
    return ""
"""

ASYNC_BROADCAST_TYPED = """
@websocket.on("message")
async def message(ws: WebSocketConnector, msg: str, global_dependencies) -> str:
    websocket_id = ws.id
    await ws.async_broadcast("This is a message to self")
    return ""
"""

QUERY = """
@websocket.on("message")
async def message(ws, msg, global_dependencies) -> str:
    websocket_id = ws.id
    if (ws.query_params.get("name") == "gordon" and ws.query_params.get("desg") == "commissioner"):
        ws.sync_broadcast("Gordon authorized to login!")
    return ""
"""

QUERY_TYPED = """
@websocket.on("message")
async def message(ws: WebSocketConnector, msg: str, global_dependencies) -> str:
    websocket_id = ws.id
    if (ws.query_params.get("name") == "gordon" and ws.query_params.get("desg") == "commissioner"):
        ws.sync_broadcast("Gordon authorized to login!")
    return ""
"""

CLOSE = """
@websocket.on("message")
def message(ws, msg):
    if msg == "disconnect":
        ws.close()
        return "Closing connection"
    return "Message received"
"""

CLOSE_TYPED = """
@websocket.on("message")
def message(ws: WebSocketConnector, msg: str) -> str:
    if msg == "disconnect":
        ws.close()
        return "Closing connection"
    return "Message received"
"""
