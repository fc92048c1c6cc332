"""Whatever a connection goes through, the replay of its recording goes the same way."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from tests.core import peer
from tests.core.test_invariants import EXAMPLES, ConnectionLife, scripts, trace
from tests.core.test_pair import Conversation
from wscore import Config, ServerConnection, State
from wscore.recording import Payloads, RecordingError, Replay, replay
from wscore.recording.reading import parse_recording
from wscore.testing.pair import ConnectionPair

from .memory import MemoryRecorder

KEPT: tuple[Payloads, ...] = ("whole", "truncated", "hashed")
few = settings(
    max_examples=max(EXAMPLES // 8, 1),
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


@pytest.mark.parametrize("payloads", ["whole", "hashed"])
def test_a_server_at_length(payloads: Payloads):
    """The same for long lives, with timers, shutdowns and losses."""
    recorder = MemoryRecorder(payloads)

    class RecordedLife(ConnectionLife):
        def make_connection(self) -> ServerConnection:
            return recorder.server(self.config, now=100.0)

        def what_is_held_is_bounded(self) -> None:
            """A recorded connection holds its journal as well."""

        def teardown(self) -> None:
            super().teardown()
            replays(recorder)
            recorder.journals.clear()
            recorder.connections.clear()

    run_state_machine_as_test(RecordedLife, settings=few)


@pytest.mark.parametrize("payloads", ["whole", "hashed"])
def test_two_ends(payloads: Payloads):
    """A server and a client that talk to each other, compressed or not, in fragments or whole, are both replayed."""
    recorder = MemoryRecorder(payloads)

    class RecordedPair(ConnectionPair):
        make_server = staticmethod(recorder.server)
        make_client = staticmethod(recorder.client)

    class RecordedConversation(Conversation):
        def make_pair(self, server: Config, client: Config) -> ConnectionPair:
            return RecordedPair(server, client)

        def teardown(self) -> None:
            super().teardown()
            replays(recorder)
            recorder.journals.clear()
            recorder.connections.clear()

    run_state_machine_as_test(RecordedConversation, settings=few)


def opened(recorder: MemoryRecorder, *headers: bytes) -> Any:
    connection = recorder.server(Config(), now=0)
    connection.receive_data(peer.head(*headers), now=0)
    connection.next_message(now=0)
    connection.send({"type": "websocket.accept"}, now=0)
    connection.data_to_send()
    return connection


def test_what_the_content_of_a_message_decided_cannot_be_told_from_a_hashed_recording():
    """Text that was not UTF-8 led to 1007; what stands in its place is UTF-8, so the replay says where it ends."""
    for payloads in KEPT:
        recorder = MemoryRecorder(payloads)
        connection = opened(recorder)
        connection.receive_data(peer.text("fine") + peer.frame(1, b"\xff"), now=1)
        connection.next_message(now=2)
        connection.next_message(now=3)
        connection.data_to_send()
        (found,) = recorder.replays()
        assert found.difference is None
        if payloads == "whole":
            assert found.untold is None
        else:
            assert found.untold == (
                "from line 6 on it cannot be told from a recording without payloads: the content of a message ended "
                "the connection with 1007"
            )
            assert found.same == 4


def test_a_difference_before_that_is_one():
    """That a connection ended with 1007 excuses no other difference: here an answer that is not sent any more."""
    recorder = MemoryRecorder("hashed")
    connection = opened(recorder)
    connection.receive_data(peer.ping(b"x"), now=1)
    connection.data_to_send()
    connection.receive_data(peer.frame(1, b"\xff"), now=1)
    lines = recorder.journals[0].lines
    lines[6] = lines[6].replace("8a01", "8a02")
    (found,) = recorder.replays()
    assert found.untold is None
    assert found.difference is not None
    assert found.difference.line == 7


@pytest.mark.parametrize("payloads", KEPT)
def test_a_message_that_inflates_to_too_much(payloads: Payloads):
    """1009 that only the content of a compressed message explains: the same."""
    recorder = MemoryRecorder(payloads)
    connection = opened(recorder, b"Sec-WebSocket-Extensions: permessage-deflate")
    bomb = zlib.compressobj(wbits=-15)
    data = bomb.compress(bytes(17 * 2**20)) + bomb.flush(zlib.Z_SYNC_FLUSH)
    connection.receive_data(peer.frame(2, data[:-4], rsv=4), now=1)
    while connection.work_pending:
        connection.handle_timeout(now=1)
    (found,) = recorder.replays()
    assert found.difference is None
    assert (found.untold is None) is (payloads == "whole")


def changed(recorder: MemoryRecorder, number: int, old: str, new: str) -> Replay:
    """Replay after changing a line, as a core of another version would have written it."""
    line = recorder.journals[0].lines[number - 1]
    assert old in line
    recorder.journals[0].lines[number - 1] = line.replace(old, new)
    (found,) = recorder.replays()
    return found


@pytest.mark.parametrize("payloads", KEPT)
@pytest.mark.parametrize(
    ("line", "old", "new", "what"),
    [
        (2, '"AWAITING_ACCEPT"', '"OPEN"', "then"),
        (4, '"OPEN"', '"CLOSED"', "then"),
        (5, "101", "102", "data"),
        (6, '"has_message": true', '"has_message": false', "then"),
        (7, '"text": 5', '"text": 4', "result"),
        (9, "8105", "8104", "data"),
        (10, '"due": 40', '"due": 41', "due"),
    ],
)
def test_the_first_difference_is_named(payloads: Payloads, line: int, old: str, new: str, what: str):
    """Its line, the call, what differs, and both values."""
    recorder = MemoryRecorder(payloads)
    connection = opened(recorder)
    connection.receive_data(peer.text("hello"), now=1)
    message = connection.next_message(now=1)
    connection.send({**message, "type": "websocket.send"}, now=1)
    connection.data_to_send()
    connection.handle_timeout(now=20.0)
    found = changed(recorder, line, old, new)
    assert found.untold is None
    assert found.difference is not None
    assert (found.difference.line, found.difference.what, found.same) == (line, what, line - 2)
    assert found.difference.recorded != found.difference.came


def test_output_that_does_not_come_is_a_difference():
    """Bytes that were sent and are not sent any more, and pongs that do not come."""
    recorder = MemoryRecorder()
    connection = opened(recorder)
    connection.receive_data(peer.ping(b"x"), now=1)
    connection.data_to_send()
    lines = recorder.journals[0].lines
    lines[5] = lines[5].replace("8981", "8a81")  # the ping becomes a pong
    (found,) = recorder.replays()
    assert found.difference is not None
    assert (found.difference.line, found.difference.came) == (7, [])


def test_another_zlib_may_compress_otherwise():
    """Then a whole recording's compressed output is compared by its frames, and all else as ever."""
    recorder = MemoryRecorder()
    connection = opened(recorder, b"Sec-WebSocket-Extensions: permessage-deflate")
    connection.send({"type": "websocket.send", "text": "again " * 50}, now=1)
    connection.data_to_send()
    lines = recorder.journals[0].lines
    sent = json.loads(lines[-1])["data"][0]
    lines[-1] = lines[-1].replace(sent, f"c103{'aa' * 3}")
    (found,) = recorder.replays()
    assert found.difference is not None
    lines[0] = lines[0].replace(f'"zlib": "{zlib.ZLIB_RUNTIME_VERSION}"', '"zlib": "another"')
    (found,) = recorder.replays()
    assert found.difference is None


