"""Writing a frame, masked or not: the header in its shortest form before the payload, in C and in Python alike."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.peer import BINARY, CLOSE, PING, PONG, TEXT
from tests.core.peer import frame as expected
from wscore._core.frames.mask import ACCELERATED
from wscore._core.frames.write import frame, masked_frame, python_frame, python_masked_frame

KEY = b"\x37\xfa\x21\x3d"

in_c = pytest.mark.skipif(not ACCELERATED, reason="the C part is not built")
both = pytest.mark.parametrize(
    ("frame", "mask"),
    [
        pytest.param(python_frame, None, id="a server's, Python"),
        pytest.param(lambda first, payload: python_masked_frame(first, payload, KEY), KEY, id="a client's, Python"),
        pytest.param(frame, None, id="a server's, C", marks=in_c),
        pytest.param(lambda first, payload: masked_frame(first, payload, KEY), KEY, id="a client's, C", marks=in_c),
    ],
)
Write = Callable[[int, str | bytes], bytes]


@both
@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 255, 256, 65_535, 65_536, 70_000])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("rsv", [0b000, 0b100])
def test_each_length_in_its_shortest_form(frame: Write, mask: bytes | None, size: int, opcode: int, rsv: int):
    """RFC 6455 5.2: 7 bits up to 125, 16 up to 65,535, 64 above."""
    payload = bytes(size)
    assert frame(0x80 | rsv << 4 | opcode, payload) == expected(opcode, payload, rsv=rsv, mask=mask)


@both
@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
def test_control_frames(frame: Write, mask: bytes | None, opcode: int):
    """A control frame is written like any other."""
    assert frame(0x80 | opcode, b"\x03\xe8bye") == expected(opcode, b"\x03\xe8bye", mask=mask)


@both
def test_a_text_goes_out_as_utf_8(frame: Write, mask: bytes | None):
    """A str is encoded; it is the bytes that are counted."""
    assert frame(0x81, "ä€😀" * 20) == expected(TEXT, ("ä€😀" * 20).encode(), mask=mask)


@both
def test_a_lone_surrogate_is_not_written(frame: Write, mask: bytes | None):
    """What UTF-8 cannot encode raises UnicodeEncodeError, and says where it is."""
    with pytest.raises(UnicodeEncodeError) as caught:
        frame(0x81, "ab\ud800")
    del mask
    assert caught.value.start == 2


@given(st.text() | st.binary(max_size=300), st.binary(min_size=4, max_size=4))
@in_c
def test_c_and_python_do_the_same(payload: str | bytes, key: bytes):
    """Both write the same bytes."""
    assert frame(0x81, payload) == python_frame(0x81, payload)
    assert masked_frame(0x81, payload, key) == python_masked_frame(0x81, payload, key)


@in_c
@pytest.mark.parametrize("wrong", [(), (0x81,), ("a", b""), (0x81, 1), (0x81, None)])
def test_c_refuses_what_it_cannot_write(wrong: tuple[object, ...]):
    """Wrong arguments raise TypeError."""
    with pytest.raises(TypeError):
        frame(*wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        masked_frame(*wrong, KEY)  # type: ignore[arg-type]


@in_c
@pytest.mark.parametrize("key", [b"", b"abc", b"abcde", "abcd", None, bytearray(4)])
def test_c_refuses_what_is_no_key(key: object):
    """A key is four bytes; of anything else nothing is read."""
    with pytest.raises((TypeError, ValueError)):
        masked_frame(0x81, b"abc", key)  # type: ignore[arg-type]
