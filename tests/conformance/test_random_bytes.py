"""Connections of random bytes, thousands of them: nothing is logged as an error, and the next client is served.

1,000 by default, 10,000 with `-m long`. A third is noise from the first byte, a third follows a good head, a third is
a good head with one byte changed.
"""

from __future__ import annotations

import random
import socket
import threading

import pytest

from .harness import Transport
from .subprocesses import server_process
from .wire import BINARY, TEXT, Wire, frame, request

THREADS = 4


def conversation(rng: random.Random) -> bytes:
    noise = rng.randbytes(rng.choice([0, 1, 2, 10, 100, 1000, 5000]))
    match rng.randrange(4):
        case 0:
            return noise
        case 1:
            head = bytearray(request(("Sec-WebSocket-Extensions", "permessage-deflate")))
            head[rng.randrange(len(head))] = rng.randrange(256)
            return bytes(head) + noise
        case 2:
            return request(("Sec-WebSocket-Extensions", "permessage-deflate")) + noise
        case _:
            rsv = rng.choice([0, 4])
            good = frame(rng.choice([TEXT, BINARY]), noise, rsv=rsv, fin=rng.random() < 0.8)
            return request(("Sec-WebSocket-Extensions", "permessage-deflate")) + good + rng.randbytes(20)


def talk(port: int, rng: random.Random) -> None:
    """Send noise, leave in one of several ways, and expect nothing."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
        wire = Wire(sock)
        wire.send_regardless(conversation(rng))
        match rng.randrange(3):
            case 0:
                wire.reset()
            case 1:
                try:
                    wire.send_eof()
                except OSError:
                    return
                wire.read_to_any_end()
            case _:
                pass


def converse(transport: str, count: int) -> None:
    with server_process(transport, "echo", close_timeout=0.5) as server:
        failures: list[BaseException] = []

        def work(seed: int) -> None:
            rng = random.Random(seed)
            try:
                for _ in range(count // THREADS):
                    talk(server.port, rng)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        wire = server.open()
        wire.send(frame(TEXT, "still here"))
        assert wire.read_text() == "still here"
        assert server.end() == ""


def test_random_bytes(transport: Transport) -> None:
    """A thousand connections of random bytes leave the server whole and its log empty."""
    converse(transport.name, 1_000)


@pytest.mark.long
def test_ten_thousand_connections_of_random_bytes(transport: Transport) -> None:
    """Ten thousand do not either."""
    converse(transport.name, 10_000)
