"""Clients that ask more of a server than their share: `python -m bench.attackers PORT ATTACK SECONDS` is one of them.

It connects, and waits for a line; then it writes the same bytes as fast as they are taken, and reads what comes as fast
as it comes. It ends by itself.
"""

from __future__ import annotations

import contextlib
import select
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from bench.connections import Target, WrongReply, connect, receive_head
from bench.frames import frame
from bench.processes import ROOT

__all__ = ["ATTACKS", "Attack", "attacked"]


def _tiny() -> bytes:
    return frame(b"x", 0x81, masked=True) * 16_384


def _pings() -> bytes:
    return frame(b"", 0x89, masked=True) * 16_384


def _fragments() -> bytes:
    return frame(b"", 0x01, masked=True) + frame(b"", 0x00, masked=True) * 60_000 + frame(b"", 0x80, masked=True)


def _bomb() -> bytes:
    deflater = zlib.compressobj(wbits=-9)
    return frame((deflater.compress(bytes(2**24)) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4], 0xC2, masked=True)


def _nothing() -> bytes:
    return b""


@dataclass(frozen=True, slots=True)
class Attack:
    """What two clients do at the same time."""

    name: str
    title: str
    path: str
    """The application that they connect to."""
    write: Callable[[], bytes]
    attackers: int = 2


ATTACKS: Final = (
    Attack("none", "nobody else", "/take", _nothing, attackers=0),
    Attack("tiny", "messages of a byte, without end, to an application that only receives", "/take", _tiny),
    Attack("pings", "empty pings without end", "/take", _pings),
    Attack("fragments", "messages of 60,000 empty fragments", "/take", _fragments),
    Attack("bombs", "messages of 16 MiB that are 16 KiB compressed", "/take", _bomb),
    Attack("pour", "applications that send a byte in a loop, to clients that read all of it", "/pour", _nothing),
)


def attack(port: int, attack: Attack, seconds: float) -> None:
    """Connect, say so, and attack when told to; where the server ends the connection, that is the end of it."""
    target = Target(port, websocket=True)
    data = attack.write()
    with contextlib.closing(connect(target)) as sock, contextlib.suppress(OSError):
        sock.sendall(target.request(attack.path, deflate=attack.write is _bomb))
        receive_head(sock)
        print("connected", flush=True)
        sys.stdin.readline()  # the others have to get in as well
        sock.sendall(frame(b"go", 0x81, masked=True))
        sock.setblocking(False)
        poll = select.poll()
        poll.register(sock, select.POLLIN | (select.POLLOUT if data else 0))
        unsent = memoryview(data)
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            for _, event in poll.poll(left * 1000):
                if event & ~select.POLLOUT and not sock.recv(2**18):
                    return
                if event & select.POLLOUT:
                    unsent = unsent[sock.send(unsent) :] or memoryview(data)


@contextmanager
def attacked(port: int, attack: Attack, seconds: float) -> Iterator[None]:
    """Have a server attacked for so long at most."""
    command: Sequence[str] = [sys.executable, "-m", "bench.attackers", str(port), attack.name, str(seconds)]
    with contextlib.ExitStack() as stack:
        processes = []
        for _ in range(attack.attackers):
            process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            processes.append(stack.enter_context(process))
            stack.callback(process.kill)
        for process in processes:
            assert process.stdout is not None
            if process.stdout.readline() != b"connected\n":
                raise WrongReply("an attacker was not let in")
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(b"\n")
            process.stdin.flush()
        yield


if __name__ == "__main__":
    attack(int(sys.argv[1]), next(each for each in ATTACKS if each.name == sys.argv[2]), float(sys.argv[3]))
