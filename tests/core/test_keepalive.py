"""Keepalive by itself: what is pinged, what counts as its pong, when time runs."""

import pytest

from wscore import Config, State, Stats
from wscore._core.keepalive import Keepalive
from wscore._core.lane import Lane
from wscore._core.lifecycle import Timer
from wscore._core.timers import Timers


class Watched:
    """Keepalive of a connection that opened at 0: pings after 20 s, awaits pongs for 8 s."""

    def __init__(self) -> None:
        config = Config(ping_interval=20, ping_timeout=8, max_output_size=100)
        self.timers = Timers(config)
        self.stats = Stats()
        self.output = Lane(config, self.stats, masked=True)
        self.keepalive = Keepalive(self.timers, self.stats, self.output)
        self.timers.enter(State.OPEN, 0)

    def pinged(self, now: float = 20) -> bytes:
        assert self.timers.take_expired(now) is Timer.PING
        return self.keepalive.ping(now)


def test_a_pong_ends_the_waiting_and_starts_the_interval():
    """The pong with the ping's payload is its answer: the latency is known, and the next interval runs."""
    watched = Watched()
    payload = watched.pinged()
    assert watched.timers.next == 28
    assert watched.keepalive.awaits_pong
    assert watched.keepalive.pong(payload, 21.5)
    assert not watched.keepalive.awaits_pong
    assert watched.stats.latency == 1.5
    assert watched.timers.next == 41.5


@pytest.mark.parametrize("payload", [b"", b"\0\0\0\2", b"guess"])
def test_another_payload_is_no_answer(payload: bytes):
    """F25: a pong that carries anything else answers nothing, and changes no deadline."""
    watched = Watched()
    watched.pinged()
    assert not watched.keepalive.pong(payload, 21)
    assert watched.keepalive.awaits_pong
    assert watched.timers.next == 28


def test_a_pong_answers_once():
    """F25: the same pong again is unsolicited."""
    watched = Watched()
    payload = watched.pinged()
    assert watched.keepalive.pong(payload, 21)
    assert not watched.keepalive.pong(payload, 22)
    assert watched.timers.next == 41


def test_each_ping_has_a_payload_of_its_own():
    """A late pong cannot be taken for the answer to a later ping."""
    watched = Watched()
    first = watched.pinged()
    watched.keepalive.pong(first, 21)
    second = watched.pinged(41)
    assert first != second
    assert watched.stats.pings_sent == 2


def test_life_gives_time_anew():
    """T3: any byte while a pong is awaited moves its deadline; while none is, it starts no timer."""
    watched = Watched()
    watched.keepalive.on_activity(5)
    assert watched.timers.next == 20
    watched.pinged()
    watched.keepalive.on_activity(27)
    assert watched.timers.next == 35


def test_when_reading_goes_on_the_pong_has_its_time_anew():
    """T3: no pong could be read meanwhile; a ping that was due next waits for it."""
    watched = Watched()
    watched.pinged()
    assert watched.timers.take_expired(28) is Timer.PONG
    assert watched.keepalive.excused(28)
    assert watched.timers.next == 48
    watched.keepalive.resume(40)
    assert watched.timers.next == 48
    assert watched.timers.take_expired(48) is Timer.PONG


def test_a_slow_transfer_gives_time_anew():
    """Bytes that the peer's system takes count as life while more of ours wait; the same again is none."""
    watched = Watched()
    watched.output.write(bytes(90))
    watched.output.output()
    watched.keepalive.unsent(80, 20)
    watched.pinged()
    watched.keepalive.unsent(40, 25)
    assert watched.timers.next == 33
    watched.keepalive.unsent(40, 30)
    assert watched.timers.next == 33
    watched.keepalive.unsent(0, 31)
    assert watched.timers.next == 39
    assert watched.keepalive.excused(31)


def test_a_ping_that_was_taken_is_not_answered():
    """That the peer's system takes all at once shows no life of its program."""
    watched = Watched()
    watched.keepalive.unsent(0, 20)
    watched.pinged()
    watched.output.write(bytes(6))
    watched.output.output()
    watched.keepalive.unsent(0, 27)
    assert watched.timers.next == 28


def test_nothing_excuses_a_peer_that_takes_nothing():
    """Bytes that nobody has taken, here or in the system, leave an overdue pong overdue."""
    watched = Watched()
    watched.pinged()
    watched.output.write(bytes(6))
    assert not watched.keepalive.excused(28)
    watched.output.output()
    watched.keepalive.unsent(6, 28)
    assert not watched.keepalive.excused(28)


def test_stopped_it_neither_pings_nor_waits():
    """After `stop` no timer of the keepalive runs, and a pong answers nothing."""
    watched = Watched()
    payload = watched.pinged()
    watched.keepalive.stop()
    assert watched.timers.next is None
    assert not watched.keepalive.pong(payload, 21)
    watched.keepalive.resume(30)
    assert watched.timers.next is None