@pytest.mark.parametrize("payloads", KEPT)
def test_the_clock_is_exact(payloads: Payloads):
    """A deadline that has just been reached is reached in a replay, whatever the clock's own beginning is."""
    for began in (0.1, 1234567.1234567, 0.30000000000000004, 7):
        recorder = MemoryRecorder(payloads)
        connection = recorder.server(Config(handshake_timeout=0.7), now=began)
        due = connection.next_timeout()
        assert due is not None
        connection.handle_timeout(now=due)
        assert connection.state is State.LINGERING
        (found,) = recorder.replays()
        assert found.difference is None
        assert float(recorder.recording().began + recorder.recording().lines[0]["at"]) == due


BAD: dict[str, tuple[Callable[[str], str], str]] = {
    "empty": (lambda text: "", "is not a recording: it is empty"),
    "something else": (lambda text: "hello\n", "is not a recording: its first line is no JSON object"),
    "other JSON": (lambda text: '{"a": 1}\n', "its first line has no 'wscore_recording'"),
    "a newer version": (
        lambda text: text.replace('"wscore_recording": 1', '"wscore_recording": 2'),
        "version 2 of the",
    ),
    "a cut line": (lambda text: text[:-5], "line 5: the line is cut"),
    "a line that is none": (lambda text: text.replace('{"at"', '{at"'), "line 2: no JSON object, or cut"),
    "an unknown field": (lambda text: text.replace('"in":', '"from": 1, "in":'), "line 2: unknown field 'from'"),
    "an unknown field at first": (lambda text: text.replace('"end"', '"x": 1, "end"'), "line 1: unknown field 'x'"),
    "a missing field": (lambda text: text.replace('"keep"', '"time"'), "line 1: 'keep' is missing"),
    "an unknown end": (lambda text: text.replace('"server"', '"middle"', 1), "'end' is 'middle', expected server or"),
    "an unknown call": (
        lambda text: text.replace('"in": "send"', '"in": "fly"'),
        "line 4: unknown call 'fly' of a server",
    ),
    "no call": (lambda text: text.replace('"in": "send", ', ""), "line 4: neither an input nor an output"),
    "a value that cannot be": (
        lambda text: text.replace('"began": 0.0', '"began": "x"'),
        "no connection can be made of it",
    ),
    "an option that cannot be": (
        lambda text: text.replace('"max_queue": 32', '"max_queue": 0'),
        "no connection can be made",
    ),
    "an argument that is missing": (
        lambda text: text.replace('"message": ', '"result": '),
        "does not carry what it must",
    ),
    "bytes that are none": (lambda text: text.replace('{"head":', '{"tail":'), "does not carry what it must"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_recording_is_told_in_one_line(what: str):
    """Each way to be none has a line of its own, which names the place."""
    recorder = MemoryRecorder()
    connection = opened(recorder)
    del connection
    change, says = BAD[what]
    text = "\n".join([*recorder.journals[0].lines[:5], ""])
    with pytest.raises(RecordingError) as caught:
        replay(parse_recording(change(text), "name"))
    assert says in str(caught.value)
    assert str(caught.value).startswith("name")
    assert "\n" not in str(caught.value)


def compressed(recorder: MemoryRecorder, size: int) -> Any:
    """Open a connection that compresses, and let it receive a message of so many bytes."""
    connection = opened(recorder, b"Sec-WebSocket-Extensions: permessage-deflate")
    stream = zlib.compressobj(wbits=-15)
    payload = (stream.compress(b"y" * size) + stream.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\x00\x00\xff\xff")
    connection.receive_data(peer.frame(2, payload, rsv=4), now=1)
    return connection


def test_a_compressed_message_that_nothing_can_stand_for():
    """A replay says so: here because the recording says of a message that it was larger than deflate can make it."""
    recorder = MemoryRecorder("hashed")
    compressed(recorder, 300)
    lines = recorder.journals[0].lines
    lines[5] = lines[5].replace('"size": 300', '"size": 300000')
    (found,) = recorder.replays()
    assert (found.same, found.difference) == (4, None)
    assert found.untold is not None
    assert found.untold.endswith("no data of that size can stand for a compressed message")


def test_how_well_it_was_compressed_may_matter():
    """With the output full, of several pings the last one alone is answered; what stands for a message fills less."""
    for payloads in KEPT:
        recorder = MemoryRecorder(payloads)
        connection = recorder.server(Config(max_output_size=100), now=0)
        connection.receive_data(peer.head(b"Sec-WebSocket-Extensions: permessage-deflate"), now=0)
        connection.send({"type": "websocket.accept"}, now=0)
        connection.data_to_send()
        connection.send({"type": "websocket.send", "bytes": random.Random(1).randbytes(200)}, now=1)
        connection.receive_data(peer.ping(b"a") + peer.ping(b"b"), now=1)
        connection.data_to_send()
        (found,) = recorder.replays()
        assert found.difference is None
        assert (found.untold is None) is (payloads == "whole")
        assert found.untold is None or found.untold.endswith("how well it was compressed")
