"""Messages for the application: bounded in bytes and in count, one disconnect and that last."""

import pytest

from wscore._core.asgi.messages import ReceivedMessage
from wscore._core.receive_queue import ReceiveQueue, payload_size

CONNECT: ReceivedMessage = {"type": "websocket.connect"}
DISCONNECT: ReceivedMessage = {"type": "websocket.disconnect", "code": 1000, "reason": ""}


def receive(data: str | bytes) -> ReceivedMessage:
    return {"type": "websocket.receive", "text" if isinstance(data, str) else "bytes": data}  # type: ignore[return-value,misc]


def payload(number: int, size: int) -> bytes:
    """A payload of so many bytes, its number last."""
    return str(number).encode().rjust(size, b"-")[-size:] if size else b""


def filled(count: int, size: int, *, max_count: int = 4, max_size: int = 100) -> ReceiveQueue:
    queue = ReceiveQueue(max_count, max_size)
    for number in range(count):
        queue.put([payload(number, size)], size)
    return queue


def test_an_empty_inbox():
    """an empty queue gives nothing and has room."""
    queue = ReceiveQueue(1, 1)
    assert not queue
    assert queue.take() is None
    assert queue.roomy
    assert not queue.full
    assert not queue.messages


def test_messages_come_out_in_their_order_and_are_counted_off():
    """Messages are taken in the order in which they were put, and their bytes with them."""
    queue = filled(3, 10)
    assert queue.size == 30
    assert [queue.take() for _ in range(4)] == [*(receive(payload(number, 10)) for number in range(3)), None]
    assert queue.size == 0


def test_a_run_of_messages_of_either_kind():
    """Several messages are put at once, with their bytes together: UTF-8 counts, not characters."""
    queue = ReceiveQueue(4, 100)
    queue.put(["ä€", b"\xff", ""], 6)
    assert (queue.free_count, queue.free_size) == (1, 94)
    assert queue.take() == receive("ä€")
    assert queue.size == 1
    assert [queue.take() for _ in range(3)] == [receive(b"\xff"), receive(""), None]
    assert queue.size == 0


@pytest.mark.parametrize(
    ("count", "size", "full", "roomy"),
    [
        (2, 0, False, True),
        (3, 0, False, False),
        (4, 0, True, False),
        (2, 25, False, True),
        (2, 26, False, False),
        (2, 50, True, False),
        (1, 99, False, False),
        (1, 100, True, False),
    ],
)
def test_full_at_the_limit_and_roomy_at_half_of_it(count: int, size: int, full: bool, roomy: bool):
    """Full is at either limit, in count or in bytes; roomy is at most half of both."""
    queue = filled(count, size)
    assert (queue.full, queue.roomy) == (full, roomy)


def test_one_message_may_overshoot_the_limit_in_bytes():
    """A message that is larger than the limit can be put, and taken again."""
    queue = filled(1, 10_000)
    assert queue.full
    assert queue.take() == receive(payload(0, 10_000))
    assert queue.roomy


def test_the_disconnect_is_the_last_and_once():
    """The disconnect stays behind what is still put before it is taken, and after it there is nothing."""
    queue = ReceiveQueue(4, 100)
    queue.put_disconnect(DISCONNECT)
    queue.put(["late"], 4)
    assert queue
    assert [queue.take() for _ in range(3)] == [receive("late"), DISCONNECT, None]
    assert not queue


def test_the_disconnect_takes_no_room():
    """A disconnect alone does not make the queue full, and holds nothing up."""
    queue = ReceiveQueue(1, 1)
    queue.put_disconnect(DISCONNECT)
    assert queue.roomy
    assert not queue.messages


def test_a_second_disconnect_is_a_bug_of_ours():
    """Nobody may put two disconnects: the table has one on any path."""
    queue = ReceiveQueue(1, 1)
    queue.put_disconnect(DISCONNECT)
    with pytest.raises(AssertionError):
        queue.put_disconnect(DISCONNECT)


def test_drop_messages_leaves_the_disconnect():
    """Dropping the messages leaves the disconnect to be taken."""
    queue = filled(4, 25)
    queue.put_disconnect(DISCONNECT)
    queue.drop_messages()
    assert queue.roomy
    assert queue.size == 0
    assert [queue.take(), queue.take()] == [DISCONNECT, None]


def test_connect_is_the_first_and_takes_no_room():
    """The connect comes before what was put before it was taken, and counts for nothing; it is dropped like them."""
    queue = ReceiveQueue(2, 100)
    queue.put_connect(CONNECT)
    queue.put(["early"], 5)
    assert not queue.full
    assert [queue.take() for _ in range(3)] == [CONNECT, receive("early"), None]
    queue.put_connect(CONNECT)
    queue.drop_messages()
    assert not queue


def test_connect_alone_holds_nothing_up():
    """`websocket.connect` waits for nobody; a message behind it does."""
    queue = ReceiveQueue(4, 100)
    queue.put_connect(CONNECT)
    assert queue
    assert not queue.messages
    queue.put(["a"], 1)
    assert queue.messages


@pytest.mark.parametrize(("payload", "size"), [("", 0), ("abc", 3), ("ä€😀", 9), (b"\xff\0", 2)])
def test_a_payload_counts_in_bytes(payload: str | bytes, size: int):
    """The size of a text is that of its UTF-8."""
    assert payload_size(payload) == size


def test_payloads_as_they_are():
    """A client takes what came without ASGI's dict around it, and that makes room as well."""
    queue = ReceiveQueue(2, 100)
    queue.put(["a", b"b"], 2)
    assert queue.full
    assert (queue.take_payload(), queue.full, queue.size) == ("a", False, 1)
    assert (queue.take_payload(), queue.take_payload()) == (b"b", None)


def test_a_disconnect_is_corrected_until_it_is_taken():
    """A correction replaces the message that waits. It does not bring back one that was taken."""
    corrected: ReceivedMessage = {"type": "websocket.disconnect", "code": 1006, "reason": "reset"}
    queue = ReceiveQueue(1, 1)
    queue.correct_disconnect(corrected)
    assert queue.take() is None
    queue.put_disconnect(DISCONNECT)
    queue.correct_disconnect(corrected)
    assert queue.take() == corrected
    queue.correct_disconnect(DISCONNECT)
    assert queue.take() is None
