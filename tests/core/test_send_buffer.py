"""Bytes for the peer: in order, taken at once, full at a limit."""

import pytest

from wscore._core.send_buffer import SendBuffer


def test_nothing_waits_at_first():
    """New output is empty, and has room."""
    output = SendBuffer(10)
    assert output.take() == b""
    assert output.size == 0
    assert not output.full


def test_bytes_are_taken_in_their_order_and_once():
    """What was written is taken in one piece, in the order of the writes; then nothing is left."""
    output = SendBuffer(100)
    for piece in (b"one", b"two", b"three"):
        output.write(piece)
    assert output.size == 11
    assert output.take() == b"onetwothree"
    assert output.size == 0
    assert output.take() == b""


def test_a_single_piece_is_not_copied():
    """A piece that waits alone is given as it is: a large message is not copied once more."""
    piece = bytes(1 << 20)
    output = SendBuffer(100)
    output.write(piece)
    assert output.take() is piece


@pytest.mark.parametrize(("size", "full"), [(9, False), (10, True), (11, True)])
def test_it_is_full_at_its_limit(size: int, full: bool):
    """Output is full from the limit on; writing goes on all the same, and taking makes room."""
    output = SendBuffer(10)
    output.write(bytes(size))
    assert output.full == full
    output.write(b"more")
    assert output.take() == bytes(size) + b"more"
    assert not output.full


def test_a_pong_for_which_there_is_room_keeps_its_place():
    """A pong that comes while there is room stands among the other bytes, in order."""
    output = SendBuffer(10)
    output.write(b"a")
    output.write_pong(b"P")
    output.write(b"b")
    assert output.take() == b"aPb"


def test_of_the_pongs_without_room_the_latest_comes_last():
    """While full, pongs are not added up: the latest goes out behind all that waits, once."""
    output = SendBuffer(2)
    output.write(b"ab")
    for pong in (b"1", b"2", b"3"):
        output.write_pong(pong)
    assert output.size == 2
    output.write(b"cd")
    assert output.take() == b"abcd3"
    assert output.take() == b""


def test_a_late_pong_can_be_written_before_what_follows():
    """`write_late_pong` gives the late pong its place now, and only once."""
    output = SendBuffer(2)
    output.write(b"ab")
    output.write_pong(b"P")
    output.write_late_pong()
    output.write_late_pong()
    output.write(b"close")
    assert output.take() == b"abPclose"


def test_dropped_output_is_gone():
    """After `drop` there is nothing to take, no late pong either."""
    output = SendBuffer(2)
    output.write(b"ab")
    output.write_pong(b"P")
    output.drop()
    assert output.size == 0
    assert output.take() == b""
