"""What is being waited for, and until when."""

from typing import Any

import pytest

from wscore import Config
from wscore._core.lifecycle import ARMED, LATER, State, Timer
from wscore._core.timers import DURATIONS, Timers


def timers(**durations: Any) -> Timers:
    return Timers(Config(**durations))


def running(waiting: Timers) -> set[Timer]:
    return {timer for timer in Timer if waiting.running(timer)}


def test_nothing_is_waited_for_at_first():
    """A new set of timers has no deadline, and none expires, however late it is."""
    waiting = timers()
    assert waiting.next is None
    assert waiting.take_expired(1e9) is None


def test_next_is_the_earliest_deadline():
    """`next` is the earliest of the deadlines, whatever the order in which they were started and stopped."""
    waiting = timers(ping_interval=20, ping_timeout=5, close_timeout=9)
    waiting.start(Timer.PING, 0)
    waiting.start(Timer.PONG, 0)
    waiting.start(Timer.DEFERRED, 0)
    assert waiting.next == 5
    waiting.stop(Timer.PONG)
    assert waiting.next == 9
    waiting.stop(Timer.DEFERRED)
    waiting.stop(Timer.PING)
    assert waiting.next is None


def test_starting_again_moves_the_deadline():
    """A running timer that is started again has its new deadline alone, a later or an earlier one."""
    waiting = timers(ping_interval=5)
    waiting.start(Timer.PING, 0)
    waiting.start(Timer.PING, 15)
    assert waiting.next == 20
    waiting.start(Timer.PING, 5)
    assert waiting.next == 10
    assert waiting.take_expired(10) is Timer.PING
    assert waiting.take_expired(1000) is None


@pytest.mark.parametrize(("now", "expired"), [(4.999, None), (5, Timer.CLOSE), (500, Timer.CLOSE)])
def test_a_timer_expires_at_its_deadline(now: float, expired: Timer | None):
    """A timer expires at its deadline and not before, and then runs no more."""
    waiting = timers(close_timeout=5)
    waiting.start(Timer.CLOSE, 0)
    assert waiting.take_expired(now) is expired
    assert waiting.running(Timer.CLOSE) == (expired is None)
    assert waiting.next == (5 if expired is None else None)


def test_timers_expire_in_the_order_of_their_deadlines():
    """Of several that are due the earliest comes first, each once."""
    waiting = timers(ping_interval=3, close_timeout=1, ping_timeout=2)
    for timer in (Timer.PING, Timer.DEFERRED, Timer.PONG):
        waiting.start(timer, 0)
    assert [waiting.take_expired(10) for _ in range(4)] == [Timer.DEFERRED, Timer.PONG, Timer.PING, None]


def test_stopping_what_does_not_run_is_harmless():
    """A timer that does not run can be stopped."""
    waiting = timers(ping_timeout=1)
    waiting.stop(Timer.PING)
    waiting.start(Timer.PONG, 0)
    waiting.stop(Timer.PING)
    assert waiting.next == 1


@pytest.mark.parametrize("timer", [timer for timer in Timer if DURATIONS[timer] != "close_timeout"])
def test_a_timer_runs_as_long_as_the_configuration_says(timer: Timer):
    """Each timer's duration is the field of Config that DURATIONS names."""
    waiting = timers(**{DURATIONS[timer]: 7})
    waiting.start(timer, 100)
    assert waiting.next == 107


@pytest.mark.parametrize("timer", [Timer.ACCEPT, Timer.BODY, Timer.PING, Timer.PONG])
def test_none_switches_a_timer_off(timer: Timer):
    """A timer whose duration is None never runs."""
    waiting = timers(**{DURATIONS[timer]: None})
    waiting.start(timer, 0)
    assert not waiting.running(timer)
    assert waiting.next is None


@pytest.mark.parametrize("state", State)
def test_entering_a_state_starts_its_timers(state: State):
    """A state starts those of its timers that do not wait for something first, and no others."""
    waiting = timers()
    waiting.enter(state, 0)
    assert running(waiting) == ARMED[state] - LATER


def test_entering_a_state_stops_the_timers_it_does_not_have():
    """Leaving for a state without a timer stops it, started with the state or later."""
    waiting = timers()
    waiting.enter(State.OPEN, 0)
    waiting.start(Timer.PONG, 0)
    waiting.start(Timer.DEFERRED, 0)
    waiting.enter(State.CLOSED, 0)
    assert not running(waiting)
    assert waiting.next is None


def test_a_timer_that_both_states_have_runs_on():
    """A closing is bounded as a whole, however many states it passes through."""
    waiting = timers(close_timeout=10)
    waiting.enter(State.CLOSE_SENT, 0)
    waiting.enter(State.LINGERING, 9)
    assert waiting.next == 10
