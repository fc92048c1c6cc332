"""A blocking client whose frames are seen one by one: the `websockets` library's protocol over a plain socket.

`events()` gives them as the documents of the other frameworks print them: (opcode, data).
"""

from __future__ import annotations

import socket
import struct
from types import TracebackType
from typing import Self

from websockets.client import ClientProtocol
from websockets.frames import Frame
from websockets.http11 import Response
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from ..real_time import PATIENCE

TEXT, BINARY, CLOSE = 1, 2, 8


class Peer:
    """A connection to `path`; `status` is the handshake's answer."""

    def __init__(
        self, port: int, path: str, *, headers: dict[str, str] | None = None, subprotocols: list[str] | None = None
    ) -> None:
        self._sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        offered = [Subprotocol(name) for name in subprotocols or ()] or None
        self._protocol = ClientProtocol(parse_uri(f"ws://127.0.0.1:{port}{path}"), subprotocols=offered)
        request = self._protocol.connect()
        for name, value in (headers or {}).items():
            request.headers[name] = value
        self._protocol.send_request(request)
        self._flush()
        self._events: list[Frame] = []
        self._eof = False
        self.response: Response | None = None
        while self.response is None and not self._eof:
            self._read()
        assert self.response is not None
        self.status = self.response.status_code

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sock.close()

    @property
    def subprotocol(self) -> str | None:
        return self._protocol.subprotocol

    def send(self, data: str | bytes) -> None:
        if isinstance(data, str):
            self._protocol.send_text(data.encode())
        else:
            self._protocol.send_binary(data)
        self._flush()

    def close(self, code: int | None = None, reason: str = "") -> None:
        """Send a close frame, without a code as a browser's `close()` does."""
        self._protocol.send_close(code, reason)
        self._flush()

    def reset(self) -> None:
        """Leave without a word: the system sends a reset."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._sock.close()

    def frame(self) -> tuple[int, bytes]:
        """Give the next frame's opcode and data."""
        while not self._events:
            assert not self._eof, "the server has ended the connection"
            self._read()
        event = self._events.pop(0)
        assert event.fin
        return int(event.opcode), bytes(event.data)

    def text(self) -> str:
        opcode, data = self.frame()
        assert opcode == TEXT, (opcode, data)
        return data.decode()

    def end(self) -> tuple[int | None, str]:
        """Give the code and reason of the next frame, which closes; and see that nothing but the end follows."""
        opcode, data = self.frame()
        assert opcode == CLOSE, (opcode, data)
        while not self._eof:
            self._read()
        assert not self._events
        return (struct.unpack("!H", data[:2])[0] if data else None), data[2:].decode()

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._sock.sendall(data)
            else:
                self._sock.shutdown(socket.SHUT_WR)

    def _read(self) -> None:
        data = self._sock.recv(65536)
        if data:
            self._protocol.receive_data(data)
        else:
            self._eof = True
            self._protocol.receive_eof()
        self._flush()
        for event in self._protocol.events_received():
            if isinstance(event, Response):
                self.response = event
            elif isinstance(event, Frame):
                self._events.append(event)
