"""What is being waited for, and until when."""

import pytest

from wscore._lifecycle import Timer
from wscore._timers import Timers


def test_nothing_is_waited_for_at_first():
    """A new set of timers has no deadline, and none expires, however late it is."""
    timers = Timers()
    assert timers.next is None
    assert timers.take_expired(1e9) is None


def test_next_is_the_earliest_deadline():
    """`next` is the earliest of the deadlines, whatever the order in which they were started and stopped."""
    timers = Timers()
    timers.start(Timer.PING, 20)
    timers.start(Timer.PONG, 5)
    timers.start(Timer.END, 9)
    assert timers.next == 5
    timers.stop(Timer.PONG)
    assert timers.next == 9
    timers.stop(Timer.END)
    timers.stop(Timer.PING)
    assert timers.next is None


def test_starting_again_moves_the_deadline():
    """A running timer that is started again has its new deadline alone, a later or an earlier one."""
    timers = Timers()
    timers.start(Timer.PING, 5)
    timers.start(Timer.PING, 20)
    assert timers.next == 20
    timers.start(Timer.PING, 10)
    assert timers.next == 10
    assert timers.take_expired(10) is Timer.PING
    assert timers.take_expired(1000) is None


@pytest.mark.parametrize(("now", "expired"), [(4.999, None), (5, Timer.CLOSE), (500, Timer.CLOSE)])
def test_a_timer_expires_at_its_deadline(now: float, expired: Timer | None):
    """A timer expires at its deadline and not before, and then runs no more."""
    timers = Timers()
    timers.start(Timer.CLOSE, 5)
    assert timers.take_expired(now) is expired
    assert timers.running(Timer.CLOSE) == (expired is None)
    assert timers.next == (5 if expired is None else None)


def test_timers_expire_in_the_order_of_their_deadlines():
    """Of several that are due the earliest comes first, each once."""
    timers = Timers()
    timers.start(Timer.PING, 3)
    timers.start(Timer.END, 1)
    timers.start(Timer.PONG, 2)
    assert [timers.take_expired(10) for _ in range(4)] == [Timer.END, Timer.PONG, Timer.PING, None]


def test_stopping_what_does_not_run_is_harmless():
    """A timer that does not run can be stopped."""
    timers = Timers()
    timers.stop(Timer.PING)
    timers.start(Timer.PONG, 1)
    timers.stop(Timer.PING)
    assert timers.next == 1


def test_keep_only_stops_all_others():
    """Of the running timers only the kept run on, with their deadlines; none is started."""
    timers = Timers()
    timers.start(Timer.PING, 1)
    timers.start(Timer.PONG, 2)
    timers.keep_only(frozenset({Timer.PONG, Timer.CLOSE}))
    assert timers.next == 2
    assert [timer for timer in Timer if timers.running(timer)] == [Timer.PONG]
    timers.keep_only(frozenset())
    assert timers.next is None
