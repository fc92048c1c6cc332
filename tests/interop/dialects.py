"""An application of each manner, mounted in one: what `test_other_servers.py` serves elsewhere."""

from wscore.app import App, Member, Mount, Registry
from wscore.compat import apistar, apistellar, robyn, starlette

app = App()


@app.websocket("/chat/{room}")
class Chat:
    def __init__(self, member: Member, registry: Registry) -> None:
        self.member, self.registry = member, registry

    async def connect(self, room: str) -> None:
        self.member.enter(room)

    async def receive(self, message: str, room: str) -> None:
        self.registry.broadcast(room, message)


@app.websocket("/crash")
def crash(message: str) -> None:
    raise ValueError(message)


async def starlette_echo(websocket: starlette.WebSocket) -> None:
    await websocket.accept(subprotocol="b")
    async for text in websocket.iter_text():
        await websocket.send_text(f"Message text was: {text}")


@apistellar.websocket("/stellar")
async def stellar(message, path: apistellar.Path):
    return {"got": message["text"]}


async def star(ws: apistar.WebSocket):
    await ws.connect()
    return "pong to " + await ws.receive()


batman = robyn.Robyn(__file__)
websocket = robyn.WebSocket(batman, "/web_socket")


@websocket.on("connect")
def connected():
    return "Connected to ws"


@websocket.on("message")
def said(ws, msg):
    if msg == "disconnect":
        ws.close()
        return "Closing connection"
    return "Message received"


app.add(starlette.WebSocketRoute("/starlette", starlette_echo))
app.add(Mount("/apistellar", apistellar.Application("dialects", handlers=[stellar])))
app.add(Mount("/apistar", apistar.ASyncApp(routes=[apistar.Route("/ping", "GET", star)])))
app.add(Mount("/robyn", batman))
