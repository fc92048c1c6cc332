"""What may happen to a connection, for hypothesis to choose from."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.core import peer
from wscore import Config, ServerConfig

from .peer import OURS
from .world import BEFORE, Step

__all__ = ["at_length", "briefly", "chance", "client_scripts", "configs", "server_scripts"]

_ANYTHING_GOES = {"deadline": None, "suppress_health_check": list(HealthCheck)}

briefly = settings(
    max_examples=min(500, int(os.environ.get("WSCORE_EXAMPLES", "300"))),
    derandomize=True,
    database=None,
    **_ANYTHING_GOES,
)
at_length = settings(max_examples=int(os.environ.get("WSCORE_EXAMPLES", "5000")), **_ANYTHING_GOES)

chance = st.random_module()
"""In which order tasks run that are ready at once."""

# -- configurations

_durations = st.integers(1, 30).map(float)
_ATTENTION = 0.001
"""Small beside all else, so that it counts as now: how late a look at the socket may be is for other tests."""

_proportions: dict[str, st.SearchStrategy[Any]] = {
    "handshake_timeout": _durations,
    "accept_timeout": st.none() | _durations,
    "ping_interval": st.none() | _durations,
    "ping_timeout": st.none() | _durations,
    "close_timeout": _durations,
    "shutdown_grace": st.just(0.0) | _durations,
}
_limits = st.sampled_from([{}, {"max_queue": 3}, {"max_queue_size": 100}, {"max_early_data": 50}])


def _config(durations: dict[str, Any], limits: dict[str, Any]) -> Config:
    return ServerConfig(read_poll_interval=_ATTENTION, compression=False, **durations, **limits)


configs = st.builds(_config, st.just({}) | st.fixed_dictionaries(_proportions), _limits)
"""The default's durations, or any; room for many messages, or for few."""

# -- steps that both ends know

_LARGE = bytes(700_000)
"""More than the system holds of what is written, with as much again of ours."""
_FLOOD = 40
"""More messages than an application's queue takes."""

_late = st.sampled_from([0.0, -BEFORE, BEFORE, 1.0])
_time: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("comes_to_deadline"), _late),
    st.tuples(st.just("comes_to_deadline"), _late),
    st.tuples(st.just("passes"), st.sampled_from([0.5, 3.0, 12.0, 100.0])),
)
_hands = st.sampled_from([0, 0, 1])
_receives: st.SearchStrategy[Step] = st.tuples(
    st.just("receives"), _hands, st.sampled_from([1, 1, 3, 20, 1000]), st.sampled_from([None, None, 1.0, 30.0])
)


def _peer(mask: bytes | None) -> st.SearchStrategy[Step]:
    """What a peer does once it may send frames."""
    text, close = partial(peer.text, mask=mask), partial(peer.close, mask=mask)
    messages = st.one_of(
        st.text(max_size=5).map(text),
        st.binary(max_size=300).map(partial(peer.binary, mask=mask)),
        st.integers(2, 40).map(lambda count: b"".join(text(str(number)) for number in range(count))),
        st.just(peer.frame(peer.TEXT, b"be", fin=False, mask=mask) + peer.frame(peer.CONTINUATION, b"gun", mask=mask)),
    )
    controls = st.one_of(
        st.binary(max_size=5).map(partial(peer.ping, mask=mask)),
        st.just(peer.pong(b"stale", mask=mask)),
    )
    floods = st.just(text("x") * _FLOOD + peer.ping(b"behind them", mask=mask))
    lasts = st.sampled_from(
        [
            close(),
            close(1000, "bye"),
            close(4003),
            peer.frame(peer.TEXT, b"\xff", mask=mask),
            peer.frame(3, mask=mask),
            peer.frame(peer.PING, b"x" * 126, mask=mask),
        ]
    )
    data = st.lists(st.one_of(messages, controls, floods, messages | controls | lasts), min_size=1, max_size=3)
    joined = data.map(b"".join)
    cuts = st.sampled_from([1.0, 1.0, 1.0, 0.9, 0.3, 0.0])
    return st.one_of(
        st.tuples(st.just("peer_sends"), joined, cuts),
        st.tuples(st.just("peer_sends"), joined, cuts),
        st.tuples(st.just("peer_sends"), lasts),
        st.just(("peer_answers_ping",)),
        st.just(("peer_answers_ping",)),
        st.just(("peer_ends",)),
    )


_vanishes: st.SearchStrategy[Step] = st.tuples(st.just("peer_vanishes"), st.booleans())


def _flooded(mask: bytes | None) -> list[Step]:
    """More messages than the queue takes, and something behind them; then the application takes some."""
    messages, behind = peer.text("x", mask=mask) * _FLOOD, peer.ping(b"behind them", mask=mask)
    return [("peer_sends", messages), ("peer_sends", behind), ("receives", 0, 30)]


def _several(steps: st.SearchStrategy[Step]) -> st.SearchStrategy[Step]:
    """Two or three steps at once, at a deadline or not."""
    late = st.sampled_from([None, None, 0.0, 0.2, 5.0])
    together = st.lists(steps, min_size=1, max_size=3)
    return st.builds(lambda late, together: ("at_once", late, *together), late, together)


