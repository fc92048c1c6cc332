"""Access records: what there is to log of a connection, and how often."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import pytest

from tests.core.peer import Client, close, head, text
from wscore import Config, Peer, Request, ServerConnection, Stats

PEER = Peer(client=("192.0.2.7", 50123))


def connected(**options: object) -> ServerConnection:
    return ServerConnection(Config(), peer=PEER, now=1.0, **options)  # type: ignore[arg-type]


def test_an_accepted_connection_gives_two_records() -> None:
    """One for the answer and one for the end, with what was carried; the query, where tokens travel, is in neither."""
    client = Client(now=1.0)
    client.opens(head(line=b"GET /a%20b?token=secret HTTP/1.1"))
    client.sends(text("x"))
    client.app_receives()
    client.now = 3.5
    client.sends(close(4000, "bye"))
    client.app_receives()
    client.connection.connection_lost(now=client.now)
    accepted, closed = client.connection.access_records
    assert (accepted.event, accepted.method, accepted.path, accepted.status) == ("accepted", "GET", "/a%20b", 101)
    assert (accepted.code, accepted.cause, accepted.reason) == (None, None, "")
    assert (closed.event, closed.method, closed.path, closed.status) == ("closed", "GET", "/a%20b", 101)
    assert (closed.code, closed.cause, closed.reason) == (4000, "peer", "bye")
    assert (closed.messages_received, closed.bytes_received, closed.messages_sent, closed.duration) == (1, 1, 0, 2.5)
    assert "secret" not in repr(client.connection.access_records)


@pytest.mark.parametrize(
    ("request_head", "method", "path", "status"),
    [
        (head(line=b"GET /chat?token=secret HTTP/1.1", without=[b"sec-websocket-key"]), "GET", "/chat", 400),
        (b"POST /form HTTP/1.1\r\nhost: a\r\n\r\n", "POST", "/form", 426),
        (b"GET /\r\n\r\n", None, None, 400),
        (b"GET /folded HTTP/1.1\r\nhost: a\r\n b\r\n\r\n", "GET", "/folded", 400),
        (b"\x16\x03\x01\x02\x00", None, None, 400),
    ],
)
def test_a_refused_request_gives_one_record(
    request_head: bytes, method: str | None, path: str | None, status: int
) -> None:
    """With method and path if the request line was HTTP's, whether or not the rest was."""
    connection = connected()
    connection.receive_data(request_head, now=1.5)
    connection.connection_lost(now=2.0)
    [record] = connection.access_records
    assert (record.event, record.client) == ("refused", PEER.client)
    assert (record.method, record.path, record.status, record.duration) == (method, path, status, 0.5)
    assert (record.code, record.cause) == (1006, "violation")


def test_an_application_that_refuses_gives_one_record() -> None:
    """A handshake that the application answers with 403 is a refused one."""
    client = Client()
    client.sends(head(line=b"GET /chat HTTP/1.1"))
    client.app_receives()
    client.app_sends("websocket.close")
    client.connection.connection_lost(now=client.now)
    [record] = client.connection.access_records
    assert (record.event, record.method, record.path, record.status) == ("refused", "GET", "/chat", 403)
    assert record.cause == "application"


def test_a_client_that_leaves_before_an_answer_gives_one_record() -> None:
    """Without a status."""
    connection = connected()
    connection.receive_data(head(line=b"GET /chat HTTP/1.1"), now=1.0)
    connection.connection_lost(now=2.0)
    [record] = connection.access_records
    assert (record.event, record.path, record.status, record.code) == ("closed", "/chat", None, 1006)


@pytest.mark.parametrize("how", ["receive_eof", "connection_lost", "handle_timeout"])
def test_a_connection_without_a_byte_is_told_apart(how: str) -> None:
    """A probe of the port, or a client that never speaks, is an "unused" connection, and no client's mistake."""
    connection = connected()
    getattr(connection, how)(now=100.0)
    connection.connection_lost(now=100.0)
    [record] = connection.access_records
    assert (record.event, record.method, record.path) == ("unused", None, None)


def test_over_http2_the_method_is_connect() -> None:
    """RFC 8441 4: over HTTP/2 the request is an extended CONNECT, and 200 accepts it."""
    headers = [(b"host", b"a"), (b"sec-websocket-version", b"13")]
    request = Request(b"CONNECT", b"/chat?x=1", headers, "2")
    connection = ServerConnection.from_request(request, Config(), peer=PEER, now=1.0, emit_response=False)
    connection.next_message(now=1.0)
    connection.send({"type": "websocket.accept"}, now=1.0)
    connection.connection_lost(now=2.0)
    accepted, closed = connection.access_records
    assert (accepted.method, accepted.path, accepted.status) == ("CONNECT", "/chat", 200)
    assert (closed.event, closed.method, closed.path) == ("closed", "CONNECT", "/chat")


def test_bytes_beyond_ascii_are_escaped() -> None:
    """A target of any bytes gives a path of ASCII."""
    request = Request(b"GET", b"/\xff", [], "1.1")
    connection = ServerConnection.from_request(request, Config(), now=1.0)
    assert connection.access_records[0].path == "/\\xff"


@pytest.mark.parametrize("request_head", [head(), b"GET / HTTP/1.1\r\n\r\n", b""])
def test_without_an_access_log_there_are_no_records(request_head: bytes) -> None:
    """`access_log=False` leaves `access_records` empty, whether or not a connection was served."""
    connection = connected(access_log=False)
    connection.receive_data(request_head, now=1.0)
    connection.application_returned(now=1.0)
    connection.connection_lost(now=2.0)
    assert connection.access_records == []


def test_a_records_fields_do_not_clash_with_logging() -> None:
    """Each may be an attribute of a LogRecord."""
    connection = connected()
    connection.connection_lost(now=2.0)
    fields = dataclasses.asdict(connection.access_records[0])
    assert not fields.keys() & {"name", "msg", "args", "message", "asctime", "levelname", "module", "process", "thread"}


def test_stats_are_copied_and_compared_by_their_fields():
    """Wherever the counts are kept, they are a dataclass's: shown, compared, replaced, copied and pickled."""
    stats = Stats(messages_received=1, bytes_sent=5, latency=0.5)
    assert dataclasses.astuple(stats) == (1, 0, 0, 5, 0, 0.5)
    assert dataclasses.astuple(Stats(1, 2, 3, 4, 5)) == (1, 2, 3, 4, 5, None)
    assert repr(stats).startswith("Stats(messages_received=1, bytes_received=0,")
    copies = [copy.copy(stats), copy.deepcopy(stats), pickle.loads(pickle.dumps(stats)), dataclasses.replace(stats)]
    assert copies == [stats] * 4
    stats.messages_sent += 1
    assert all(each != stats for each in copies)
    with pytest.raises(AttributeError):
        stats.other = 1  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
