"""The C part as a whole: right at every length, within its bounds at every cut, owner of nothing that it was given.

`.ci/memory` runs this file, and those of the functions it tests, under AddressSanitizer and under valgrind.
"""

from __future__ import annotations

import random
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from tests.core.peer import BINARY, TEXT
from tests.core.peer import frame as wire
from wscore._core.frames.mask import ACCELERATED, python_mask, python_unmask
from wscore._core.frames.scan import python_scan, python_scan_unmasked
from wscore._core.frames.write import python_frame

if not ACCELERATED:
    pytest.skip("the C part is not built, or left out", allow_module_level=True)

from wscore._core.frames import _speedups

LARGEST = 70_000
ALL = 1 << 30
KEY = b"\x37\xfa\x21\x3d"
ASCII = bytes(random.Random(5).choices(range(128), k=LARGEST))
NOISE = random.Random(6).randbytes(LARGEST + 20)


def test_every_length_is_masked() -> None:
    """From 0 to 70,000 bytes, what comes out is the beginning of what Python makes of all of them."""
    expected = python_mask(NOISE, KEY)
    for size in range(LARGEST + 1):
        assert _speedups.mask(NOISE[:size], KEY) == expected[:size]


def test_every_length_is_unmasked_at_every_alignment() -> None:
    """From 0 to 70,000 bytes, at one of 16 places in the buffer after another."""
    expected = [python_unmask(NOISE, start, len(NOISE)) for start in range(4, 20)]
    for size in range(LARGEST + 1):
        place = size % 16
        assert _speedups.unmask(NOISE, 4 + place, 4 + place + size) == expected[place][:size]


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_every_length_is_scanned(opcode: int) -> None:
    """A message of any length from 0 to 70,000 bytes is taken, with all of its bytes and no other."""
    masked = python_mask(ASCII, KEY)
    content = ASCII.decode() if opcode == TEXT else ASCII
    for size in range(LARGEST + 1):
        data = wire(opcode, mask=KEY, announces=size) + masked[:size]
        assert _speedups.scan(data, 0, LARGEST, ALL, ALL) == ([content[:size]], len(data), size)
        data = wire(opcode, mask=None, announces=size) + ASCII[:size]
        assert _speedups.scan_unmasked(data, 0, LARGEST, ALL, ALL) == ([content[:size]], len(data), size)


def test_every_length_is_written() -> None:
    """A frame of any length from 0 to 70,000 bytes, of a text and of bytes."""
    content = ASCII.decode()
    masked = python_mask(ASCII, KEY)
    for size in range(LARGEST + 1):
        written = python_frame(0x82, ASCII[:size])
        assert _speedups.frame(0x82, ASCII[:size]) == written
        assert _speedups.frame(0x81, content[:size]) == b"\x81" + written[1:]
        header = bytes((0x82, 0x80 | written[1])) + written[2 : len(written) - size]
        assert _speedups.masked_frame(0x82, ASCII[:size], KEY) == header + KEY + masked[:size]


@pytest.mark.parametrize("size", [0, 1, 7, 125, 126, 300])
@pytest.mark.parametrize("before", range(9))
def test_a_scan_ends_with_the_buffer(size: int, before: int) -> None:
    """Wherever the bytes end, the messages taken are those that are whole, and those that Python takes."""
    data = bytes(before) + wire(TEXT, b"a" * size) + wire(BINARY, b"\xff" * size)
    for end in range(len(data) + 1):
        whole = bytes(bytearray(data[:end]))  # memory of its own, so that whoever looks beyond it is seen to
        assert _speedups.scan(whole, before, LARGEST, ALL, ALL) == python_scan(whole, before, LARGEST, ALL, ALL)
    data = bytes(before) + wire(TEXT, b"a" * size, mask=None) + wire(BINARY, b"\xff" * size, mask=None)
    for end in range(len(data) + 1):
        whole = bytes(bytearray(data[:end]))
        taken = _speedups.scan_unmasked(whole, before, LARGEST, ALL, ALL)
        assert taken == python_scan_unmasked(whole, before, LARGEST, ALL, ALL)