def _slowly(large: Step, sends: st.SearchStrategy[Step]) -> st.SearchStrategy[Step]:
    """A large message, and others, while the peer does not read; then it reads on, or vanishes."""

    def step(seconds: float, vanishes: bool, together: list[Step]) -> Step:
        return ("while_peer_does_not_read", seconds, vanishes, large, *together)

    return st.builds(step, st.sampled_from([0.0, 0.5, 100.0]), st.booleans(), st.lists(sends, max_size=2))


def _steps(facts: st.SearchStrategy[Step], large: Step, sends: st.SearchStrategy[Step]) -> st.SearchStrategy[Step]:
    return st.one_of(facts, facts, _time, _several(facts), _slowly(large, sends), _vanishes)


# -- a server's

ACCEPT = {"type": "websocket.accept"}

_opening: list[Step] = [("peer_sends", peer.head()), ("receives", 0), ("sends", 0, ACCEPT)]
_messages = st.sampled_from(
    [
        {"type": "websocket.send", "text": "grüße"},
        {"type": "websocket.send", "bytes": b"\0\1"},
        {"type": "websocket.send", "bytes": _LARGE},
    ]
)
_closes = st.sampled_from([{"type": "websocket.close"}, {"type": "websocket.close", "code": 4000, "reason": "enough"}])
_answers = st.sampled_from(
    [
        ACCEPT,
        {"type": "websocket.http.response.start", "status": 401, "headers": []},
        {"type": "websocket.http.response.start", "status": 404, "headers": [(b"content-length", b"4")]},
        {"type": "websocket.http.response.body", "body": b"no", "more_body": True},
        {"type": "websocket.http.response.body", "body": b"no"},
        {"type": "websocket.http.response.body", "body": _LARGE, "more_body": True},
    ]
)
_requests: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("peer_sends"), st.just(peer.head()), st.sampled_from([1.0, 1.0, 0.5])),
    st.tuples(st.just("peer_sends"), st.just(peer.head(without=[b"Host"]))),
)
_server_sends: st.SearchStrategy[Step] = st.tuples(st.just("sends"), _hands, _messages)
_server_facts: st.SearchStrategy[Step] = st.one_of(
    _peer(peer.MASK),
    _peer(peer.MASK),
    _receives,
    _server_sends,
    st.tuples(st.just("sends"), _hands, _messages | _closes | _answers),
    st.just(("returns",)) | st.just(("raises",)) | st.just(("shuts_down",)) | _requests,
)
_server_steps = _steps(_server_facts, ("sends", 0, {"type": "websocket.send", "bytes": _LARGE}), _server_sends)
_server_openings: st.SearchStrategy[list[Step]] = st.one_of(
    st.just([]),
    st.just(_opening[:1]),
    st.builds(lambda wait, answer: [wait, _opening[0], ("sends", 0, answer)], _time, _answers),
    *[st.just(_opening)] * 2,
    st.just([*_opening, *_flooded(peer.MASK)]),
    *[st.just([*_opening, ("receives", 0, 1000), ("peer_sends", peer.text("first"))])] * 2,
    st.builds(lambda before, after: [before, *_opening[:2], after, _opening[2]], _time, _time),
)
server_scripts: st.SearchStrategy[list[Step]] = st.builds(
    list.__add__, _server_openings, st.lists(_server_steps, max_size=12)
)

# -- a client's

_user_pings = st.sampled_from([OURS + b"1", OURS + b"2"])
_client_sends: st.SearchStrategy[Step] = st.tuples(
    st.just("sends"), _hands, st.sampled_from(["grüße", b"\0\1", _LARGE])
)
_client_facts: st.SearchStrategy[Step] = st.one_of(
    _peer(None),
    _peer(None),
    _receives,
    _client_sends,
    st.tuples(st.just("pings"), _hands, _user_pings),
    st.tuples(st.just("peer_sends"), _user_pings.map(partial(peer.pong, mask=None))),
    st.tuples(st.just("closes"), _hands, st.sampled_from([1000, 4000]), st.sampled_from(["", "enough"])),
    st.just(("leaves",)) | st.just(("is_cancelled",)),
)
_client_steps = _steps(_client_facts, ("sends", 0, _LARGE), _client_sends)
_REFUSAL = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nno\r\n"
_client_openings: st.SearchStrategy[list[Step]] = st.one_of(
    st.just([]),
    st.tuples(st.just("peer_sends"), st.just(_REFUSAL), st.sampled_from([1.0, 0.9, 0.5])).map(lambda step: [step]),
    st.just([("peer_accepts",)]),
    st.just([("peer_accepts", peer.text("first", mask=None))]),
    st.just([("peer_accepts", peer.close(1001, mask=None))]),
    st.builds(lambda wait: [wait, ("peer_accepts",)], _time),
    st.builds(lambda wait: [("peer_accepts",), wait], _time),
    st.just([("peer_accepts",), *_flooded(None)]),
    st.just([("peer_accepts",), ("receives", 0, 1000), ("peer_sends", peer.text("first", mask=None))]),
)
client_scripts: st.SearchStrategy[list[Step]] = st.builds(
    list.__add__, _client_openings, st.lists(_client_steps, max_size=12)
)
