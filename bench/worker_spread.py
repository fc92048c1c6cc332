"""A server of several processes: what a message costs, and how evenly the connections are spread over them."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Sequence

from bench.accounting import Stopwatch
from bench.connections import Target, WrongReply, opened, receive_exactly
from bench.frames import Exchange, exchange
from bench.load import Budget, Outcome, converse
from bench.servers.workers_app import WHO

__all__ = ["across_workers"]


def across_workers(
    target: Target, budget: Budget, watch: Stopwatch, exchanges: Sequence[Exchange], *, connections: int
) -> Outcome:
    """Have one message in flight on each connection, after each has said which process serves it."""
    with opened(target, connections) as sockets:
        serving = Counter(_process(sock) for sock in sockets)
        done = converse(sockets, budget, watch, exchanges)
    return Outcome(done, {"processes": len(serving), "% at the fullest": 100 * max(serving.values()) / connections})


def _process(sock: socket.socket) -> int:
    sock.sendall(exchange("text", WHO.encode(), websocket=True).sent)
    first, size = receive_exactly(sock, 2)
    said = receive_exactly(sock, size)
    if first != 0x81 or not said.isdigit():
        raise WrongReply(f"{said!r} instead of the number of a process")
    return int(said)
