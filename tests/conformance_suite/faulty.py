"""A server that echoes, small and correct, with faults that can be switched on one at a time."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from wscore.conformance.server_peer import Address
from wscore.conformance.servers import Server

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
SENDABLE = {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}
FRESH_KEY = b"\x01\x02\x03\x04"


class _Failed(Exception):
    """The client broke a rule: `args[0]` is the close code."""


class _Connection:
    def __init__(self, fault: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.fault, self.reader, self.writer = fault, reader, writer
        self.message: tuple[int, bytearray] | None = None

    def forgives(self, fault: str) -> bool:
        return self.fault == fault

    def require(self, condition: bool, unless: str, code: int = 1002) -> None:
        """Fail the connection, unless not noticing is the fault that is switched on."""
        if not condition and not self.forgives(unless):
            raise _Failed(code)

    # -- the handshake

    async def handshake(self) -> bool:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head[:-4].split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if not first.startswith("GET ") and not self.forgives("accepts any method"):
            return self.refuse("405 Method Not Allowed", "Allow: GET")
        if headers.get("sec-websocket-version") != "13" and not self.forgives("accepts any version"):
            more = "X-Nothing: 1" if self.forgives("does not name its version") else "Sec-WebSocket-Version: 13"
            return self.refuse("426 Upgrade Required", more, "Upgrade: websocket")
        key = headers.get("sec-websocket-key", "")
        accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        if self.forgives("computes another accept"):
            accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        answer = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
        answer.append(f"Sec-WebSocket-Accept: {accept}")
        if self.forgives("agrees to any extension") and "sec-websocket-extensions" in headers:
            answer.append(f"Sec-WebSocket-Extensions: {headers['sec-websocket-extensions']}")
        self.writer.write("\r\n".join([*answer, "", ""]).encode())
        return True

    def refuse(self, status: str, *headers: str) -> bool:
        self.writer.write("\r\n".join([f"HTTP/1.1 {status}", *headers, "Content-Length: 0", "", ""]).encode())
        return False

    # -- frames

    def send(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        wide = self.forgives("writes every length in 64 bits")
        if size < 126 and not wide:
            length = bytes([size])
        else:
            length = b"\x7e" + size.to_bytes(2) if size < 65536 and not wide else b"\x7f" + size.to_bytes(8)
        if self.forgives("masks its frames"):
            payload = bytes(byte ^ FRESH_KEY[at % 4] for at, byte in enumerate(payload))
            length = bytes([length[0] | 0x80]) + length[1:] + FRESH_KEY
        self.writer.write(bytes([0x80 | opcode]) + length + payload)

    async def frame(self) -> tuple[int, bytes, bool]:
        first, second = await self.reader.readexactly(2)
        opcode, fin, size = first & 15, bool(first & 0x80), second & 0x7F
        self.require(not first & 0x70, "takes reserved bits")
        self.require(bool(second & 0x80), "takes unmasked frames")
        self.require(opcode in (0, 1, 2, 8, 9, 10) or opcode < 8, "takes reserved opcodes")
        self.require(opcode not in (3, 4, 5, 6, 7), "takes reserved opcodes")
        self.require(opcode < 8 or fin, "takes control frames in fragments")
        self.require(opcode < 8 or size < 126, "takes long control frames")
        if size >= 126:
            marker, size = size, int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8))
            self.require(size >= (126 if marker == 126 else 65536), "takes long lengths")
            self.require(size < 2**63, "waits for 2**63 bytes")
            if self.forgives("leaves large messages unread") and size > 2**16:
                raise _Failed(1009)
        mask = await self.reader.readexactly(4) if second & 0x80 else bytes(4)
        payload = await self.reader.readexactly(size)
        key = int.from_bytes((mask * (size // 4 + 1))[:size])
        return opcode, (int.from_bytes(payload) ^ key).to_bytes(size), fin

    async def converse(self) -> None:
        while True:
            opcode, payload, fin = await self.frame()
            if opcode == 8:
                await self.close(payload)
                return
            if opcode == 9 and not self.forgives("does not answer pings"):
                self.send(10, b"" if self.forgives("answers pings without their payload") else payload)
            elif opcode in (0, 1, 2):
                self.data(opcode, payload, fin)

    def data(self, opcode: int, payload: bytes, fin: bool) -> None:
        if opcode == 0:
            self.require(self.message is not None, "takes continuations without a start")
            kind, data = self.message or (1, bytearray())
        else:
            self.require(self.message is None, "takes a message within a message")
            kind, data = opcode, bytearray()
        data += payload
        self.message = None if fin else (kind, data)
        if kind == 1:
            with contextlib.suppress(UnicodeDecodeError):
                data.decode()
                if fin:
                    self.send(1, bytes(data))
                return
            cut = not fin and _may_go_on(bytes(data))
            self.require(cut, "does not look at UTF-8", 1007)
        if fin:
            if self.forgives("loses what is beyond 64 KiB"):
                del data[65535:]
            self.send(1 if self.forgives("sends binary back as text") else kind, bytes(data))

    async def close(self, payload: bytes) -> None:
        self.require(len(payload) != 1, "takes a close frame of a byte")
        payload = b"" if len(payload) == 1 else payload
        code = int.from_bytes(payload[:2])
        self.require(not payload or code in SENDABLE, "echoes any close code")
        try:
            payload[2:].decode()
        except UnicodeDecodeError:
            self.require(False, "does not look at reasons", 1007)
        if self.forgives("does not answer a close frame"):
            await self.reader.read()
            return
        if self.forgives("echoes after a close frame"):
            _, late, _ = await self.frame()
            self.send(1, late)
        self.send(8, b"\x0f\xa0" if self.forgives("answers with another close code") else payload[:2])
        if self.forgives("sends on after its close frame"):
            self.send(9, b"late")
        if self.forgives("keeps the TCP connection open"):
            await self.reader.read()

    async def serve(self) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            try:
                if await self.handshake():
                    await self.converse()
            except _Failed as failed:
                if not self.forgives("fails without a close frame"):
                    self.send(8, failed.args[0].to_bytes(2))
            if not self.forgives("leaves large messages unread"):
                self.writer.write_eof()
                await self.reader.read()


def _may_go_on(data: bytes) -> bool:
    """Return whether data ends within a code point that can still become one."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"
    return True


@asynccontextmanager
async def faulty(fault: str = "") -> AsyncIterator[Server]:
    """Serve with a fault, or with none."""

    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await _Connection(fault, reader, writer).serve()
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            writer.close()  # with a reset, where something is unread
            tasks.discard(task)

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    try:
        yield Server("127.0.0.1", port, Address(f"127.0.0.1:{port}"))
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
