"""The plan of `--workers`, without processes: who is started, who retires, who is asked to end, and when it is over."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wscore._cli.failure import Failure
from wscore._cli.supervisor.policy import ABORT, Action, Command, Verdict
from wscore._cli.supervisor.worker_pool import FIRST_DELAY, LONGEST_DELAY, SETTLING, STEADY, TRIES, WorkerPool

PATIENCE = 16.0
WHY = Failure("the database is away")
START, RETIRE, END, KILL = Action.START, Action.RETIRE, Action.END, Action.KILL
ANNOUNCE, RENEWED = Command(Action.ANNOUNCE), Command(Action.RENEWED)


def fresh(size: int = 2) -> WorkerPool:
    return WorkerPool(size, patience=PATIENCE, now=0.0)


def serving(size: int = 2) -> WorkerPool:
    """A crew of which all serve since 0.0, with the numbers from 1 on."""
    crew = fresh(size)
    assert crew.actions(now=0.0) == [Command(START, number) for number in range(1, size + 1)]
    for number in range(1, size + 1):
        crew.serves(number, now=0.0)
    assert crew.actions(now=0.0) == [ANNOUNCE]
    return crew


def test_all_are_started_at_once_and_announced_once_all_serve():
    """The announcement waits for the last of them."""
    crew = fresh(3)
    assert crew.actions(now=0.0) == [Command(START, 1), Command(START, 2), Command(START, 3)]
    assert crew.actions(now=0.0) == []
    crew.serves(3, now=1.0)
    crew.serves(1, now=1.0)
    assert crew.actions(now=1.0) == []
    crew.serves(2, now=2.0)
    assert crew.actions(now=2.0) == [ANNOUNCE]
    assert crew.next_timeout() is None
    assert not crew.over


def test_the_first_that_cannot_start_ends_them_all():
    """One reason is kept, whatever the others say; those that already serve are asked to end."""
    crew = fresh(3)
    crew.actions(now=0.0)
    crew.serves(1, now=1.0)
    assert crew.ended(2, WHY, now=1.0) is Verdict.FATAL
    assert crew.actions(now=1.0) == [Command(END, 1), Command(END, 3)]
    assert crew.ended(3, Failure("another reason"), now=1.0) is Verdict.EXPECTED
    assert not crew.over
    assert crew.ended(1, Failure("as asked"), now=2.0) is Verdict.EXPECTED
    assert crew.over
    assert crew.failure is WHY


def test_a_worker_that_dies_is_replaced_at_once():
    """The others hear nothing of it, and nothing is announced again."""
    crew = serving()
    assert crew.ended(1, WHY, now=1.0) is Verdict.RESTART
    assert crew.actions(now=1.0) == [Command(START, 3)]
    crew.serves(3, now=1.5)
    assert crew.actions(now=1.5) == []


def test_all_that_die_together_are_replaced_at_once():
    """The backoff is of each place by itself."""
    crew = serving(4)
    for number in range(1, 5):
        crew.ended(number, WHY, now=1.0)
    assert [do.action for do in crew.actions(now=1.0)] == [START] * 4


def test_one_that_keeps_dying_is_started_later_each_time():
    """Each end in a row doubles the delay, up to the longest."""
    crew = serving(1)
    now, number, delays = 1.0, 1, []
    for _ in range(10):
        assert crew.ended(number, WHY, now=now) is Verdict.RESTART
        at = crew.next_timeout()
        assert at is not None
        delays.append(at - now)
        if at > now:
            assert crew.actions(now=at - 0.01) == []
        number += 1
        now = at
        assert crew.actions(now=now) == [Command(START, number)]
        crew.serves(number, now=now)
    assert delays[:4] == [0.0, FIRST_DELAY, 2 * FIRST_DELAY, 4 * FIRST_DELAY]
    assert delays[-1] == LONGEST_DELAY


def test_a_steady_service_ends_the_backoff():
    """One that served for long enough is replaced at once, whatever was before."""
    crew = serving(1)
    crew.ended(1, WHY, now=1.0)
    crew.actions(now=1.0)
    crew.serves(2, now=1.0)
    crew.ended(2, WHY, now=1.0 + STEADY)
    assert crew.actions(now=1.0 + STEADY) == [Command(START, 3)]


def test_a_place_that_cannot_be_filled_is_tried_on_while_others_serve():
    """A worker that fails to start is no reason to end the others, ever."""
    crew = serving(2)
    number, now = 1, 1.0
    for _ in range(3 * TRIES):
        assert crew.ended(number, WHY, now=now) is Verdict.RESTART
        now = crew.next_timeout() or now
        (start,) = crew.actions(now=now)
        number = start.worker
    assert not crew.ending


def test_when_none_serves_and_none_can_be_started_it_gives_up():
    """After so many tries, with the last reason."""
    crew = serving(1)
    crew.ended(1, Failure("killed"), now=1.0)
    now, number = 1.0, 2
    for attempt in range(1, TRIES + 1):
        now = crew.next_timeout() or now
        assert crew.actions(now=now) == [Command(START, number)]
        verdict = crew.ended(number, WHY, now=now)
        assert verdict is (Verdict.FATAL if attempt == TRIES else Verdict.RESTART)
        number += 1
    assert crew.over
    assert crew.failure is WHY
    assert now < 10


def test_workers_are_replaced_one_by_one():
    """The new one serves before the old one retires; the next is begun once the old one is gone."""
    crew = serving()
    crew.renew(now=10.0)
    assert crew.actions(now=10.0) == [Command(START, 3)]
    assert crew.actions(now=11.0) == []
    crew.serves(3, now=12.0)
    assert crew.actions(now=12.0) == [Command(RETIRE, 1)]
    assert crew.next_timeout() == 12.0 + SETTLING
    assert crew.actions(now=12.0 + SETTLING) == [Command(END, 1)]
    assert crew.next_timeout() == 12.0 + SETTLING + PATIENCE
    assert crew.ended(1, WHY, now=14.0) is Verdict.EXPECTED
    assert crew.actions(now=14.0) == [Command(START, 4)]
    crew.serves(4, now=15.0)
    assert crew.actions(now=15.0) == [Command(RETIRE, 2)]
    assert crew.actions(now=16.0) == [Command(END, 2)]
    crew.ended(2, WHY, now=16.0)
    assert crew.actions(now=16.0) == [RENEWED]
    assert crew.actions(now=16.0) == []
    assert crew.next_timeout() is None


def test_a_successor_that_cannot_start_leaves_everything_as_it_is():
    """The old workers go on, and the next demand begins anew."""
    crew = serving()
    crew.renew(now=10.0)
    crew.actions(now=10.0)
    assert crew.ended(3, WHY, now=11.0) is Verdict.CALLED_OFF
    assert crew.actions(now=11.0) == []
    assert crew.next_timeout() is None
    assert not crew.ending
    crew.renew(now=20.0)
    assert crew.actions(now=20.0) == [Command(START, 4)]


def test_a_worker_that_dies_while_its_successor_starts_is_followed_by_it():
    """No third one is started for the same place."""
    crew = serving(1)
    crew.renew(now=10.0)
    crew.actions(now=10.0)
    assert crew.ended(1, WHY, now=10.5) is Verdict.RESTART
    assert crew.actions(now=10.5) == []
    crew.serves(2, now=11.0)
    assert crew.actions(now=11.0) == [RENEWED]


def test_a_second_demand_replaces_those_of_the_first_too():
    """What was started before it may run the code before it."""
    crew = serving(1)
    crew.renew(now=10.0)
    crew.actions(now=10.0)
    crew.renew(now=10.5)
    crew.serves(2, now=11.0)
    assert crew.actions(now=11.0) == [Command(RETIRE, 1)]
    crew.actions(now=12.0)
    crew.ended(1, WHY, now=12.0)
    assert crew.actions(now=12.0) == [Command(START, 3)]
    crew.serves(3, now=13.0)
    assert crew.actions(now=13.0) == [Command(RETIRE, 2)]
    crew.actions(now=14.0)
    crew.ended(2, WHY, now=14.0)
    assert crew.actions(now=14.0) == [RENEWED]


def test_a_demand_during_the_start_waits_for_it():
    """They may have loaded the code before."""
    crew = fresh(2)
    crew.actions(now=0.0)
    crew.renew(now=0.5)
    assert crew.actions(now=0.5) == []
    crew.serves(1, now=1.0)
    crew.serves(2, now=1.0)
    assert crew.actions(now=1.0) == [ANNOUNCE, Command(START, 3)]


def test_a_demand_starts_at_once_what_waits_for_its_restart():
    """Whoever sends SIGHUP has mended something; all that is started after it is new."""
    crew = serving(1)
    crew.ended(1, WHY, now=1.0)
    crew.actions(now=1.0)
    crew.ended(2, WHY, now=1.0)
    assert crew.actions(now=1.0) == []
    crew.renew(now=1.1)
    assert crew.actions(now=1.1) == [Command(START, 3)]
    crew.serves(3, now=1.2)
    assert crew.actions(now=1.2) == [RENEWED]


def test_a_worker_that_does_not_end_is_killed():
    """Once, after the patience."""
    crew = serving(1)
    crew.end(now=5.0)
    assert crew.actions(now=5.0) == [Command(END, 1)]
    assert crew.actions(now=5.0 + PATIENCE) == [Command(KILL, 1)]
    assert crew.next_timeout() is None
    crew.ended(1, WHY, now=22.0)
    assert crew.over
    assert crew.failure is None


def test_the_end_asks_everybody_and_starts_nobody():
    """Those that start, those that wait for a restart, and those that retire, each in their way."""
    crew = serving(3)
    crew.ended(1, WHY, now=1.0)
    crew.actions(now=1.0)
    crew.ended(4, WHY, now=1.0)  # waits now
    crew.renew(now=1.0)
    crew.actions(now=1.0)  # 5 in place of it
    crew.end(now=2.0)
    assert crew.actions(now=2.0) == [Command(END, 2), Command(END, 3), Command(END, 5)]
    for number in (2, 3, 5):
        assert not crew.over
        assert crew.ended(number, WHY, now=2.5) is Verdict.EXPECTED
    assert crew.over
    assert crew.actions(now=100.0) == []
    assert not crew.aborted


def test_the_end_does_not_ask_those_twice_that_are_ending():
    """A second signal would abort them; they keep their time."""
    crew = serving(1)
    crew.renew(now=10.0)
    crew.actions(now=10.0)
    crew.serves(2, now=11.0)
    crew.actions(now=11.0)
    assert crew.actions(now=12.0) == [Command(END, 1)]
    crew.end(now=13.0)
    assert crew.actions(now=13.0) == [Command(END, 2)]
    assert crew.next_timeout() == 12.0 + PATIENCE


def test_the_second_signal_aborts():
    """Everybody gets another signal, and soon after it is killed."""
    crew = serving()
    crew.end(now=5.0)
    crew.actions(now=5.0)
    crew.end(now=6.0)
    assert crew.actions(now=6.0) == [Command(END, 1), Command(END, 2)]
    assert crew.aborted
    assert crew.actions(now=6.0 + ABORT) == [Command(KILL, 1), Command(KILL, 2)]


def test_news_of_a_worker_that_was_asked_to_end_change_nothing():
    """It may have begun to serve just then."""
    crew = fresh(1)
    crew.actions(now=0.0)
    crew.end(now=1.0)
    crew.serves(1, now=1.1)
    crew.renew(now=1.2)
    assert crew.actions(now=1.2) == [Command(END, 1)]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_there_is_never_more_than_one_worker_too_many(size):
    """A replacement costs the memory of one process, whatever the number of workers."""
    crew = serving(size)
    alive = set(range(1, size + 1))
    crew.renew(now=10.0)
    now, most, renewed = 10.0, 0, False
    while not renewed:
        for do in crew.actions(now=now):
            if do.action is START:
                alive.add(do.worker)
                crew.serves(do.worker, now=now)
            elif do.action is END:
                alive.discard(do.worker)
                crew.ended(do.worker, WHY, now=now)
            renewed = renewed or do == RENEWED
        most = max(most, len(alive))
        now = crew.next_timeout() or now
    assert most == size + 1
    assert alive == set(range(size + 1, 2 * size + 1))


EVENTS = st.lists(st.tuples(st.sampled_from(["serves", "dies", "renew", "wait"]), st.integers(0, 9)), max_size=60)


@settings(deadline=None)
@given(size=st.integers(1, 4), events=EVENTS)
def test_whatever_happens_the_crew_comes_back_and_ends(size, events):
    """Workers that die, start or are replaced at any moment: never too many, all back in the end, and then none."""
    crew = fresh(size)
    alive: dict[int, bool] = {}  # whether it serves
    asked: set[int] = set()
    now = 0.0

    def carry_out() -> None:
        while actions := crew.actions(now=now):
            for do in actions:
                if do.action is START:
                    alive[do.worker] = False
                elif do.action in (END, KILL):
                    assert do.worker in alive
                    asked.add(do.worker)
        assert len(alive.keys() - asked) <= size + 1
        timeout = crew.next_timeout()
        assert timeout is None or timeout > now

    def serve(number: int) -> None:
        alive[number] = True
        crew.serves(number, now=now)
        carry_out()

    def die(number: int) -> None:
        del alive[number]
        asked.discard(number)
        crew.ended(number, WHY, now=now)
        carry_out()

    carry_out()
    for number in list(alive):
        serve(number)
    for event, choice in events:
        now += 0.25
        candidates = sorted(alive)
        number = candidates[choice % len(candidates)] if candidates else 0
        match event:
            case "serves" if number and not alive[number]:
                serve(number)
            case "dies" if number:
                die(number)
            case "renew":
                crew.renew(now=now)
            case "wait":
                now += choice
        carry_out()
    while not crew.ending:  # from here on everything goes well
        if fresh_ones := [number for number, serves in alive.items() if not serves and number not in asked]:
            serve(fresh_ones[0])
        elif asked:
            die(min(asked))
        elif (timeout := crew.next_timeout()) is not None:
            now = timeout
            carry_out()
        else:
            assert len(alive) == size
            crew.end(now=now)
            carry_out()
    carry_out()
    for number in list(alive):
        assert number in asked
        die(number)
    assert crew.over
