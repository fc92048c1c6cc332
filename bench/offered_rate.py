"""Messages at an offered rate: each is sent when it is due, whatever has become of those before it (an open loop).

A client that waits for the reply before it sends again asks a slow server less often, and so leaves out the very
messages that would have waited ("coordinated omission"). Here a message's time runs from when it was due, also where
this generator was late itself; how late it was is shown beside.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.accounting import Stopwatch
from bench.connections import PATIENCE, Target, WrongReply, opened
from bench.distribution import percentile
from bench.frames import Exchange
from bench.load import Budget, Outcome

__all__ = ["CONNECTIONS", "messages_at"]

CONNECTIONS: Final = 64
AT_ONCE: Final = 64
"""Messages that are sent, where more are due, before it is looked for replies."""


@dataclass(slots=True)
class _Stream:
    """A connection, and what is on its way: replies come in the order in which the messages were sent."""

    sock: socket.socket
    exchanges: Sequence[Exchange]
    unsent: bytes = b""
    received: bytes = b""
    asked: int = 0
    answered: int = 0

    def ask(self) -> None:
        self.unsent += self.exchanges[self.asked % len(self.exchanges)].sent
        self.asked += 1
        self.flush()

    def flush(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self.unsent = self.unsent[self.sock.send(self.unsent) :]

    def take(self) -> int:
        """Read, compare, and give how many replies have come whole."""
        data = self.sock.recv(65536)
        if not data:
            raise WrongReply(f"end of stream, {self.asked - self.answered} replies missing")
        self.received += data
        before = self.answered
        while self.received:
            reply = self.exchanges[self.answered % len(self.exchanges)].reply
            if not self.received.startswith(reply):
                if self.answered < self.asked and reply.startswith(self.received):
                    break
                raise WrongReply(f"{self.received[:80]!r} instead of {reply!r}")
            if self.answered == self.asked:
                raise WrongReply(f"more than was asked for: {self.received[:80]!r}")
            self.received = self.received[len(reply) :]
            self.answered += 1
        return self.answered - before


def messages_at(rate: int, target: Target, budget: Budget, watch: Stopwatch, exchanges: Sequence[Exchange]) -> Outcome:
    """Send `rate` messages a second, on each of the connections in turn, and time each until its reply is there.

    `exchanges`: two per connection, taken in turn. All that is ever sent is the budget's, `rate` times its seconds at
    most; so a server that cannot keep up has that much to catch up with, and PATIENCE to do it.
    """
    count = max(1, min(budget.messages, int(rate * budget.seconds)))
    waits: list[float] = []
    late: list[float] = []
    with opened(target, CONNECTIONS) as sockets, contextlib.closing(select.epoll()) as poll:
        streams = [_Stream(sock, exchanges[2 * each : 2 * each + 2]) for each, sock in enumerate(sockets)]
        numbers = {sock.fileno(): each for each, sock in enumerate(sockets)}
        for sock in sockets:
            sock.setblocking(False)
            poll.register(sock, select.EPOLLIN)
        stuck: list[_Stream] = []
        sent = 0
        with watch:
            began = time.perf_counter()
            deadline = began + count / rate + PATIENCE
            while len(waits) < count:
                now = time.perf_counter() - began
                for each in range(sent, min(count, int(now * rate) + 1, sent + AT_ONCE)):
                    late.append(time.perf_counter() - began - each / rate)
                    stream = streams[each % CONNECTIONS]
                    stream.ask()
                    if stream.unsent:
                        stuck.append(stream)
                    sent = each + 1
                if stuck:
                    for stream in stuck:
                        stream.flush()
                    stuck = [stream for stream in stuck if stream.unsent]
                # Without waiting: a millisecond, the least that it can wait for, is as long as many replies take.
                for descriptor, _ in poll.poll(0):
                    which = numbers[descriptor]
                    stream = streams[which]
                    first = stream.answered
                    whole = stream.take()
                    now = time.perf_counter() - began
                    waits.extend(now - (which + turn * CONNECTIONS) / rate for turn in range(first, first + whole))
                if now + began > deadline:
                    raise WrongReply(f"{count - len(waits)} of {count} replies missing after {PATIENCE:g} s")
    microseconds = {f"p{100 * share:g}": 1e6 * percentile(waits, share) for share in (0.5, 0.99, 0.999)}
    return Outcome(count, {**microseconds, "sent late, p99": 1e6 * percentile(late, 0.99)})
