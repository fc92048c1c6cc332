"""Frames in one read and byte by byte: what fuzzing found to differ."""

import pytest

from wscore import Close, Config, Request, ServerConnection

HANDSHAKE = Request(
    b"GET",
    b"/",
    [
        (b"host", b"h"),
        (b"upgrade", b"websocket"),
        (b"connection", b"upgrade"),
        (b"sec-websocket-version", b"13"),
        (b"sec-websocket-key", b"AAAAAAAAAAAAAAAAAAAAAA=="),
        (b"sec-websocket-extensions", b"permessage-deflate"),
    ],
)


def _close_sent(*reads: bytes) -> Close | None:
    connection = ServerConnection.from_request(HANDSHAKE, Config(), now=0.0)
    connection.next_message(now=0.0)
    connection.send({"type": "websocket.accept"}, now=0.0)
    for read in reads:
        connection.receive_data(read, now=0.0)
    assert connection.close_info is not None
    return connection.close_info.sent


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param(b"\x02\x83\0\0\0\0abc\x42\x83\0\0\0\0\xff\xff\xff", id="F8: a message inside another"),
        pytest.param(b"\x80\x83\0\0\0\0\xff\xff\xff", id="F7: a continuation of nothing"),
    ],
)
def test_i1_f8_a_misplaced_frame_is_a_protocol_error_whatever_its_payload(frames: bytes) -> None:
    """I1, F7, F8: a frame out of order fails with 1002, though its payload be corrupt, however it is cut."""
    expected = Close(1002, "protocol error")
    assert _close_sent(frames) == expected
    assert _close_sent(*(frames[i : i + 1] for i in range(len(frames)))) == expected
