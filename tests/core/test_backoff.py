"""The delays between attempts to connect."""

import random

import pytest

from wscore import Backoff


def test_twice_as_long_each_time() -> None:
    """From the first delay on, up to the most."""
    backoff = Backoff(lambda: 0.0, first=1.0, most=10.0)
    assert [backoff.failed() for _ in range(6)] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_it_never_overflows() -> None:
    """After years of failures too."""
    backoff = Backoff(lambda: 0.0)
    assert {backoff.failed() for _ in range(5_000)} == {1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0}


def test_each_is_shortened_at_random() -> None:
    """By nothing to half of it, so that not all come at once."""
    shares = iter([0.0, 0.5, 1.0])
    backoff = Backoff(lambda: next(shares), first=4.0, most=4.0)
    assert [backoff.failed() for _ in range(3)] == [4.0, 3.0, 2.0]
    backoff = Backoff(random.Random(1).random, first=1.0, most=1.0)
    delays = [backoff.failed() for _ in range(1_000)]
    assert min(delays) < 0.51
    assert max(delays) > 0.99


def test_a_real_connection_starts_anew() -> None:
    """After one that lasted there is no waiting, and the next failure is a first one."""
    backoff = Backoff(lambda: 0.0)
    assert [backoff.failed(), backoff.failed(), backoff.ended(1.0), backoff.failed()] == [1.0, 2.0, 0.0, 1.0]


def test_a_connection_that_ends_at_once_counts_as_a_failure() -> None:
    """A server that accepts everybody and falls over is not asked again without a pause."""
    backoff = Backoff(lambda: 0.0)
    assert [backoff.ended(0.0), backoff.ended(0.9), backoff.ended(0.1)] == [1.0, 2.0, 4.0]


@pytest.mark.parametrize(("first", "most"), [(0.0, 1.0), (-1.0, 1.0), (2.0, 1.0), (float("nan"), 1.0)])
def test_what_makes_no_sense(first: float, most: float) -> None:
    """Raises ValueError, which names the values."""
    with pytest.raises(ValueError, match="expected 0 < first <= most"):
        Backoff(lambda: 0.0, first=first, most=most)
