"""What the access log says of a connection."""

from typing import Any

from tests.core.peer import head
from wscore import Config, Peer, Scope, ServerConnection, Stats
from wscore._core.access import answered_line, closed_line
from wscore._core.termination import RETURNED

PEER = Peer(client=("192.0.2.7", 50123))


def scope(**keys: Any) -> Scope:
    given: Any = {"http_version": "1.1", "raw_path": b"/chat", "query_string": b"token=secret", **keys}
    return given


def test_an_answer_is_a_line_with_its_status():
    """The first line names client, method, path and status, and not the query, where tokens travel."""
    assert answered_line(PEER, scope(), 101) == '192.0.2.7:50123 "GET /chat" 101'


def test_an_end_is_a_line_with_what_was_carried():
    """The last line names code and cause, the messages of either direction, and how long it took."""
    stats = Stats(messages_received=3, messages_sent=2)
    line = closed_line(PEER, scope(), RETURNED, stats, 1.23456)
    assert line == '192.0.2.7:50123 "GET /chat" closed 1000 by application, 3 in, 2 out, 1.235 s'


def test_what_was_no_handshake_has_no_path():
    """A request that was refused before it had a scope is a line without a path."""
    assert answered_line(PEER, None, 400) == '192.0.2.7:50123 "-" 400'


def test_a_unix_socket_has_no_client():
    """Who comes over a unix socket has no address to name."""
    assert answered_line(Peer(), scope(), 101) == '- "GET /chat" 101'


def test_over_http2_the_method_is_connect():
    """RFC 8441 4: over HTTP/2 the request is an extended CONNECT."""
    assert answered_line(PEER, scope(http_version="2"), 200) == '192.0.2.7:50123 "CONNECT /chat" 200'


def test_bytes_beyond_ascii_are_escaped():
    """A path of any bytes gives a line of ASCII."""
    assert answered_line(PEER, scope(raw_path=b"/\xff"), 101) == '192.0.2.7:50123 "GET /\\xff" 101'


def test_without_an_access_log_no_line_is_written():
    """`access_log=False` leaves `access_lines` empty, for connections that were served and for those that were not."""
    for request in (head(), b"GET / HTTP/1.1\r\n\r\n"):
        lines = {}
        for wanted in (True, False):
            connection = ServerConnection(Config(), now=0.0, access_log=wanted)
            connection.receive_data(request, now=0.0)
            connection.application_returned(now=1.0)
            connection.connection_lost(now=2.0)
            lines[wanted] = connection.access_lines
        assert len(lines[True]) == 2
        assert lines[False] == []
