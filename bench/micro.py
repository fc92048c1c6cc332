"""Time the frame engines, and whole connections, without sockets: `python bench/micro.py`.

What is timed is an echo: take the bytes of one read, give its messages, write the replies. "engine" is the engine
alone; "connection" is a whole `ServerConnection`, from `receive_data` through `next_message` and `send` to
`data_to_send`. Then connections are opened, and opened and closed, with a library's request head and with a browser's.
Each competitor runs in a process of its own, and they take turns, A B C A B C, so that all see the same
machine. The time is the thread's CPU time. Believe the ratios, and the spread: the machine is never idle.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

SIZES = {"32 B": 32, "1 KiB": 1024, "64 KiB": 65536, "1 MiB": 1 << 20}
FRAMES = (1, 64)
PIECES = {"4 MiB in 4 KiB pieces": 1 << 22, "16 MiB in 4 KiB pieces": 1 << 24}
MASK = bytes.fromhex("37fa213d")

COMPETITORS: dict[str, tuple[str, str, bool]] = {
    "wsproto": ("bare", "", False),
    "wscore on wsproto": ("engine", "wsproto", True),
    "native, pure": ("engine", "native", True),
    "native, C": ("engine", "native", False),
    "connection on wsproto": ("connection", "wsproto", True),
    "connection, pure": ("connection", "native", True),
    "connection, C": ("connection", "native", False),
}
"""What runs, on which engine, and whether without the C part. The ratios are to the first of its kind."""

OPENERS: dict[str, tuple[str, str, bool]] = {
    "wsproto": ("bare_opener", "", False),
    "connection on wsproto": ("opener", "wsproto", False),
    "connection": ("opener", "native", False),
}
"""Likewise, of those that open connections."""

KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
HEADS = {
    "a library's": b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    + KEY
    + b"Sec-WebSocket-Version: 13\r\n\r\n",
    "a browser's": b"GET /chat/room%20one?token=abc HTTP/1.1\r\nHost: chat.example.org\r\nConnection: Upgrade\r\n"
    b"Pragma: no-cache\r\nCache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 "
    b"(KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36\r\nUpgrade: websocket\r\nOrigin: https://chat.example.org\r\n"
    b"Sec-WebSocket-Version: 13\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Accept-Language: en-GB,en-US;q=0.9,en;q=0.8\r\nCookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n"
    + KEY
    + b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n",
}


def frame(opcode: int, payload: bytes) -> bytes:
    """Write a client's frame."""
    size = len(payload)
    if size < 126:
        header = bytes([0x80 | opcode, 0x80 | size])
    elif size < 1 << 16:
        header = bytes([0x80 | opcode, 0xFE]) + size.to_bytes(2)
    else:
        header = bytes([0x80 | opcode, 0xFF]) + size.to_bytes(8)
    key = int.from_bytes((MASK * (size // 4 + 1))[:size])
    return header + MASK + (int.from_bytes(payload) ^ key).to_bytes(size)


def read_of(case: dict[str, Any]) -> tuple[bytes, bytes]:
    """Give a read, and what an echo answers."""
    payload = (b"grow old along with me; the best " * (case["size"] // 32 + 1))[: case["size"]]
    opcode = 1 if case["text"] else 2
    size = len(payload)
    header = bytes([0x80 | opcode])
    header += (
        bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2) if size < 1 << 16 else b"\x7f" + size.to_bytes(8)
    )
    return frame(opcode, payload) * case["frames"], (header + payload) * case["frames"]


# -- the competitors: each a function that takes a read and gives the replies


def bare(_: str) -> Callable[[bytes], bytes]:
    """wsproto as it comes."""
    from wsproto.connection import Connection, ConnectionType
    from wsproto.events import BytesMessage, Message, TextMessage

    connection = Connection(ConnectionType.SERVER)
    parts: list[Any] = []

    def echo(data: bytes) -> bytes:
        connection.receive_data(data)
        replies = []
        for event in connection.events():
            assert isinstance(event, Message)
            parts.append(event.data)
            if event.message_finished:
                kind = TextMessage if isinstance(event, TextMessage) else BytesMessage
                whole = parts[0] if len(parts) == 1 else type(parts[0])().join(parts)
                replies.append(connection.send(kind(whole)))
                parts.clear()
        return b"".join(replies)

    return echo


def engine(name: str) -> Callable[[bytes], bytes]:
    """One of wscore's engines."""
    from wscore import Config
    from wscore._core.frames.native import NativeCodec
    from wscore._core.frames.wsproto import WsprotoCodec

    codec = (NativeCodec if name == "native" else WsprotoCodec)(Config(), None)
    receive, run, begin_turn, next_event, text, binary = (
        codec.receive_data,
        codec.messages,
        codec.begin_turn,
        codec.next_event,
        codec.text,
        codec.binary,
    )

    def echo(data: bytes) -> bytes:
        receive(data)
        messages, _ = run(1000, 1 << 30)
        if codec.has_pending:
            begin_turn()
            while (event := next_event()) is not None:
                messages.append(event)  # type: ignore[arg-type]
        return b"".join([text(each) if isinstance(each, str) else binary(each) for each in messages])

    return echo


def connection(name: str) -> Callable[[bytes], bytes]:
    """A connection of wscore's, its application an echo that reads until nothing is left."""
    from wscore import Config, Request, ServerConnection

    key = (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ==")
    headers = [(b"host", b"h"), (b"upgrade", b"websocket"), (b"connection", b"upgrade"), key]
    request = Request(b"GET", b"/", [*headers, (b"sec-websocket-version", b"13")])
    config = Config(engine=name, max_queue=100, max_queue_size=1 << 30)  # type: ignore[arg-type]
    core: Any = ServerConnection.from_request(request, config, now=0.0)
    core.next_message(now=0.0)
    core.send({"type": "websocket.accept"}, now=0.0)
    core.data_to_send()

    def echo(data: bytes) -> bytes:
        core.receive_data(data, now=1.0)
        while (message := core.next_message(now=1.0)) is not None:
            text = message.get("text")
            if text is not None:
                core.send({"type": "websocket.send", "text": text}, now=1.0)
            else:
                core.send({"type": "websocket.send", "bytes": message["bytes"]}, now=1.0)
        replies: bytes = core.data_to_send()
        return replies

    return echo


# -- those that open connections: each a function that takes the reads of a connection and gives what is answered


def bare_opener(_: str) -> Callable[[list[bytes]], bytes]:
    """wsproto as it comes, with h11 inside."""
    from wsproto import ConnectionType, WSConnection
    from wsproto.events import AcceptConnection, CloseConnection, Request
    from wsproto.extensions import PerMessageDeflate

    def converse(reads: list[bytes]) -> bytes:
        connection = WSConnection(ConnectionType.SERVER)
        written = []
        for read in reads:
            connection.receive_data(read)
            for event in connection.events():
                if isinstance(event, Request):
                    written.append(connection.send(AcceptConnection(extensions=[PerMessageDeflate()])))
                elif isinstance(event, CloseConnection):
                    written.append(connection.send(event.response()))
        return b"".join(written)

    return converse


def opener(name: str) -> Callable[[list[bytes]], bytes]:
    """A connection of wscore's, from the first byte to the loss of the socket."""
    from wscore import Config, Peer, ServerConnection

    config = Config(engine=name)  # type: ignore[arg-type]
    peer = Peer(("127.0.0.1", 50000), ("127.0.0.1", 8000))

    def converse(reads: list[bytes]) -> bytes:
        core = ServerConnection(config, peer=peer, now=0.0)
        core.receive_data(reads[0], now=0.0)
        core.next_message(now=0.0)
        core.send({"type": "websocket.accept"}, now=0.0)
        written = core.data_to_send()
        for read in reads[1:]:
            core.receive_data(read, now=1.0)
            core.next_message(now=1.0)
            written += core.data_to_send()
            core.application_returned(now=1.0)
            core.receive_eof(now=1.0)
            core.connection_lost(now=1.0)
        return written

    return converse


def round_of(kind: str, name: str, case: dict[str, Any]) -> Callable[[], object]:
    """Give what is to be timed, after a look at what it answers."""
    make = globals()[kind]
    if "head" in case:
        reads = [HEADS[case["head"]], *([frame(8, b"\x03\xe8")] if case["closes"] else [])]
        converse: Callable[[list[bytes]], bytes] = make(name)
        written = converse(reads)
        assert written.startswith(b"HTTP/1.1 101 "), "no opening"
        assert written.endswith(b"\x88\x02\x03\xe8" if case["closes"] else b"\r\n\r\n"), "wrong replies"
        return functools.partial(converse, reads)
    data, expected = read_of(case)
    reads = [data[at : at + case["cut"]] for at in range(0, len(data), case["cut"])]
    echo: Callable[[bytes], bytes] = make(name)
    assert b"".join(map(echo, reads)) == expected, "wrong replies"

    def take_all() -> None:
        for read in reads:
            echo(read)

    return take_all


def work(kind: str, name: str) -> None:
    """Time what is asked for on standard input, a case a line, and answer nanoseconds per message or connection."""
    for line in sys.stdin:
        case = json.loads(line)
        once = round_of(kind, name, case)
        rounds, spent = 0, 0
        while spent < case["ns"]:
            start = time.thread_time_ns()
            for _ in range(case["batch"]):
                once()
            spent += time.thread_time_ns() - start
            rounds += case["batch"]
        print(spent / rounds / case["frames"], flush=True)


# -- the rounds


class Worker:
    """A competitor's process."""

    def __init__(self, kind: str, name: str, pure: bool) -> None:
        """Start it."""
        environment = os.environ | ({"WSCORE_PURE": "1"} if pure else {})
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--work", kind, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def time(self, case: dict[str, Any]) -> float:
        """Run a case; nanoseconds per message."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(case) + "\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def end(self) -> None:
        """End it."""
        self._process.communicate()


def accelerated() -> bool:
    """Tell whether the C part is there."""
    from wscore._core.frames import mask as _mask

    return _mask.ACCELERATED


def cases(sizes: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give what is to be timed: its name, and what `work` needs to know."""
    for label in sizes:
        whole = 1 << 30
        for text, frames in itertools.product((True, False), FRAMES if label in SIZES else (1,)):
            size, cut = (SIZES[label], whole) if label in SIZES else (PIECES[label], 4096)
            if size * frames <= 1 << 24:
                name = f"{label} {'text' if text else 'binary'}, {frames} a read"
                yield name, {"size": size, "text": text, "frames": frames, "cut": cut}


def openings(heads: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Likewise, of connections."""
    for head, closes in itertools.product(heads, (False, True)):
        label = f"a connection {'opened and closed' if closes else 'opened'}, {head} head"
        yield label, {"head": head, "closes": closes, "size": 0, "frames": 1}


def compare(
    competitors: dict[str, tuple[str, str, bool]],
    cases: Iterator[tuple[str, dict[str, Any]]],
    rounds: int,
    ms: float,
) -> list[dict[str, Any]]:
    """Let the competitors take turns at each case, print what it took them, and give the figures."""
    workers = {name: Worker(*how) for name, how in competitors.items()}
    results = []
    for label, case in cases:
        case |= {"ns": ms * 1e6, "batch": max(1, (1 << 15) // ((case["size"] // 16 + 32) * case["frames"]))}
        times: dict[str, list[float]] = {name: [] for name in workers}
        for _ in range(rounds if case["size"] < 1 << 21 else min(rounds, 3)):
            for name, worker in workers.items():
                times[name].append(worker.time(case))
        print(f"\n{label}")
        base = times["wsproto"]
        for name, each in times.items():
            best, median = min(each), statistics.median(each)
            ratio = min(base) / best
            median_ratio = statistics.median(b / e for b, e in zip(base, each, strict=True))
            print(f"  {name:24}{best:14,.0f}  (x{median / best:.2f})  {ratio:6.1f} {median_ratio:6.1f}", flush=True)
            results.append({**case, "label": label, "name": name, "best": best, "median": median})
    for worker in workers.values():
        worker.end()
    return results


def main() -> None:
    """Print a table of nanoseconds per message and per connection, and of ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--ms", type=float, default=4.0, help="time of a case in a round")
    parser.add_argument("--only", help="competitors whose name holds this, beside wsproto")
    parser.add_argument("--sizes", nargs="*", choices=[*SIZES, *PIECES], default=[*SIZES, *PIECES])
    parser.add_argument("--heads", nargs="*", choices=list(HEADS), default=list(HEADS))
    parser.add_argument("--json", help="write the figures to this file as well")
    options = parser.parse_args()

    def chosen(competitors: dict[str, tuple[str, str, bool]]) -> dict[str, tuple[str, str, bool]]:
        return {
            name: how
            for name, how in competitors.items()
            if ("C" not in name.split() or accelerated())
            and (not options.only or name == "wsproto" or options.only in name)
        }

    print(f"Python {sys.version.split()[0]}, load {os.getloadavg()[0]:.1f}, {options.rounds} rounds")
    print("ns per message, or per connection")
    print("best (median / best); how many times faster than wsproto: best over best, median of the rounds")
    results = compare(chosen(COMPETITORS), cases(options.sizes), options.rounds, options.ms)
    results += compare(chosen(OPENERS), openings(options.heads), options.rounds, options.ms)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"python": sys.version, "load": os.getloadavg(), "results": results}, file, indent=1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        work(sys.argv[2], sys.argv[3])
    else:
        main()
