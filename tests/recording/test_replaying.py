"""Whatever a connection goes through, the replay of its recording goes the same way."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from tests.core import peer
from tests.core.pair import ConnectionPair
from tests.core.test_invariants import EXAMPLES, ConnectionLife, scripts, trace
from tests.core.test_pair import Conversation
from wscore.recording import Payloads

from .memory import MemoryRecorder

KEPT: tuple[Payloads, ...] = ("whole", "truncated", "hashed")
few = settings(
    max_examples=max(EXAMPLES // 4, 1),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    stateful_step_count=30,
)


def replays(recorder: MemoryRecorder) -> None:
    """Replay everything; of a recording that is whole everything can be told."""
    for found in recorder.replays():
        assert found.difference is None, found
        assert found.untold is None or recorder.payloads != "whole", found


@pytest.mark.parametrize("payloads", KEPT)
@few
@given(script=scripts, compressed=st.booleans())
def test_a_server_that_lives_through_anything(payloads: Payloads, script: list[tuple[str, Any]], compressed: bool):
    """Valid frames and hostile ones, lawful messages and others: a replay gives the same outputs."""
    recorder = MemoryRecorder(payloads)
    head = peer.head(b"Sec-WebSocket-Extensions: permessage-deflate") if compressed else peer.head()
    script = [("data", head), ("send", {"type": "websocket.accept"}), *script]
    assert trace(script, recorder.server) == trace(script)
    replays(recorder)


@pytest.mark.parametrize("payloads", KEPT)
def test_a_server_at_length(payloads: Payloads):
    """The same for long lives, with timers, shutdowns and losses."""
    recorder = MemoryRecorder(payloads)

    class RecordedLife(ConnectionLife):
        make = staticmethod(recorder.server)

        def i6_held_bytes_are_bounded(self) -> None:
            """A recorded connection holds its journal as well."""

        def teardown(self) -> None:
            super().teardown()
            replays(recorder)
            recorder.journals.clear()
            recorder.connections.clear()

    run_state_machine_as_test(RecordedLife, settings=few)


@pytest.mark.parametrize("payloads", KEPT)
def test_two_ends(payloads: Payloads):
    """A server and a client that talk to each other, compressed or not, in fragments or whole, are both replayed."""
    recorder = MemoryRecorder(payloads)

    class RecordedPair(ConnectionPair):
        make_server = staticmethod(recorder.server)
        make_client = staticmethod(recorder.client)

    class RecordedConversation(Conversation):
        make_pair = RecordedPair

        def teardown(self) -> None:
            super().teardown()
            replays(recorder)
            recorder.journals.clear()
            recorder.connections.clear()

    run_state_machine_as_test(RecordedConversation, settings=few)
