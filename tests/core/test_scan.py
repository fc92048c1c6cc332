"""The fast path of reading: which messages it takes, where it stops, and that C and Python do the same."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.core.peer import BINARY, CONTINUATION, PING, TEXT, close, frame, ping, text
from wscore._frames._mask import ACCELERATED
from wscore._frames._scan import Scan, python_scan, scan

LIMIT = 70_000
ALL = 1 << 30

both = pytest.mark.parametrize(
    "scan",
    [
        pytest.param(python_scan, id="Python"),
        pytest.param(scan, id="C", marks=pytest.mark.skipif(not ACCELERATED, reason="the C part is not built")),
    ],
)


@both
@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 4096, 4097, 65_535, 65_536, LIMIT])
def test_a_run_of_whole_messages(scan: Scan, size: int):
    """Whole messages are taken in their order, each of its kind, with the bytes they are together."""
    data = frame(TEXT, b"a" * size) + frame(BINARY, b"\xff" * size)
    assert scan(data, 0, LIMIT, ALL, ALL) == (["a" * size, b"\xff" * size], len(data), 2 * size)


@both
def test_it_begins_where_it_is_told(scan: Scan):
    """What stands before the place is not looked at."""
    data = b"\0\0\0" + text("ä€😀")
    assert scan(data, 3, LIMIT, ALL, ALL) == (["ä€😀"], len(data), 9)


@both
@pytest.mark.parametrize(
    "other",
    [
        pytest.param(ping(b"p"), id="a ping"),
        pytest.param(close(1000), id="a close"),
        pytest.param(frame(TEXT, b"a", fin=False), id="a fragment"),
        pytest.param(frame(CONTINUATION, b"a"), id="a continuation"),
        pytest.param(frame(TEXT, b"a", rsv=0b100), id="RSV1"),
        pytest.param(frame(BINARY, b"a", rsv=0b001), id="RSV3"),
        pytest.param(frame(0x3, b"a"), id="a reserved opcode"),
        pytest.param(frame(TEXT, b"a" * 200, mask=None), id="no mask"),
        pytest.param(frame(TEXT, b"abcdef", mask=None), id="no mask, small"),
        pytest.param(frame(TEXT, b"a", length_in=16), id="a long length of 16 bits"),
        pytest.param(frame(BINARY, b"a" * 300, length_in=64), id="a long length of 64 bits"),
        pytest.param(frame(BINARY, b"a" * 20, announces=1 << 63, length_in=64), id="the top bit"),
        pytest.param(frame(BINARY, b"a" * 20, announces=(1 << 64) - 1, length_in=64), id="all bits"),
        pytest.param(frame(TEXT, b"a" * (LIMIT + 1)), id="above the limit"),
        pytest.param(frame(TEXT, b"\xff"), id="no UTF-8"),
        pytest.param(frame(TEXT, b"a" * 5000 + b"\xed\xa0\x80"), id="no UTF-8, large"),
        pytest.param(frame(TEXT, b"abc", announces=4), id="not all here"),
        pytest.param(frame(TEXT, b"a" * 500)[:7], id="half a header"),
        pytest.param(frame(TEXT, b"a" * 70_000)[:9], id="half a large header"),
    ],
)
def test_it_stops_before_anything_else(scan: Scan, other: bytes):
    """Whatever is no whole plain message is left untouched, and so is all behind it."""
    first = text("first")
    assert scan(first + other + text("last"), 0, LIMIT, ALL, ALL) == (["first"], len(first), 5)


@both
@pytest.mark.parametrize(
    ("count", "size", "taken"), [(0, 99, 0), (2, 99, 2), (9, 0, 0), (9, 1, 1), (9, 4, 2), (9, 9, 3)]
)
def test_it_takes_no_more_than_there_is_room_for(scan: Scan, count: int, size: int, taken: int):
    """It stops at the count, and at the message with which the bytes are reached."""
    messages, at, bytes_taken = scan(text("abc") * 3, 0, LIMIT, count, size)
    assert messages == ["abc"] * taken
    assert (at, bytes_taken) == (9 * taken, 3 * taken)


frames = st.builds(
    frame,
    st.sampled_from([TEXT, TEXT, TEXT, BINARY, BINARY, PING, CONTINUATION]),
    st.text(max_size=140).map(str.encode) | st.binary(max_size=140) | st.just(b"ab" * 3000),
    fin=st.sampled_from([True, True, True, False]),
    rsv=st.sampled_from([0, 0, 0, 0, 4]),
    mask=st.sampled_from([b"\0\0\0\0", b"\x37\xfa\x21\x3d"]) | st.binary(min_size=4, max_size=4),
)


@given(
    st.lists(frames | st.binary(max_size=20), max_size=8).map(b"".join),
    st.integers(0, 20),
    st.integers(0, 200),
    st.integers(0, 10),
    st.integers(0, 400),
)
@example(b"\x82\xff" + b"\xff" * 12, 0, 1 << 62, 1, 1)
@pytest.mark.skipif(not ACCELERATED, reason="the C part is not built")
def test_c_and_python_do_the_same(data: bytes, at: int, limit: int, count: int, size: int):
    """On any bytes, from any place, with any limits, both take the same messages and stop at the same place."""
    assert scan(data, at, limit, count, size) == python_scan(data, at, limit, count, size)


@pytest.mark.skipif(not ACCELERATED, reason="the C part is not built")
@pytest.mark.parametrize("wrong", [(), (b"", 0, 0, 0), ("", 0, 0, 0, 0), (b"", -1, 0, 0, 0), (b"", 0, 1 << 70, 0, 0)])
def test_c_refuses_what_it_cannot_read(wrong: tuple[object, ...]):
    """Wrong arguments raise, and read nothing."""
    with pytest.raises((TypeError, ValueError, OverflowError)):
        scan(*wrong)  # type: ignore[arg-type]
