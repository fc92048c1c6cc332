"""The floor: bytes come back as they came, without any protocol, on asyncio, uvloop or trio."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from typing import cast

from bench.servers.loops import run


class Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)

    def pause_writing(self) -> None:
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.transport.resume_reading()


async def on_asyncio(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


def on_trio(port: int) -> None:
    import trio

    async def echo(stream: trio.SocketStream) -> None:
        async for data in stream:
            await stream.send_all(data)

    trio.run(partial(trio.serve_tcp, echo, port, host="127.0.0.1"))


if __name__ == "__main__":
    if sys.argv[2] == "trio":
        on_trio(int(sys.argv[1]))
    else:
        run(on_asyncio(int(sys.argv[1])), sys.argv[2])