def test_any_bytes_are_scanned_as_python_does() -> None:
    """Headers of every kind, each with few bytes behind it, from every place and with every announcement."""
    rng = random.Random(8)
    for _ in range(5_000):
        first = rng.choice((0x81, 0x82, rng.randrange(256)))
        length = rng.choice((0xFE, 0xFF, 0x7E, 0x7F, 0x80 | rng.randrange(126), rng.randrange(256)))
        data = (
            bytes((first, length))
            + rng.choice((b"", bytes(6), b"\x7f" + b"\xff" * 7))
            + rng.randbytes(rng.randrange(30))
        )
        arguments = rng.randrange(6), rng.choice((10, 1 << 20, sys.maxsize)), rng.randrange(4), rng.randrange(60)
        assert _speedups.scan(data, *arguments) == python_scan(data, *arguments)
        assert _speedups.scan_unmasked(data, *arguments) == python_scan_unmasked(data, *arguments)


def refused(function: Callable[..., object], *arguments: object) -> None:
    try:  # not pytest's own way, which leaves cycles behind it
        function(*arguments)
    except (TypeError, ValueError, OverflowError):
        return
    pytest.fail("it was not refused")


WHOLE = wire(TEXT, b"abc") + wire(BINARY, b"\xff" * 200) + wire(TEXT, "ä€😀".encode() * 2_000)
UNMASKED = wire(TEXT, b"abc", mask=None) + wire(BINARY, b"\xff" * 200, mask=None)
STOPS = [
    WHOLE,
    WHOLE + wire(TEXT, b"abc\xff"),
    WHOLE + wire(TEXT, b"a" * 5_000 + b"\xff"),
    WHOLE + wire(TEXT, b"abc", fin=False),
    WHOLE + wire(BINARY, bytes(300))[:-1],
]
CALLS: list[tuple[Callable[[Any], object], object]] = [
    *((lambda data: _speedups.scan(data, 0, LARGEST, ALL, ALL), data) for data in STOPS),
    (lambda data: refused(_speedups.scan, data, -1, 0, 0, 0), WHOLE),
    (lambda data: refused(_speedups.scan, data, 0, 1 << 70, 0, 0), WHOLE),
    (lambda data: refused(_speedups.scan, data, 0, 0, 0, 0), "abc"),
    (lambda data: _speedups.scan(data, 0, LARGEST, ALL, ALL), bytearray(STOPS[1])),
    (lambda data: _speedups.scan(data, 0, LARGEST, ALL, ALL), memoryview(STOPS[1])),
    (lambda data: _speedups.scan_unmasked(data, 0, LARGEST, ALL, ALL), UNMASKED),
    (lambda data: _speedups.scan_unmasked(data, 0, LARGEST, ALL, ALL), bytearray(UNMASKED + b"\x81\x01\xff")),
    (lambda data: _speedups.masked_frame(0x82, data, KEY), bytes(200)),
    (lambda data: _speedups.masked_frame(0x81, data, KEY), "ä€😀" * 200),
    (lambda data: refused(_speedups.masked_frame, 0x81, data, KEY), "a\ud800" * 200),
    (lambda data: refused(_speedups.masked_frame, 0x81, data, b"abc"), bytes(200)),
    (lambda data: _speedups.frame(0x82, data), bytes(200)),
    (lambda data: _speedups.frame(0x81, data), "a" * 200),
    (lambda data: _speedups.frame(0x81, data), "ä€😀" * 200),
    (lambda data: refused(_speedups.frame, 0x81, data), "a\ud800" * 200),
    (lambda data: refused(_speedups.frame, 0x81, data), bytearray(200)),
    (lambda data: _speedups.mask(data, KEY), bytearray(200)),
    (lambda data: refused(_speedups.mask, data, b"abc"), bytearray(200)),
    (lambda data: _speedups.unmask(data, 4, 200), bytearray(200)),
    (lambda data: refused(_speedups.unmask, data, 4, 201), bytearray(200)),
]


@pytest.mark.parametrize(("call", "given"), CALLS)
def test_nothing_is_held_or_let_go_too_often(call: Callable[[object], object], given: object) -> None:
    """After a thousand calls, refused ones too, what was given has as many owners as before, and no memory is gone."""
    for _ in range(20):
        call(given)  # what is made once is made by now
    owners = sys.getrefcount(given)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(1_000):
            call(given)
        after = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert sys.getrefcount(given) == owners
    assert after - before < 16_000  # a byte string held by each call would be 33,000 at least


def test_what_it_gives_belongs_to_who_asked() -> None:
    """A message has one owner besides the list, and a frame one."""
    messages, _, _ = _speedups.scan(WHOLE, 0, LARGEST, ALL, ALL)
    assert sys.getrefcount(messages) == 2
    assert [sys.getrefcount(message) for message in messages] == [3, 3, 3]  # the list, the loop, the question
    frame = _speedups.frame(0x82, bytes(200))
    assert sys.getrefcount(frame) == 2
