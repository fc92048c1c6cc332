import asyncio

from wscore.compat.apistellar import Application, Path, websocket


@websocket("/test/websocket")
async def receive(message, path: Path):
    _text = message.get("text")

    print("received", _text, f"from {path}")
    return {"success": "ok"}


@websocket("/test/websocket1")
class Handler(object):
    def __init__(self, send):
        self.send = send
        self.message = ""

    async def websocket_connect(self, message, path: Path):
        print(f"Websocket of {path} connect. ")
        return {"success": "ok"}

    async def websocket_disconnect(self, message, path: Path):
        print("Got total data: %s" % self.message)
        print(f"Websocket of {path} disconnect. ")

    async def websocket_receive(self, message):
        text = message.get("text")
        self.message += text
        await self.send(f"got piece: {text}")
        await asyncio.sleep(1)
        return {"success": "ok"}


app = Application(__name__)
