"""Close codes: which may stand in a close frame, and what its payload says."""

import pytest

from wscore import Close
from wscore._core.close import MAX_REASON_BYTES, NO_CODE, MalformedClose, close_payload, is_sendable, read_close_payload


def test_codes_that_may_be_sent():
    """F16, F17: of all 16-bit numbers, the registered codes and 3000-4999 may stand in a close frame."""
    assert [code for code in range(-1, 70_000) if is_sendable(code)] == [
        *range(1000, 1004),
        *range(1007, 1015),
        *range(3000, 5000),
    ]


@pytest.mark.parametrize(
    ("payload", "close"),
    [
        (b"", NO_CODE),
        (b"\x03\xe8", Close(1000)),
        (b"\x03\xf6gone", Close(1014, "gone")),
        (b"\x13\x87" + "ä".encode(), Close(4999, "ä")),
    ],
)
def test_payloads_that_are_read(payload: bytes, close: Close):
    """F17, F21: nothing, a code, a code and a reason; what is read is written the same."""
    assert read_close_payload(payload) == close
    assert close_payload(close) == payload


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"\x03", 1002),
        (b"\x00\x00", 1002),
        (b"\x03\xed", 1002),
        (b"\x03\xee because", 1002),
        (b"\xff\xff", 1002),
        (b"\x03\xe8\xff", 1007),
        (b"\x03\xe8\xed\xa0\x80", 1007),
        (b"\x03\xe8\xc3", 1007),
    ],
)
def test_payloads_that_break_the_protocol(payload: bytes, code: int):
    """F15, F16, F18: one byte and a forbidden code are 1002, a reason that is no UTF-8 is 1007."""
    with pytest.raises(MalformedClose) as caught:
        read_close_payload(payload)
    assert caught.value.code == code
    assert caught.value.reason


def test_a_close_without_a_code_has_no_payload():
    """No code is no payload: 1005 is never on the wire."""
    assert close_payload(NO_CODE) == b""


def test_the_longest_reason_fills_a_control_frame():
    """A code and the longest reason take the 125 bytes of a control frame (RFC 6455 5.5)."""
    assert len(close_payload(Close(1000, "x" * MAX_REASON_BYTES))) == 125
