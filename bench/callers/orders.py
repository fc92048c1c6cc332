"""What a client is told to do: it listens for orders, and each connection to it is about one WebSocket connection.

The first line is the port to connect to. Each further line, "TURNS TOGETHER", asks for so many turns, in which that
many messages are sent before as many are received. The end of the lines means: close the WebSocket.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import TextIO

__all__ = ["TEXT", "check", "sessions"]

TEXT = "grow old along with me; the best"


def sessions(port: int) -> Iterator[tuple[int, Iterator[tuple[int, int]]]]:
    """Give for each WebSocket connection the port that it goes to, and its orders; waits for both, without an end."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            sock, _ = listener.accept()
            with sock, sock.makefile("r") as lines:
                if first := lines.readline():  # nobody who only looks whether we are there
                    yield int(first), _orders(lines)


def _orders(lines: TextIO) -> Iterator[tuple[int, int]]:
    for line in lines:
        turns, together = line.split()
        yield int(turns), int(together)


def check(reply: object) -> None:
    """Every reply is looked at: it costs all clients the same."""
    if reply != TEXT:
        raise ValueError(f"{reply!r} instead of {TEXT!r}")
