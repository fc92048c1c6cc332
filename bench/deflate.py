"""Time permessage-deflate's settings on JSON: `python bench/deflate.py`.

Two questions: with which window and memory to compress, on messages of 1 KiB; and from which size on compressing gains
anything. Settings take turns, so that all see the same machine; the time is the thread's CPU time, the best of the
rounds. "alone" is without context takeover: every message for itself.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
import zlib

ROUNDS = 15
MESSAGES = 100
SETTINGS = [(15, 8, 6), (12, 8, 6), (12, 5, 6), (12, 4, 6), (11, 4, 6), (10, 3, 6), (9, 1, 6), (15, 8, 1), (12, 5, 1)]
"""Window bits, memory level, level."""
SIZES = (8, 16, 32, 48, 64, 96, 128, 256, 512)

rng = random.Random(1)
WORDS = "the a quick brown fox jumps over lazy dog and some other words that people write".split(" ")  # noqa: SIM905


def message(size: int) -> bytes:
    """Make the beginning of a JSON list of chat messages."""
    items: list[dict[str, object]] = []
    while len(text := json.dumps(items)) < size:
        said = " ".join(rng.choice(WORDS) for _ in range(6))
        user = rng.choice(["anna", "bert", "carla", "dmitri"])
        items.append({"id": rng.randrange(10**6), "user": user, "text": said, "ok": rng.random() < 0.5})
    return text[:size].encode()


def compress(messages: list[bytes], setting: tuple[int, int, int], takeover: bool) -> tuple[float, float]:
    """Compress all; give microseconds and bytes per message."""
    bits, memory, level = setting
    size = 0
    start = time.thread_time()
    stream = zlib.compressobj(level, zlib.DEFLATED, -bits, memory)
    for each in messages:
        if not takeover:
            stream = zlib.compressobj(level, zlib.DEFLATED, -bits, memory)
        size += len(stream.compress(each) + stream.flush(zlib.Z_SYNC_FLUSH)) - 4
    return (time.thread_time() - start) / len(messages) * 1e6, size / len(messages)


def table(rows: dict[str, tuple[list[bytes], tuple[int, int, int]]]) -> None:
    """Print a row for each, with and without context takeover."""
    results: dict[tuple[str, bool], list[tuple[float, float]]] = {}
    for _ in range(ROUNDS):
        for name, (messages, setting) in rows.items():
            for takeover in (True, False):
                results.setdefault((name, takeover), []).append(compress(messages, setting, takeover))
    for name, (messages, _) in rows.items():
        cells = []
        for takeover in (True, False):
            spent, size = min(results[name, takeover])
            cells.append(f"{spent:6.1f} us {size / len(messages[0]):6.3f} ({size - len(messages[0]):+6.0f} bytes)")
        print(f"{name:28} with takeover {cells[0]}   alone {cells[1]}")


def main() -> None:
    """Print both tables."""
    print(f"Python {sys.version.split()[0]}, zlib {zlib.ZLIB_RUNTIME_VERSION}, load {os.getloadavg()[0]:.1f}")
    print("\n1 KiB JSON: time per message, ratio")
    messages = [message(1024) for _ in range(MESSAGES)]
    table({f"window {s[0]}, memory {s[1]}, level {s[2]}": (messages, s) for s in SETTINGS})
    print("\nsmall JSON at window 12, memory 5, level 6")
    table({f"{size} bytes": ([message(size) for _ in range(MESSAGES)], (12, 5, 6)) for size in SIZES})


if __name__ == "__main__":
    main()
