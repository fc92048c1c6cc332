"""The fast path of reading: which messages it takes, where it stops, and that C and Python do the same."""

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.core.peer import BINARY, CLOSE, CONTINUATION, PING, TEXT, frame
from wscore._core.frames.mask import ACCELERATED
from wscore._core.frames.scan import Scan, python_scan, python_scan_unmasked, scan, scan_unmasked

LIMIT = 70_000
ALL = 1 << 30
KEY = b"\x37\xfa\x21\x3d"

in_c = pytest.mark.skipif(not ACCELERATED, reason="the C part is not built")
both = pytest.mark.parametrize(
    ("scan", "mask"),
    [
        pytest.param(python_scan, KEY, id="a client's, Python"),
        pytest.param(python_scan_unmasked, None, id="a server's, Python"),
        pytest.param(scan, KEY, id="a client's, C", marks=in_c),
        pytest.param(scan_unmasked, None, id="a server's, C", marks=in_c),
    ],
)


@both
@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 4096, 4097, 65_535, 65_536, LIMIT])
def test_a_run_of_whole_messages(scan: Scan, mask: bytes | None, size: int):
    """Whole messages are taken in their order, each of its kind, with the bytes they are together."""
    data = frame(TEXT, b"a" * size, mask=mask) + frame(BINARY, b"\xff" * size, mask=mask)
    assert scan(data, 0, LIMIT, ALL, ALL) == (["a" * size, b"\xff" * size], len(data), 2 * size)


@both
def test_it_begins_where_it_is_told(scan: Scan, mask: bytes | None):
    """What stands before the place is not looked at."""
    data = b"\0\0\0" + frame(TEXT, "ä€😀".encode(), mask=mask)
    assert scan(data, 3, LIMIT, ALL, ALL) == (["ä€😀"], len(data), 9)


@both
@pytest.mark.parametrize(
    "other",
    [
        pytest.param(lambda mask: frame(PING, b"p", mask=mask), id="a ping"),
        pytest.param(lambda mask: frame(CLOSE, b"\x03\xe8", mask=mask), id="a close"),
        pytest.param(lambda mask: frame(TEXT, b"a", fin=False, mask=mask), id="a fragment"),
        pytest.param(lambda mask: frame(CONTINUATION, b"a", mask=mask), id="a continuation"),
        pytest.param(lambda mask: frame(TEXT, b"a", rsv=0b100, mask=mask), id="RSV1"),
        pytest.param(lambda mask: frame(BINARY, b"a", rsv=0b001, mask=mask), id="RSV3"),
        pytest.param(lambda mask: frame(0x3, b"a", mask=mask), id="a reserved opcode"),
        pytest.param(lambda mask: frame(TEXT, b"a" * 200, mask=None if mask else KEY), id="masked as it must not be"),
        pytest.param(lambda mask: frame(TEXT, b"abcdef", mask=None if mask else KEY), id="that, small"),
        pytest.param(lambda mask: frame(TEXT, b"a", length_in=16, mask=mask), id="a long length of 16 bits"),
        pytest.param(lambda mask: frame(BINARY, b"a" * 300, length_in=64, mask=mask), id="a long length of 64 bits"),
        pytest.param(lambda mask: frame(BINARY, b"a", announces=1 << 63, length_in=64, mask=mask), id="the top bit"),
        pytest.param(lambda mask: frame(BINARY, b"a", announces=(1 << 64) - 1, length_in=64, mask=mask), id="all bits"),
        pytest.param(lambda mask: frame(TEXT, b"a" * (LIMIT + 1), mask=mask), id="above the limit"),
        pytest.param(lambda mask: frame(TEXT, b"\xff", mask=mask), id="no UTF-8"),
        pytest.param(lambda mask: frame(TEXT, b"a" * 5000 + b"\xed\xa0\x80", mask=mask), id="no UTF-8, large"),
        pytest.param(lambda mask: frame(TEXT, b"abc", announces=100, mask=mask), id="not all here"),
        pytest.param(lambda mask: frame(TEXT, b"a" * 500, mask=mask)[:3], id="half a header"),
        pytest.param(lambda mask: frame(TEXT, b"a" * 70_000, mask=mask)[:9], id="half a large header"),
    ],
)
def test_it_stops_before_anything_else(scan: Scan, mask: bytes | None, other: Callable[[bytes | None], bytes]):
    """Whatever is no whole plain message is left untouched, and so is all behind it."""
    first, last = frame(TEXT, b"first", mask=mask), frame(TEXT, b"last", mask=mask)
    for data in (first + other(mask), first + other(mask) + last):
        assert scan(data, 0, LIMIT, ALL, ALL) == (["first"], len(first), 5)


