"""Alarms, as a transport keeps them for all of its connections."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wscore.transport.alarms import Alarm, Alarms


class Connection:
    def lost(self) -> None: ...


def step(connection: Connection) -> None: ...


def alarm(at: float) -> Alarm:
    return Alarm(at, Connection(), step)


@given(st.data())
def test_alarms_are_taken_in_order_unless_cancelled(data: st.DataObject) -> None:
    """Whatever is added, cancelled and taken in between: the next is the earliest left, and nothing else is due."""
    alarms = Alarms()
    left: list[Alarm] = []
    now = 0.0
    for _ in range(data.draw(st.integers(0, 30))):
        action = data.draw(st.sampled_from(["add", "cancel", "pass"]))
        if action == "add":
            left.append(alarm(now + data.draw(st.integers(-2, 10))))
            alarms.add(left[-1])
        elif action == "cancel" and left:
            alarms.cancel(left.pop(data.draw(st.integers(0, len(left) - 1))))
        elif action == "pass":
            now += data.draw(st.integers(0, 5))
            due = alarms.take_due(now)
            assert [each.at for each in due] == sorted(each.at for each in left if each.at <= now)
            assert {id(each) for each in due} == {id(each) for each in left if each.at <= now}
            left = [each for each in left if each.at > now]
            for each in due[::2]:
                alarms.cancel(each)  # late, and of no effect on those that are left
        assert alarms.next() == min((each.at for each in left), default=math.inf)


@pytest.mark.parametrize("seed", range(3))
def test_what_was_cancelled_is_forgotten(seed: int) -> None:
    """However many connections come and go, no more than twice the alarms of those that are there are held."""
    order = random.Random(seed)
    alarms = Alarms()
    left: list[Alarm] = []
    for number in range(1000):
        left.append(alarm(order.random()))
        alarms.add(left[-1])
        if number >= 10:
            alarms.cancel(left.pop(order.randrange(len(left))))
        assert len(alarms) <= 2 * len(left) + 1


def test_a_cancelled_alarm_holds_no_connection() -> None:
    """What waits in the heap to be forgotten keeps nothing of a connection that has ended."""
    cancelled = alarm(1)
    alarms = Alarms()
    alarms.add(cancelled)
    alarms.cancel(cancelled)
    assert cancelled.connection is None
