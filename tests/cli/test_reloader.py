"""The plan of `--reload`, without processes: one worker, ended and started again when the code changes."""

from wscore._cli.failure import WRONG_USAGE, Failure
from wscore._cli.supervisor.policy import ABORT, Action, Command, Verdict
from wscore._cli.supervisor.reloader import Reloader

PATIENCE = 16.0
WHY = Failure("invalid syntax")
ANNOUNCE, RENEWED = Command(Action.ANNOUNCE), Command(Action.RENEWED)


def serving() -> Reloader:
    plan = Reloader(patience=PATIENCE)
    assert plan.actions(now=0.0) == [Command(Action.START, 1)]
    plan.serves(1, now=0.5)
    assert plan.actions(now=0.5) == [ANNOUNCE]
    return plan


def test_a_change_ends_the_worker_and_starts_another():
    """One after the other; that it serves again is not announced again."""
    plan = serving()
    plan.renew(now=1.0)
    assert plan.actions(now=1.0) == [Command(Action.END, 1)]
    plan.renew(now=1.1)  # the next one sees that change too
    assert plan.actions(now=1.1) == []
    assert plan.ended(1, WHY, now=1.5) is Verdict.EXPECTED
    assert plan.actions(now=1.5) == [Command(Action.START, 2)]
    plan.serves(2, now=2.0)
    assert plan.actions(now=2.0) == [RENEWED]
    assert plan.next_timeout() is None


def test_code_that_cannot_be_loaded_waits_for_the_next_change():
    """As often as it takes, the first time too."""
    plan = Reloader(patience=PATIENCE)
    plan.actions(now=0.0)
    for number in range(1, 5):
        assert plan.ended(number, WHY, now=1.0) is Verdict.WAITS
        assert plan.actions(now=1.0) == []
        assert plan.next_timeout() is None
        plan.renew(now=2.0)
        assert plan.actions(now=2.0) == [Command(Action.START, number + 1)]
    plan.serves(5, now=3.0)
    assert plan.actions(now=3.0) == [ANNOUNCE]


def test_a_worker_that_dies_waits_for_the_next_change():
    """The code that killed it is still there."""
    plan = serving()
    assert plan.ended(1, WHY, now=1.0) is Verdict.WAITS
    assert plan.actions(now=1.0) == []
    assert not plan.over


def test_a_wrong_command_line_ends_it():
    """No change of the code mends that."""
    plan = Reloader(patience=PATIENCE)
    plan.actions(now=0.0)
    wrong = Failure("'app' names no application", status=WRONG_USAGE)
    assert plan.ended(1, wrong, now=1.0) is Verdict.FATAL
    assert plan.over
    assert plan.failure is wrong


def test_a_worker_that_starts_is_ended_by_a_change_too():
    """It may hang in the code before."""
    plan = Reloader(patience=PATIENCE)
    plan.actions(now=0.0)
    plan.renew(now=1.0)
    assert plan.actions(now=1.0) == [Command(Action.END, 1)]
    plan.serves(1, now=1.1)
    assert plan.actions(now=1.1) == []


def test_a_worker_that_does_not_end_is_killed():
    """After the patience; then the next is started."""
    plan = serving()
    plan.renew(now=1.0)
    plan.actions(now=1.0)
    assert plan.next_timeout() == 1.0 + PATIENCE
    assert plan.actions(now=1.0 + PATIENCE) == [Command(Action.KILL, 1)]
    plan.ended(1, WHY, now=17.5)
    assert plan.actions(now=17.5) == [Command(Action.START, 2)]


def test_the_end_and_the_abort():
    """The first signal asks the worker to end, the second once more, and soon after it is killed."""
    plan = serving()
    plan.end(now=5.0)
    assert plan.actions(now=5.0) == [Command(Action.END, 1)]
    plan.renew(now=5.5)
    assert plan.actions(now=5.5) == []
    plan.end(now=6.0)
    assert plan.aborted
    assert plan.actions(now=6.0) == [Command(Action.END, 1)]
    assert plan.actions(now=6.0 + ABORT) == [Command(Action.KILL, 1)]
    assert plan.ended(1, WHY, now=8.0) is Verdict.EXPECTED
    assert plan.over
    assert plan.failure is None


def test_the_end_of_a_worker_that_is_ending_already_keeps_its_time():
    """A second signal would abort it."""
    plan = serving()
    plan.renew(now=1.0)
    plan.actions(now=1.0)
    plan.end(now=2.0)
    assert plan.actions(now=2.0) == []
    assert plan.next_timeout() == 1.0 + PATIENCE
    plan.ended(1, WHY, now=3.0)
    assert plan.over


def test_the_end_while_it_waits_is_at_once():
    """There is nothing to end."""
    plan = serving()
    plan.ended(1, WHY, now=1.0)
    plan.end(now=2.0)
    assert plan.over
