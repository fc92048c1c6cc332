import asyncio
from wscore.compat.apistar import ASyncApp, Route, WebSocket
from wscore.compat.apistar.exceptions import WebSocketDisconnect
from datetime import datetime


# The Basic WebSocket flow is:
# 1. connect with the client
# 2. handle the data flow
# 3. close the connection or handle the client closing the connection
# 4. perform any post processing or cleanup needed.
async def websocket_helloworld(ws: WebSocket):
    await ws.connect()

    # Send 100 Hello World!
    for _ in range(100):
       await ws.send('Hello World!')

    await ws.close()


# Easily send JSON
async def websocket_helloworld_msg(ws: WebSocket):
    await ws.connect()

    # Send 100 Hello World! JSON messages
    for idx in range(100):
        await ws.send_json(
            {
                'index': idx,
                'text': 'Hello World!'
            }
        )

    await ws.close()

# Send a JSON message to the client, about once a second, until the client goes away.
async def websocket_helloworld_forever(ws: WebSocket):
    await ws.connect()

    try:
        while True:
            await ws.send_json(
                {
                    'timestamp': datetime.now().isoformat(),
                    'text': 'Hello World!'
                }
            )

            await asyncio.sleep(1)

    except WebSocketDisconnect:
        # The WebSocket was closed by the client
        pass

    # Do any needed post processing here
    print("post processing")


# Ping Pong, until the client goes away
async def websocket_pingpong_forever(ws: WebSocket):
    await ws.connect()

    try:
        while True:
            # wait for the ping. ws.receive() will block until a message comes in.
            ping = await ws.receive()
            await ws.send('pong')
    except WebSocketDisconnect:
        pass

# Ping Pong JSON, until the client goes away
async def websocket_pingpong_json_forever(ws: WebSocket):
    await ws.connect()

    try:
        while True:
            # wait for the ping. ws.receive_json() will block until a message comes in.
            ping = await ws.receive_json()
            await ws.send_json(
                {
                    'paddle': 'pong'
                }
            )
    except WebSocketDisconnect:
        pass

routes = [
    Route("/helloworld", "GET", websocket_helloworld),
    Route("/helloworld_msg", "GET", websocket_helloworld_msg),
    Route("/helloworld_forever", "GET", websocket_helloworld_forever),
    Route("/pingpong", "GET", websocket_pingpong_forever),
    Route("/pingpong_json", "GET", websocket_pingpong_json_forever),
]

app = ASyncApp(
    routes=routes
)
