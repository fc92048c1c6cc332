"""A server's core and a client's, joined by a network."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import ClassVar, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from wscore import Config, State

from ..pair import ConnectionPair, EndName, payload_of
from ..strategies import messages
from ._core_machine import SMALL, config_names, for_machine

__all__ = ["PairMachine"]

_NAMES: Final[list[EndName]] = ["client", "server"]
_OTHER: Final[dict[EndName, EndName]] = {"client": "server", "server": "client"}
_SMALL_PAIR: Final = dataclasses.replace(
    Config(),
    **{  # no message is refused for its size
        name: getattr(SMALL, name)
        for name in ("max_queue", "max_queue_size", "max_output_size", "ping_interval", "ping_timeout", "close_timeout")
    },
    compression_min_size=10,
)


class PairMachine(RuleBasedStateMachine):
    """Both ends of one connection, each with an application, and a network between them, in any order of events.

    Messages come out at one end as they went in at the other, in order and once; all of them, where neither end closes
    and no time is over. Both tell of the same end. At last a dead network, and the clock, close both.

    Override `make_pair` to join other ends; add rules and invariants.
    """

    configs: ClassVar[Mapping[str, Config]] = {
        "small": _SMALL_PAIR,
        "plain": dataclasses.replace(_SMALL_PAIR, compression=False),
    }
    """The configurations to choose from, for each end, by name."""

    pair: ConnectionPair

    def make_pair(self, server: Config, client: Config) -> ConnectionPair:
        """Return both ends, before the handshake."""
        return ConnectionPair(server, client)

    @initialize(server=for_machine(config_names), client=for_machine(config_names))
    def begins(self, server: str, client: str) -> None:
        """The connection is open."""
        self.pair = self.make_pair(self.configs[server], self.configs[client])
        self.pair.opens()
        self.sent: dict[EndName, list[str | bytes]] = {"client": [], "server": []}
        self.got: dict[EndName, list[str | bytes]] = {"client": [], "server": []}
        self.closers: set[EndName] = set()
        self.overdue = False  # the clock has closed an end
        self.unfinished: str | None = None  # the parts of a message whose last is still to come

    def is_open(self, name: EndName) -> bool:
        """Whether an end is open."""
        return self.pair.ends[name].core.state is State.OPEN

    # -- the applications

    @precondition(lambda self: self.is_open("client") and self.unfinished is None)
    @rule(message=messages(max_size=70_000))
    def client_sends(self, message: str | bytes) -> None:
        """The client sends a message."""
        self.pair.client.send(message, now=self.pair.now)
        self.sent["client"].append(message)

    @precondition(lambda self: self.is_open("client"))
    @rule(part=st.text(max_size=30), final=st.booleans())
    def client_sends_a_fragment(self, part: str, final: bool) -> None:
        """The client sends a part of a message."""
        self.pair.client.send_fragment(part, final=final, now=self.pair.now)
        self.unfinished = (self.unfinished or "") + part
        if final:
            self.sent["client"].append(self.unfinished)
            self.unfinished = None

    @precondition(lambda self: self.is_open("server"))
    @rule(message=messages(max_size=70_000))
    def server_sends(self, message: str | bytes) -> None:
        """The server's application sends a message."""
        key = "text" if isinstance(message, str) else "bytes"
        self.pair.server.send({"type": "websocket.send", key: message}, now=self.pair.now)
        self.sent["server"].append(message)

    @rule()
    def client_takes(self) -> None:
        """The client asks for a message."""
        message = self.pair.client.next_message(now=self.pair.now)
        if message is not None:
            self.got["client"].append(message)

    @rule()
    def server_takes(self) -> None:
        """The server's application asks for a message."""
        message = self.pair.server.next_message(now=self.pair.now)
        if message is not None and message["type"] == "websocket.receive":
            self.got["server"].append(payload_of(message))

    @precondition(lambda self: self.is_open("client"))
    @rule()
    def client_pings(self) -> None:
        """The client sends a ping."""
        self.pair.client.ping(now=self.pair.now)

    @precondition(lambda self: self.is_open("client"))
    @rule(code=st.sampled_from([1000, 4000]))
    def client_closes(self, code: int) -> None:
        """The client closes."""
        self.closers.add("client")
        self.pair.client.close(code, "client's", now=self.pair.now)

    @precondition(lambda self: self.is_open("server"))
    @rule(code=st.sampled_from([1000, 4001]))
    def server_closes(self, code: int) -> None:
        """The server's application closes."""
        self.closers.add("server")
        self.pair.server.send({"type": "websocket.close", "code": code, "reason": "server's"}, now=self.pair.now)

    # -- the network and the clock

    @rule(name=st.sampled_from(_NAMES), most=st.sampled_from([1, 3, 20, 500, None]))
    def delivers(self, name: EndName, most: int | None) -> None:
        """Some bytes arrive."""
        self.pair.delivers(name, most)

    @rule(seconds=st.sampled_from([0.1, 1.0, 2.0]))
    def time_passes(self, seconds: float) -> None:
        """Some time passes."""
        before = [end.core.state for end in self.pair.ends.values()]
        self.pair.passes(seconds)
        after = [end.core.state for end in self.pair.ends.values()]
        self.overdue = self.overdue or any(
            now is State.CLOSED and was is not State.CLOSED for was, now in zip(before, after, strict=True)
        )

    # -- what holds

    @invariant()
    def what_arrived_was_sent(self) -> None:
        """What an application got is the beginning of what the other has sent."""
        for name, other in _OTHER.items():
            assert self.got[name] == self.sent[other][: len(self.got[name])], f"the {name} got other messages"

    def teardown(self) -> None:
        """Let everything arrive and be taken, and compare; then let the network die."""
        if not hasattr(self, "pair"):
            return
        pair = self.pair
        pair.settles()
        for _ in range(200):
            before = sum(map(len, self.got.values()))
            self.client_takes()
            self.server_takes()
            pair.settles()
            if sum(map(len, self.got.values())) == before and not pair.client.has_message:
                break
        self.what_arrived_was_sent()
        self.check_ends()
        pair.dies()
        for _ in range(30):
            pair.waits()
        assert (pair.server.state, pair.client.state) == (State.CLOSED, State.CLOSED), "the clock does not close both"

    def check_ends(self) -> None:
        """Check that all has arrived where neither end closed, and that both tell of the same end."""
        ours, theirs = self.pair.client.close_info, self.pair.server.close_info
        causes = {info.cause for info in (ours, theirs) if info is not None}
        if self.overdue or "timeout" in causes:
            return
        for name, other in _OTHER.items():
            assert name in self.closers or self.got[name] == self.sent[other], f"messages to the {name} were lost"
        if ours is not None and theirs is not None and "transport" not in causes:
            assert ours.clean, (ours, theirs)
            assert theirs.clean, (ours, theirs)
            assert (ours.sent, ours.received) == (theirs.received, theirs.sent)
            if len(self.closers) == 1:
                assert (ours.code, ours.reason) == (theirs.code, theirs.reason)