@both
@pytest.mark.parametrize(
    ("count", "size", "taken"), [(0, 99, 0), (2, 99, 2), (9, 0, 0), (9, 1, 1), (9, 4, 2), (9, 9, 3)]
)
def test_it_takes_no_more_than_there_is_room_for(scan: Scan, mask: bytes | None, count: int, size: int, taken: int):
    """It stops at the count, and at the message with which the bytes are reached."""
    one = frame(TEXT, b"abc", mask=mask)
    messages, at, bytes_taken = scan(one * 3, 0, LIMIT, count, size)
    assert messages == ["abc"] * taken
    assert (at, bytes_taken) == (len(one) * taken, 3 * taken)


@in_c
@pytest.mark.parametrize(("scan", "mask"), [(scan, KEY), (scan_unmasked, None)])
@pytest.mark.parametrize("kind", [bytearray, memoryview, lambda data: memoryview(bytearray(data))])
def test_c_reads_any_buffer(scan: Scan, mask: bytes | None, kind: Callable[[bytes], bytes | bytearray | memoryview]):
    """Where the bytes are makes no difference, and what was taken stays what it is when others come in their place."""
    place = bytearray(frame(TEXT, b"abc", mask=mask) + frame(BINARY, b"\xff" * 200, mask=mask))
    given = kind(place)
    messages, at, size = scan(given, 0, LIMIT, ALL, ALL)
    place[:] = bytes(len(place))
    assert (messages, at, size) == (["abc", b"\xff" * 200], len(given), 203)


frames = st.builds(
    frame,
    st.sampled_from([TEXT, TEXT, TEXT, BINARY, BINARY, PING, CONTINUATION]),
    st.text(max_size=140).map(str.encode) | st.binary(max_size=140) | st.just(b"ab" * 3000),
    fin=st.sampled_from([True, True, True, False]),
    rsv=st.sampled_from([0, 0, 0, 0, 4]),
    mask=st.sampled_from([None, b"\0\0\0\0", KEY]) | st.binary(min_size=4, max_size=4),
)


@given(
    st.lists(frames | st.binary(max_size=20), max_size=8).map(b"".join),
    st.integers(0, 20),
    st.integers(0, 200),
    st.integers(0, 10),
    st.integers(0, 400),
)
@example(b"\x82\xff" + b"\xff" * 12, 0, 1 << 62, 1, 1)
@in_c
def test_c_and_python_do_the_same(data: bytes, at: int, limit: int, count: int, size: int):
    """On any bytes, from any place, with any limits, both take the same messages and stop at the same place."""
    assert scan(data, at, limit, count, size) == python_scan(data, at, limit, count, size)
    assert scan_unmasked(data, at, limit, count, size) == python_scan_unmasked(data, at, limit, count, size)


@in_c
@pytest.mark.parametrize("wrong", [(), (b"", 0, 0, 0), ("", 0, 0, 0, 0), (b"", -1, 0, 0, 0), (b"", 0, 1 << 70, 0, 0)])
def test_c_refuses_what_it_cannot_read(wrong: tuple[object, ...]):
    """Wrong arguments raise, and read nothing."""
    for each in (scan, scan_unmasked):
        with pytest.raises((TypeError, ValueError, OverflowError)):
            each(*wrong)  # type: ignore[arg-type]
