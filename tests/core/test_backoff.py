"""The delays between attempts to connect."""

import random

import pytest

from wscore import Backoff


def test_twice_as_long_each_time() -> None:
    """From the first delay on, up to the most."""
    backoff = Backoff(lambda: 0.0, initial=1.0, maximum=10.0)
    assert [backoff.after_failure() for _ in range(6)] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_it_never_overflows() -> None:
    """After years of failures too."""
    backoff = Backoff(lambda: 0.0)
    assert {backoff.after_failure() for _ in range(5_000)} == {1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0}


def test_each_is_shortened_at_random() -> None:
    """By nothing to half of it, so that not all come at once."""
    shares = iter([0.0, 0.5, 1.0])
    backoff = Backoff(lambda: next(shares), initial=4.0, maximum=4.0)
    assert [backoff.after_failure() for _ in range(3)] == [4.0, 3.0, 2.0]
    backoff = Backoff(random.Random(1).random, initial=1.0, maximum=1.0)
    delays = [backoff.after_failure() for _ in range(1_000)]
    assert min(delays) < 0.51
    assert max(delays) > 0.99


def test_a_real_connection_starts_anew() -> None:
    """After one that lasted there is no waiting, and the next failure is a first one."""
    backoff = Backoff(lambda: 0.0)
    assert [
        backoff.after_failure(),
        backoff.after_failure(),
        backoff.after_connection(1.0),
        backoff.after_failure(),
    ] == [1.0, 2.0, 0.0, 1.0]


def test_a_connection_that_ends_at_once_counts_as_a_failure() -> None:
    """A server that accepts everybody and falls over is not asked again without a pause."""
    backoff = Backoff(lambda: 0.0)
    assert [backoff.after_connection(0.0), backoff.after_connection(0.9), backoff.after_connection(0.1)] == [
        1.0,
        2.0,
        4.0,
    ]


@pytest.mark.parametrize(("initial", "maximum"), [(0.0, 1.0), (-1.0, 1.0), (2.0, 1.0), (float("nan"), 1.0)])
def test_what_makes_no_sense(initial: float, maximum: float) -> None:
    """Raises ValueError, which names the values."""
    with pytest.raises(ValueError, match="expected 0 < initial <= maximum"):
        Backoff(lambda: 0.0, initial=initial, maximum=maximum)
