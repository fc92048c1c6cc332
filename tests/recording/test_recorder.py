"""Where recordings go, and that whatever happens there harms no connection."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from tests.core import peer
from wscore import ClientConnection, Config, ServerConnection, State
from wscore.recording import Recorder, read_recording, replay
from wscore.recording.client import RecordedClientConnection
from wscore.recording.journal import FileJournal
from wscore.recording.server import RecordedServerConnection


def lives(connection: ServerConnection, *, start: float = 0.0, messages: int = 3) -> None:
    """Open, echo some messages, and be lost."""
    connection.receive_data(peer.head(), now=start)
    connection.next_message(now=start)
    connection.send({"type": "websocket.accept"}, now=start)
    connection.data_to_send()
    for _ in range(messages):
        connection.receive_data(peer.text("x" * 100), now=start)
        message = connection.next_message(now=start)
        assert message is not None
        connection.send({**message, "type": "websocket.send"}, now=start)
        assert connection.data_to_send()
    connection.connection_lost(now=start + 1)
    assert connection.state is State.CLOSED


def test_each_connection_has_a_file_of_its_own(tmp_path: Path):
    """Names sort by time, are unique in a process and between processes, and are the owner's alone to read."""
    folder = tmp_path / "deep" / "down"
    recorder = Recorder(folder)
    connections = [recorder.server(Config(), now=0) for _ in range(20)]
    for connection in reversed(connections):
        lives(connection)
    files = sorted(folder.iterdir())
    assert len(files) == 20
    assert files == sorted(files, key=lambda file: int(file.name.split("-")[2]))
    assert all(f"-{os.getpid()}-" in file.name and file.name.endswith("-server.jsonl") for file in files)
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert {replay(read_recording(file)).difference for file in files} == {None}


def test_a_sample(tmp_path: Path):
    """What is not chosen is a plain connection; a share of 0 chooses none, of 1 all."""
    assert type(Recorder(tmp_path, sample=0.0).server(Config(), now=0)) is ServerConnection
    assert type(Recorder(tmp_path, sample=1.0).server(Config(), now=0)) is not ServerConnection
    some = Recorder(tmp_path, sample=0.5)
    kinds = {type(some.server(Config(), now=0)) for _ in range(200)}
    assert len(kinds) == 2


@pytest.mark.parametrize("wrong", [{"payloads": "all"}, {"sample": 1.5}, {"keep": -1}, {"max_size": 0}])
def test_arguments_that_cannot_be(tmp_path: Path, wrong: dict[str, Any]):
    """A recorder refuses them when it is made."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Recorder(tmp_path, **wrong)


def test_a_folder_that_vanishes(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """Connections live on, those to come as well; the log says it once; no file without a first line appears."""
    folder = tmp_path / "recordings"
    recorder = Recorder(folder)
    begun = recorder.server(Config(), now=0)
    begun.receive_data(peer.head(), now=0)
    begun.receive_eof(now=5)  # which is written, as a second has passed
    (file,) = folder.iterdir()
    file.unlink()
    folder.rmdir()
    with caplog.at_level(logging.ERROR, "wscore.recording"):
        begun.connection_lost(now=7)
        lives(recorder.server(Config(), now=0))
    assert [record.getMessage() for record in caplog.records] == [
        f"cannot write recordings to {folder}: No such file or directory"
    ]
    folder.mkdir()
    lives(recorder.server(Config(), now=0))
    assert len(list(folder.iterdir())) == 1


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A write that fails, or writes a part, closes the journal and raises nothing."""
    written: list[bytes] = []
    failed: list[OSError] = []

    def write(descriptor: int, data: bytes) -> int:
        del descriptor
        if len(written) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(data[:5])
        return 5

    monkeypatch.setattr(os, "write", write)
    journal = FileJournal(str(tmp_path / "file"), max_size=10**6, failed=failed.append)
    journal.write("a line of a recording", 0)
    journal.flush()
    assert b"".join(written) == b"a line of "
    assert [error.errno for error in failed] == [errno.ENOSPC]
    journal.write("another", 0)
    journal.flush()
    assert not journal.open
    assert len(written) == 2


def test_a_recording_is_bounded(tmp_path: Path):
    """One that would exceed `max_size` ends with a line that says so, and replays up to there."""
    recorder = Recorder(tmp_path, max_size=5000)
    lives(recorder.server(Config(), now=0), messages=50)
    (file,) = tmp_path.iterdir()
    assert 4000 < file.stat().st_size < 5200
    recording = read_recording(file)
    assert recording.cut == "a recording's largest size is reached"
    found = replay(recording)
    assert (found.same, found.difference) == (len(recording.lines), None)


def test_a_head_in_too_many_pieces(tmp_path: Path):
    """A head is held back until it is whole, so that it can be redacted as a whole; but not for ever."""
    recorder = Recorder(tmp_path)
    connection = recorder.server(Config(max_head_size=10_000), now=0)
    connection.receive_data(b"GET / HTTP/1.1\r\nCookie: ", now=0)
    for _ in range(2000):
        connection.receive_data(b"s", now=0)
    connection.connection_lost(now=1)
    (file,) = tmp_path.iterdir()
    recording = read_recording(file)
    assert recording.cut == "a head came in too many pieces"
    assert "s" not in "".join(line["data"][0]["head"] for line in recording.lines[1:])
    assert replay(recording).difference is None


def test_what_is_on_disk_while_a_connection_lives(tmp_path: Path):
    """Lines are written now and then, whole ones; a process that is killed loses those of about a second."""
    recorder = Recorder(tmp_path)
    connection = recorder.server(Config(), now=0)
    connection.receive_data(peer.head(), now=0)
    assert not list(tmp_path.iterdir())
    connection.send({"type": "websocket.accept"}, now=1.5)
    (file,) = tmp_path.iterdir()
    assert len(read_recording(file).lines) == 2
    for _ in range(700):
        connection.receive_data(peer.ping(b"x"), now=1.6)
    assert len(read_recording(file).lines) > 2, "without waiting for a second, since there is much"
    connection.connection_lost(now=1.7)
    assert len(read_recording(file).lines) == 703


def test_a_client(tmp_path: Path):
    """`Recorder.client` gives a `ClientConnection`, plain or recorded."""
    options: dict[str, Any] = {"now": 0, "random": os.urandom, "headers": {"a": "b"}, "subprotocols": ["x"]}
    Recorder(tmp_path, sample=0).client("ws://h/", Config(), **options).connection_lost(now=1)
    assert not list(tmp_path.iterdir())
    Recorder(tmp_path).client("ws://h/", Config(), **options).connection_lost(now=1)
    (file,) = tmp_path.iterdir()
    assert file.name.endswith("-client.jsonl")
    assert replay(read_recording(file)).difference is None


ASKED: frozenset[str] = frozenset(
    {"check_delivery", "check_open", "check_pong", "check_receive", "from_request", "needs_room", "next_timeout"}
)
"""What changes nothing, so that a recording need not hold it; `from_request` makes a connection of its own."""


@pytest.mark.parametrize(
    ("kind", "recorded"),
    [(ServerConnection, RecordedServerConnection), (ClientConnection, RecordedClientConnection)],
    ids=["server", "client"],
)
def test_no_input_goes_past_the_recording(kind: type, recorded: type):
    """Every method that changes a connection is recorded: a new one has to be, or be listed as one that only asks."""
    methods = {name for name in dir(kind) if not name.startswith("_") and callable(getattr(kind, name))}
    plain = {name for name in methods if getattr(recorded, name) is getattr(kind, name)}
    assert plain <= ASKED
