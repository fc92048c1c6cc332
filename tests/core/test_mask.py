"""Masking: in Python and, where it is built, in C, byte for byte the same."""

from __future__ import annotations

import importlib.util
import itertools
import os
import random
import subprocess
import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wscore._core.frames import mask as _mask

BUILT = importlib.util.find_spec("wscore._core.frames._speedups") is not None
in_c = pytest.mark.skipif(not BUILT, reason="the C part is not built")

SIZES = [*range(300), 1022, 1023, 1024, 1025, 4095, 4096, 65_535, 65_536, 65_537, 69_999, 70_000]
Mask = Callable[[bytes, bytes], bytes]
Unmask = Callable[[bytes, int, int], bytes]


def ways() -> list[object]:
    found: list[object] = [pytest.param((_mask.python_mask, _mask.python_unmask), id="python")]
    if BUILT:
        from wscore._core.frames import _speedups

        found.append(pytest.param((_speedups.mask, _speedups.unmask), id="c"))
    return found


@pytest.fixture(params=ways())
def way(request: pytest.FixtureRequest) -> tuple[Mask, Unmask]:
    pair: tuple[Mask, Unmask] = request.param
    return pair


def by_the_rfc(data: bytes, key: bytes) -> bytes:
    """RFC 6455 5.3, as it says it."""
    return bytes(byte ^ key[index % 4] for index, byte in enumerate(data))


@pytest.mark.parametrize("key", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x37\xfa\x21\x3d", b"\0\0\0\1", b"\x80\0\0\0"])
def test_each_size_is_masked_as_the_rfc_says(way: tuple[Mask, Unmask], key: bytes) -> None:
    """Around every size at which the way changes, a payload for itself and one inside a buffer."""
    mask, unmask = way
    data = random.Random(7).randbytes(70_000)
    for size in SIZES:
        expected = by_the_rfc(data[:size], key)
        assert mask(data[:size], key) == expected
        assert unmask(b"before" + key + data[:size] + b"after", 10, 10 + size) == expected


@given(data=st.binary(max_size=2000), key=st.binary(min_size=4, max_size=4), before=st.binary(max_size=20))
def test_any_bytes_are_masked_as_the_rfc_says(data: bytes, key: bytes, before: bytes) -> None:
    """Masking twice gives the data back."""
    for mask, unmask in [parameter.values[0] for parameter in ways()]:  # type: ignore[attr-defined]
        masked = mask(data, key)
        assert masked == by_the_rfc(data, key)
        assert mask(masked, key) == data
        start = len(before) + 4
        assert unmask(before + key + masked + before, start, start + len(data)) == data


@in_c
def test_c_is_right_at_every_alignment_and_every_turn_of_the_key() -> None:
    """As Python is, at every offset into a buffer, with the key turned by what came before."""
    from wscore._core.frames import _speedups

    rng = random.Random(11)
    data = rng.randbytes(70_100)
    sizes = [*range(40), *(rng.randrange(70_001) for _ in range(200)), 70_000]
    view = memoryview(data)
    for size, offset in itertools.product(sizes, range(17)):
        key = rng.randbytes(4)
        piece = data[offset + 4 : offset + 4 + size]
        expected = _mask.python_mask(piece, key)
        assert _speedups.mask(view[offset + 4 : offset + 4 + size], key) == expected
        own = data[offset : offset + 4]
        assert _speedups.unmask(data, offset + 4, offset + 4 + size) == _mask.python_mask(piece, own)
        turn = offset % 4
        rest = _speedups.mask(piece[turn:], key[turn:] + key[:turn])
        assert rest == expected[turn:]


@in_c
def test_c_takes_any_buffer() -> None:
    """bytes, bytearray and memoryview; a buffer that is not contiguous is refused."""
    from wscore._core.frames import _speedups

    key = b"\x37\xfa\x21\x3d"
    for data in (b"data", bytearray(b"data"), memoryview(b"data")):
        assert _speedups.mask(data, bytearray(key)) == by_the_rfc(b"data", key)
    with pytest.raises(BufferError):
        _speedups.mask(memoryview(b"d.a.t.a.")[::2], key)


@in_c
def test_c_refuses_what_lies_outside_the_buffer() -> None:
    """It reads nothing that it was not given."""
    from wscore._core.frames import _speedups

    for key in (b"", b"abc", b"abcde"):
        with pytest.raises(ValueError, match="four bytes"):
            _speedups.mask(b"data", key)
    for start, end in ((3, 5), (-1, 5), (4, 3), (4, 11), (11, 11), (4, sys.maxsize), (-sys.maxsize, 4)):
        with pytest.raises(ValueError, match="start"):
            _speedups.unmask(b"0123456789", start, end)
    assert _speedups.unmask(b"0123456789", 10, 10) == b""
    with pytest.raises(OverflowError):
        _speedups.unmask(b"0123456789", 4, 1 << 64)
    for arguments in ((), (b"data",), (b"data", "text"), ("text", b"abcd"), (b"data", None), (b"a", b"b", b"c")):
        with pytest.raises(TypeError):
            _speedups.mask(*arguments)
    for arguments in ((b"data", 4), (b"data", "4", 4), (b"data", 4, None), ("text", 4, 4)):
        with pytest.raises(TypeError):
            _speedups.unmask(*arguments)


@in_c
def test_c_holds_on_to_nothing() -> None:
    """Neither what it was given, refused or not, nor what it gave."""
    from wscore._core.frames import _speedups

    data, key = bytearray(b"0123456789"), bytearray(b"abcd")
    counts = sys.getrefcount(data), sys.getrefcount(key)
    for _ in range(100):
        result = _speedups.mask(data, key)
        _speedups.unmask(data, 4, 10)
        for wrong in (lambda: _speedups.mask(data, key[:3]), lambda: _speedups.unmask(data, 4, 11)):
            with pytest.raises(ValueError, match=":"):
                wrong()
    assert sys.getrefcount(result) == 2
    assert (sys.getrefcount(data), sys.getrefcount(key)) == counts
    data.append(0)  # a bytearray that somebody still looks into cannot grow
    key.append(0)


@pytest.mark.parametrize("pure", ["", "1"])
def test_wscore_pure_leaves_the_c_part_out(pure: str) -> None:
    """An operator can do without it, and without an error where it was never built."""
    code = "from wscore._core.frames import mask; print(mask.ACCELERATED, mask.mask is mask.python_mask)"
    environment = os.environ | {"WSCORE_PURE": pure, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    accelerated = BUILT and not pure
    assert result.stdout.split() == [str(accelerated), str(not accelerated)]
