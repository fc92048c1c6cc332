"""A request head in one read and byte by byte: what fuzzing found to differ."""

import pytest

from wscore import Config, Response, ServerConnection


def _answer(*reads: bytes) -> Response | None:
    connection = ServerConnection(Config(max_head_size=100), now=0.0)
    for read in reads:
        connection.receive_data(read, now=0.0)
    return connection.response


@pytest.mark.parametrize(
    ("head", "status"),
    [
        pytest.param(b"GET " + b"a b" * 50 + b" HTTP/1.1\r\n\r\n", 431, id="too large, and no request line"),
        pytest.param(b"\x16\x03\x01\x02\x00\n\n", 400, id="a TLS hello with a line end in it"),
    ],
)
def test_i1_a_bad_request_line_gets_the_same_answer_however_it_is_cut(head: bytes, status: int) -> None:
    """I1: size, first byte and request line are judged in an order that no cut changes."""
    whole = _answer(head)
    assert whole is not None
    assert whole.status == status
    assert _answer(*(head[i : i + 1] for i in range(len(head)))) == whole
