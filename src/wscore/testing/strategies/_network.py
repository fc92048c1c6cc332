"""What a network does: it cuts a stream of bytes anywhere, and delivers when it likes."""

from __future__ import annotations

from hypothesis import strategies as st

from .._annotated import AnnotatedBytes, annotated
from ..pair import Deliver, EndName, NetworkEvent, Reset, Silence, Wait

__all__ = ["cuts", "network_schedules"]


def cuts(data: bytes, *, max_cuts: int = 20) -> st.SearchStrategy[list[AnnotatedBytes]]:
    """The pieces in which a stream of bytes may arrive: whole, byte by byte, or cut anywhere.

    Args:
        data: The stream, as the other end wrote it.
        max_cuts: Places at most, but for byte by byte.

    Returns:
        Lists of pieces, none of them empty, that are `data` when joined.
    """
    whole = annotated(data)
    if len(whole) < 2:
        return st.just(whole.cut([]))
    places = st.lists(st.integers(1, len(whole) - 1), max_size=max_cuts, unique=True)
    return st.one_of(places.map(whole.cut), st.just(range(1, len(whole))).map(whole.cut))


def network_schedules(*, max_events: int = 20, fails: bool | None = None) -> st.SearchStrategy[list[NetworkEvent]]:
    """What happens between two ends, for `ConnectionPair.play`: in which pieces bytes arrive where, how long it takes,
    and how the connection breaks.

    Args:
        max_events: Events at most.
        fails: Whether the last event is that the connection breaks; None for either.
    """
    names: list[EndName] = ["server", "client"]
    ends = st.sampled_from(names)
    arrives: st.SearchStrategy[NetworkEvent] = st.builds(Deliver, ends, st.sampled_from([None, 1, 2, 7, 50, 200]))
    passes: st.SearchStrategy[NetworkEvent] = st.builds(Wait, st.sampled_from([0.1, 1.0, 5.0, 30.0]))
    silence: st.SearchStrategy[NetworkEvent] = st.just(Silence())
    breaks = silence | st.builds(Reset, ends)
    event: st.SearchStrategy[NetworkEvent] = st.one_of(arrives, arrives, passes)
    events = st.lists(event, max_size=max_events)
    last = st.lists(breaks, min_size=1 if fails else 0, max_size=0 if fails is False else 1)
    return st.tuples(events, last).map(lambda both: [*both[0], *both[1]])
