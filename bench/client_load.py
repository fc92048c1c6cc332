"""The other end of the clients that are measured, the same for all and cheap: a frame gets one that was made before.

It knows no WebSocket beyond the handshake and the close, but looks at every byte that comes: each message has to be the
one that was ordered, and masked.
"""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import time
from typing import Final

from bench.accounting import Stopwatch
from bench.callers.orders import TEXT
from bench.connections import PATIENCE, Target, WrongReply, receive_exactly
from bench.frames import CLOSED
from bench.load import Budget, Outcome

__all__ = ["messages_of_client"]

ORDER: Final = 512
"""Messages that a client is asked for at a time, so that a round of a slow one ends in time as well."""

REPLY: Final = bytes((0x81, len(TEXT))) + TEXT.encode()
_HEAD: Final = bytes((0x81, 0x80 | len(TEXT)))
_SENT: Final = len(_HEAD) + 4 + len(TEXT)
_TEXT: Final = int.from_bytes(TEXT.encode())
_REPEAT: Final = int.from_bytes(bytes((0, 0, 0, 1)) * (len(TEXT) // 4))
"""What repeats a masking key over the text, by one multiplication."""

_KEY: Final = re.compile(rb"(?i)\r\nsec-websocket-key: *(\S+)")
_SWITCH: Final = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n"
)


def messages_of_client(together: int, target: Target, budget: Budget, watch: Stopwatch) -> Outcome:
    """Let a client send `together` messages and get their replies, and again. `target` takes its orders."""
    turns = max(1, min(ORDER, budget.messages) // together)
    done = 0
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(("127.0.0.1", target.port), timeout=PATIENCE) as orders,
    ):
        listener.settimeout(PATIENCE)
        orders.sendall(b"%d\n" % listener.getsockname()[1])
        sock, _ = listener.accept()
        with sock:
            sock.settimeout(PATIENCE)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _shake_hands(sock)
            with watch:
                deadline = time.perf_counter() + budget.seconds
                while done == 0 or (done + turns * together <= budget.messages and time.perf_counter() < deadline):
                    orders.sendall(b"%d %d\n" % (turns, together))
                    answer(sock, turns * together)
                    done += turns * together
            orders.shutdown(socket.SHUT_WR)
            _part(sock)
    return Outcome(done)


def answer(sock: socket.socket, messages: int) -> None:
    """Read so many messages and answer each; WrongReply for anything else."""
    received = b""
    while messages:
        data = sock.recv(2**16)
        if not data:
            raise WrongReply(f"the client has gone, {messages} messages missing")
        received += data
        whole = min(len(received) // _SENT, messages)
        for start in range(0, whole * _SENT, _SENT):
            key = int.from_bytes(received[start + 2 : start + 6])
            text = int.from_bytes(received[start + 6 : start + _SENT])
            if received[start : start + 2] != _HEAD or text ^ key * _REPEAT != _TEXT:
                raise WrongReply(f"{received[start : start + _SENT]!r} instead of the text, masked")
        received = received[whole * _SENT :]
        messages -= whole
        sock.sendall(REPLY * whole)
    if received:
        raise WrongReply(f"more than was ordered: {received[:80]!r}")


def _shake_hands(sock: socket.socket) -> None:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        more = sock.recv(4096)
        if not more or len(head) > 2**14:
            raise WrongReply(f"no request: {head[:200]!r}")
        head += more
    key = _KEY.search(head)
    if key is None:
        raise WrongReply(f"no key: {head[:200]!r}")
    accept = hashlib.sha1(key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    sock.sendall(_SWITCH % base64.b64encode(accept))


def _part(sock: socket.socket) -> None:
    """Answer the close frame; the client's program then waits for its next orders."""
    first, size = receive_exactly(sock, 2)
    receive_exactly(sock, 4 + (size & 0x7F))
    if first != 0x88:
        raise WrongReply(f"a frame that begins with {first:#04x} instead of a close")
    sock.sendall(CLOSED)
