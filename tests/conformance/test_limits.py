"""A server at its limits: too many connections, and no descriptors left."""

from __future__ import annotations

import sys
import time
from typing import Any

import pytest

from ..real_time import scaled
from .apps import echo
from .harness import Transport, quick
from .subprocesses import server_process
from .wire import TEXT, frame, request


@pytest.mark.uvloop_too
def test_max_connections(serve: Any) -> None:
    """Above max_connections a client gets 503; once one has left, the next is served."""
    server = serve(echo, config=quick(max_connections=2))
    first, second = server.open(), server.open()
    third = server.connect()
    third.send(request())
    assert third.read_refusal().status == 503
    first.send(frame(TEXT, "x"))
    assert first.read_text() == "x"
    third.close()
    second.send_eof()
    assert second.read_to_end() == b""
    second.close()
    while True:  # the server hears of it soon, not at once
        wire = server.connect()
        wire.send(request())
        if wire.read_response().status == 101:
            break
        wire.close()


@pytest.mark.realtime
def test_turned_away_clients_are_limited_too(serve: Any) -> None:
    """A flood of clients that are turned away and do not leave does not hold sockets without end."""
    server = serve(echo, config=quick(max_connections=1, close_timeout=scaled(5.0)))
    good = server.open()
    answers = [server.connect() for _ in range(150)]
    for wire in answers:
        wire.send_regardless(request())
    kinds = [wire.read_to_any_end()[:12] for wire in answers]
    assert b"HTTP/1.1 503" in kinds
    assert b"" in kinds
    good.send(frame(TEXT, "x"))
    assert good.read_text() == "x"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_out_of_descriptors(transport: Transport) -> None:
    """Out of file descriptors a server stays calm: a line in the log for each pause, and it serves again afterwards."""
    with server_process(transport.name, "echo", nofile=40, close_timeout=0.5) as server:
        good = server.open()
        waiting = [server.connect() for _ in range(60)]
        good.send(frame(TEXT, "x"))
        assert good.read_text() == "x"
        time.sleep(1.0)  # another process's time: two retries; one that spins would write thousands of lines
        good.send(frame(TEXT, "y"))
        assert good.read_text() == "y"
        for wire in waiting:
            wire.close()
        again = server.open()
        again.send(frame(TEXT, "z"))
        assert again.read_text() == "z"
        log = server.end().splitlines()
    assert 1 <= len(log) <= 20, log
    assert all("cannot accept connections" in line for line in log), log
