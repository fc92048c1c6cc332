"""What the targets share: input cut into reads, what a connection holds, and an output's frames and response."""

from __future__ import annotations

import gc
import types
from collections.abc import Iterator
from itertools import cycle
from typing import Any

import h11

_COUNTED = (bytes, bytearray, str)
_SHARED = (type, types.ModuleType, types.FunctionType, types.CodeType)
CLOSE, PING, PONG = 8, 9, 10

REQUEST = (
    b"GET /chat?room=1 HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


RESPONSE = (  # to a client whose every random byte is 0
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n"
)
DEFLATED = b"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9\r\n"
DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=9\r\n"


def cut(data: bytes, sizes: bytes) -> Iterator[bytes]:
    """Cut `data` into reads of the given sizes (each plus one), again and again."""
    position = 0
    for size in cycle(sizes or b"\0"):
        if position >= len(data):
            return
        yield data[position : position + size + 1]
        position += size + 1


def frames(output: bytes, *, masked: bool = False) -> list[tuple[int, bytes]]:
    """Give (opcode, payload) of each frame in an output; whole frames is all that there may be.

    A server's are not masked, and a client's are `masked`, here with a key of zeros.
    """
    found: list[tuple[int, bytes]] = []
    while output:
        assert output[0] & 0x80, "a fragment"
        assert (output[1] >= 0x80) == masked, "masked, or not"
        more = {126: 2, 127: 8}.get(output[1] & 0x7F, 0)
        size = int.from_bytes(output[2 : 2 + more]) if more else output[1] & 0x7F
        start = 2 + more + 4 * masked
        found.append((output[0] & 0x0F, output[start : start + size]))
        assert len(found[-1][1]) == size, "an unfinished frame"
        output = output[start + size :]
    assert all(opcode != CLOSE for opcode, _ in found[:-1]), "a frame after the close frame"
    return found


def response(output: bytes) -> tuple[int | None, bytes]:
    """Read the one whole HTTP response at the start of an output: its status, and the bytes after it."""
    if not output:
        return None, b""
    client = h11.Connection(h11.CLIENT)
    headers = [("host", "h"), ("upgrade", "websocket"), ("connection", "upgrade")]
    client.send(h11.Request(method="GET", target="/", headers=headers))
    client.send(h11.EndOfMessage())
    client.receive_data(output)
    head = client.next_event()
    assert isinstance(head, h11.Response | h11.InformationalResponse), "no whole response head"
    if head.status_code != 101 and client.trailing_data[0]:  # an answer to HEAD has no content (RFC 9110 9.3.2)
        while not isinstance(event := client.next_event(), h11.EndOfMessage):
            assert isinstance(event, h11.Data), "a response that is not whole"
    return head.status_code, client.trailing_data[0]


def held(thing: object) -> int:
    """Count the bytes and characters that an object reaches, whatever the engine inside calls its buffers."""
    seen: set[int] = set()
    waiting: list[Any] = [thing]
    total = 0
    while waiting:
        item = waiting.pop()
        if id(item) not in seen:
            seen.add(id(item))
            if isinstance(item, _COUNTED):
                total += len(item)
            elif not isinstance(item, _SHARED):
                waiting += gc.get_referents(item)
    return total
