"""What waits for Redis: in order, within limits, and counted where it is dropped."""

from __future__ import annotations

from wscore.app import RedisCounters
from wscore.app._redis_queue import RedisQueue


def queue(max_count: int = 100, max_size: int = 100) -> tuple[RedisQueue, RedisCounters]:
    counters = RedisCounters()
    return RedisQueue(counters, max_count=max_count, max_size=max_size), counters


def test_messages_leave_in_their_order() -> None:
    """As many as are wanted, by number and by size."""
    found, _ = queue()
    for number in range(10):
        assert found.put(b"c", b"%d" % number)
    assert [message for _, message in found.take(3, 100)] == [b"0", b"1", b"2"]
    assert [message for _, message in found.take(100, 2)] == [b"3", b"4"]
    assert (len(found), len(found.take(100, 100)), len(found)) == (5, 5, 0)
    assert found.take(1, 1) == []


def test_a_full_queue_takes_no_more() -> None:
    """Neither more messages than may wait nor more bytes; what is taken makes room, what is dropped is counted."""
    found, counters = queue(max_count=2)
    assert [found.put(b"c", b"x") for _ in range(3)] == [True, True, False]
    found.take(1, 100)
    assert [found.put(b"c", b"x") for _ in range(2)] == [True, False]
    assert counters.dropped == 2
    found, counters = queue(max_size=10)
    assert [found.put(b"c", b"1234567890") for _ in range(2)] == [True, False]
    found.take(1, 100)
    assert found.put(b"c", b"")
    assert counters.dropped == 1


def test_a_message_larger_than_the_queue_goes_alone() -> None:
    """Where nothing waits it is taken: there is no message that can never be sent."""
    found, _ = queue(max_size=10)
    assert found.put(b"c", b"x" * 1000)
    assert not found.put(b"c", b"")
    assert len(found.take(100, 1)) == 1


def test_what_nobody_will_send_is_counted() -> None:
    """And room is made for what comes then."""
    found, counters = queue(max_count=2)
    for _ in range(2):
        found.put(b"c", b"x")
    found.drop()
    assert (len(found), counters.dropped) == (0, 2)
    assert found.put(b"c", b"x")
