"""The client's opening handshake: the request as it goes out, and every answer that a server may give."""

from __future__ import annotations

import random
import ssl
from typing import Any

import h11
import pytest

from tests.core.peer import ACCEPT_OF_KEY, BINARY, KEY, Compressor, frame, pieces
from wscore import (
    ClientConnection,
    Closing,
    Config,
    HandshakeFailed,
    HandshakeRefused,
    HandshakeTimeout,
    InvalidMessage,
    InvalidURI,
    LocalProtocolError,
    State,
)

NONCE = b"the sample nonce"  # RFC 6455 1.3

FIELDS = (b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Accept: " + ACCEPT_OF_KEY)
HELLO = b"\x81\x05hello"


def chance(size: int) -> bytes:
    return NONCE if size == 16 else b"\x37\xfa\x21\x3d" * (size // 4)


def client(uri: str = "ws://server.example.com/chat", config: Config | None = None, **options: Any) -> ClientConnection:
    return ClientConnection(uri, config or Config(), now=0.0, random=chance, **options)


def response(
    *added: bytes, line: bytes = b"HTTP/1.1 101 Switching Protocols", without: bytes = b"", instead: bytes = b""
) -> bytes:
    """RFC 6455's own answer, with lines `added`, the one `without` left out, one put `instead` of that of its name."""
    lines = [line]
    for field in FIELDS:
        name = field.partition(b":")[0]
        if name != without:
            lines.append(instead if name == instead.partition(b":")[0] else field)
    return b"\r\n".join([*lines, *added, b"", b""])


def answered(data: bytes, cut: int | None = None, **options: Any) -> ClientConnection:
    connection = client(**options)
    connection.data_to_send()
    for piece in pieces(data, cut):
        connection.receive_data(piece, now=1.0)
    return connection


def failure(connection: ClientConnection) -> HandshakeFailed:
    """The error that who waits for the opening gets; whoever sends or receives gets one that says the same."""
    with pytest.raises(HandshakeFailed) as caught:
        connection.check_open()
    with pytest.raises(type(caught.value)):
        connection.send("x", now=9.0)
    with pytest.raises(type(caught.value)):
        connection.check_receive()
    assert (connection.state, connection.closing, connection.opened) == (State.CLOSED, Closing.ABORT, False)
    assert (connection.data_to_send(), connection.next_timeout(), connection.wants_read) == (b"", None, False)
    return caught.value


# -- the request


def sent(connection: ClientConnection) -> h11.Request:
    """The request as h11's server reads it."""
    server = h11.Connection(h11.SERVER)
    server.receive_data(connection.data_to_send())
    request = server.next_event()
    assert isinstance(request, h11.Request)
    assert server.trailing_data[0] == b""
    return request


def test_the_request():
    """A GET of path and query with the fields that RFC 6455 4.1 asks for, once each."""
    request = sent(client("ws://server.example.com:8080/chat?room=1", Config(compression=False)))
    assert (request.method, request.target, request.http_version) == (b"GET", b"/chat?room=1", b"1.1")
    assert list(request.headers) == [
        (b"host", b"server.example.com:8080"),
        (b"upgrade", b"websocket"),
        (b"connection", b"Upgrade"),
        (b"sec-websocket-key", KEY),
        (b"sec-websocket-version", b"13"),
    ]


def test_what_is_added_to_the_request():
    """Subprotocols, origin, headers, user information and the offer of compression, in the order that was given."""
    connection = client(
        "wss://me:pass@h/",
        subprotocols=["chat", "superchat"],
        headers=[("X-A", " ä "), ("x-a", "2")],
        origin="https://o",
    )
    added = list(sent(connection).headers)[5:]
    assert added == [
        (b"sec-websocket-protocol", b"chat, superchat"),
        (
            b"sec-websocket-extensions",
            b"permessage-deflate; server_max_window_bits=12; client_max_window_bits=12, "
            b"permessage-deflate; client_max_window_bits",
        ),
        (b"authorization", b"Basic bWU6cGFzcw=="),
        (b"x-a", "ä".encode("latin-1")),
        (b"x-a", b"2"),
        (b"origin", b"https://o"),
    ]


def test_a_given_authorization_replaces_that_of_the_uri():
    """An Authorization header of the caller's own stands alone."""
    request = sent(client("ws://me:pass@h/", headers={"authorization": "Bearer x"}))
    assert [value for name, value in request.headers if name == b"authorization"] == [b"Bearer x"]


@pytest.mark.parametrize(
    "options",
    [
        {"headers": {"Upgrade": "x"}},
        {"headers": {"connection": "close"}},
        {"headers": {"Host": "other"}},
        {"headers": {"Sec-WebSocket-Key": "x"}},
        {"headers": {"Transfer-Encoding": "chunked"}},
        {"headers": {"X": "a\r\nY: b"}},
        {"headers": {"X": "a\0"}},
        {"headers": {"X": "\u20ac"}},
        {"headers": {"X\xe4": "a"}},
        {"headers": {"X:": "a"}},
        {"headers": {"": "a"}},
        {"headers": {"X": b"bytes"}},
        {"headers": ["X: a"]},
        {"origin": "a\nb"},
        {"subprotocols": ["a b"]},
        {"subprotocols": [""]},
        {"subprotocols": ["a,b"]},
        {"subprotocols": ["\xe4"]},
        {"subprotocols": ["a", "a"]},
        {"subprotocols": "chat"},
    ],
    ids=repr,
)
def test_what_cannot_be_sent_is_refused(options: dict[str, Any]):
    """A header, an origin or a subprotocol that would break the request raises InvalidMessage, and nothing else."""
    with pytest.raises(InvalidMessage):
        client(**options)


def test_an_invalid_uri_is_refused():
    """What is no WebSocket URI raises InvalidURI."""
    with pytest.raises(InvalidURI):
        client("http://h/")


def test_nothing_can_be_sent_before_it_is_open():
    """Before the answer, send and ping are the application's mistake, and change nothing."""
    connection = client()
    for call in (
        lambda: connection.send("x", now=0.0),
        lambda: connection.send_fragment("x", final=True, now=0.0),
        lambda: connection.ping(now=0.0),
    ):
        with pytest.raises(LocalProtocolError, match="before the connection is open"):
            call()
    connection.check_open()
    connection.check_receive()
    connection.check_delivery()
    assert connection.data_to_send().startswith(b"GET ")


# -- an acceptance


@pytest.mark.parametrize("cut", [None, 1, 7])
def test_a_good_answer(cut: int | None):
    """RFC 6455's own answer opens the connection, in any pieces, and what follows it is read as frames."""
    connection = answered(response() + HELLO, cut)
    assert connection.state is State.OPEN
    assert connection.opened
    assert connection.next_message(now=1.0) == "hello"
    assert connection.response is not None
    assert connection.response.status == 101
    assert (b"upgrade", b"websocket") in connection.response.headers
    assert connection.subprotocol is None
    connection.check_open()


@pytest.mark.parametrize(
    "data",
    [
        response(instead=b"Upgrade: WebSocket"),
        response(instead=b"Connection: keep-alive, UPGRADE"),
        response(b"Content-Length: 0"),
        response(b"Set-Cookie: a", b"Set-Cookie: b"),
        response(line=b"HTTP/1.1 101"),
        response(line=b"HTTP/1.1 101 \xff"),
        response().replace(b"\r\n", b"\n"),
        b"HTTP/1.1 100 Continue\r\n\r\n" + response(),
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 3 + response(),
    ],
    ids=lambda data: str(data[:50]),
)
@pytest.mark.parametrize("cut", [None, 1])
def test_good_answers_of_other_shapes(data: bytes, cut: int | None):
    """Case, order, a length of nothing, and informational responses before the 101 do not matter."""
    assert answered(data, cut).state is State.OPEN


@pytest.mark.parametrize("chosen", ["chat", "superchat"])
def test_the_subprotocol(chosen: str):
    """One of those offered may be chosen."""
    connection = answered(response(b"Sec-WebSocket-Protocol: " + chosen.encode()), subprotocols=["chat", "superchat"])
    assert (connection.state, connection.subprotocol) == (State.OPEN, chosen)


BAD = {
    "no HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n", "not HTTP"),
    "no HTTP, without a line": (b"\x15\x03\x01\x00\x02\x02\x16\x00\x00\x00\x00\x00\x00", "not HTTP"),
    "a TLS alert": (b"\x15\x03\x01\x00\x02\x02\x28", "not HTTP"),
    "a version alone": (b"HTTP/1.1\r\n\r\nno more", "not HTTP"),
    "HTTP/2": (b"HTTP/2 101 Switching\r\n\r\n", "not HTTP"),
    "HTTP/1.0": (response(line=b"HTTP/1.0 101 Switching Protocols"), "HTTP/1.1"),
    "no upgrade": (response(without=b"Upgrade"), "Upgrade: websocket"),
    "another upgrade": (response(instead=b"Upgrade: h2c"), "Upgrade: websocket"),
    "two upgrades": (response(b"Upgrade: h2c"), "Upgrade: websocket"),
    "no connection": (response(without=b"Connection"), "Connection: Upgrade"),
    "another connection": (response(instead=b"Connection: keep-alive"), "Connection: Upgrade"),
    "no accept": (response(without=b"Sec-WebSocket-Accept"), "Sec-WebSocket-Accept"),
    "another accept": (response(instead=b"Sec-WebSocket-Accept: " + ACCEPT_OF_KEY.swapcase()), "Sec-WebSocket-Accept"),
    "two accepts": (response(FIELDS[2]), "Sec-WebSocket-Accept"),
    "a subprotocol": (response(b"Sec-WebSocket-Protocol: other"), "not offered"),
    "an empty subprotocol": (response(b"Sec-WebSocket-Protocol:"), "not offered"),
    "two subprotocols": (response(b"Sec-WebSocket-Protocol: chat, chat"), "not offered"),
    "two subprotocol lines": (response(*[b"Sec-WebSocket-Protocol: chat"] * 2), "not offered"),
    "an extension": (response(b"Sec-WebSocket-Extensions: x-foo"), "not offered"),
    "a length": (response(b"Content-Length: 5"), "no body"),
    "chunks": (response(b"Transfer-Encoding: chunked"), "no body"),
    "many headers": (response(*[b"X: y"] * 200), "more than 128 headers"),
    "a large head": (response(b"X: " + b"y" * 20_000), "larger than"),
    "a head without end": (response()[:-2] + b"X: y\r\n" * 5_000, "larger than"),
    "no header": (response(b"X y"), "not HTTP"),
    "endless hints": (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1_000, "larger than"),
}


@pytest.mark.parametrize("cut", [None, 1])
@pytest.mark.parametrize("what", BAD)
def test_bad_answers(what: str, cut: int | None):
    """Whatever RFC 6455 4.1 does not allow fails the connection, with an error that says what and to which address."""
    data, why = BAD[what]
    connection = answered(data, cut, subprotocols=["chat"])
    error = failure(connection)
    assert not isinstance(error, HandshakeRefused)
    assert why in str(error)
    assert "ws://server.example.com/chat" in str(error)
    info = connection.close_info
    assert info is not None
    assert (info.cause, info.code, info.clean) == ("violation", 1006, False)


# -- compression

DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate"


@pytest.mark.parametrize(
    "parameters",
    [
        b"; server_max_window_bits=12",
        b"; server_max_window_bits=9; client_max_window_bits=8",
        b'; server_max_window_bits="8"',
        b"; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9; client_max_window_bits=9",
        b"; server_max_window_bits=12; client_max_window_bits=15",  # 7.1.2.2: it may ignore our hint
        b"",
        b"; server_no_context_takeover; client_no_context_takeover",  # gorilla/websocket's
        b"; server_max_window_bits=15",
        b"; client_max_window_bits=10",
    ],
)
def test_agreed_compression(parameters: bytes):
    """What follows from the offer is agreed on; a window of 8 bits, which zlib cannot write, is one too."""
    connection = answered(response(DEFLATE + parameters))
    assert connection.state is State.OPEN
    connection.send("x" * 200, now=1.0)
    compressed = b"client_max_window_bits=8" not in parameters
    assert (len(connection.data_to_send()) < 100) == compressed


@pytest.mark.parametrize("engine", ["native", "wsproto"])
@pytest.mark.parametrize("parameters", [b"", b"; server_max_window_bits=15", b"; server_no_context_takeover"])
def test_a_server_that_does_not_limit_its_window(parameters: bytes, engine: Any):
    """A server may compress with the full window, said or unsaid (RFC 7692 7.1.2.1): what it writes is read."""
    far_apart = random.Random(7692).randbytes(20_000)
    connection = answered(response(DEFLATE + parameters), config=Config(engine=engine))
    assert connection.state is State.OPEN
    deflated = Compressor(window_bits=15).payload(far_apart * 2)
    assert len(deflated) < 30_000  # it does reach back 20,000 bytes
    connection.receive_data(frame(BINARY, deflated, rsv=0b100, mask=None), now=1.0)
    assert connection.next_message(now=1.0) == far_apart * 2


def test_the_full_window_needs_no_second_offer():
    """15 bits are what deflate has where nothing is said: the one offer is that of browsers."""
    request = sent(client(config=Config(compression_window_bits=15)))
    offers = [value for name, value in request.headers if name == b"sec-websocket-extensions"]
    assert offers == [b"permessage-deflate; client_max_window_bits"]


def test_our_window_stays_ours():
    """A server that lets us have a larger window than we hinted at (Autobahn 13.4) gets the smaller one."""
    far_apart = random.Random(7692).randbytes(6_000)
    connection = answered(response(DEFLATE + b"; server_max_window_bits=12; client_max_window_bits=15"))
    connection.send(far_apart + far_apart, now=1.0)  # only a window of 8 KiB or more sees that it is the same twice
    assert len(connection.data_to_send()) > 12_000


@pytest.mark.parametrize(
    "extensions",
    [
        b"; server_max_window_bits=16",
        b"; server_max_window_bits=12; client_max_window_bits",
        b"; server_max_window_bits=12; server_max_window_bits=12",
        b"; server_max_window_bits",
        b"; server_max_window_bits=7",
        b"; server_max_window_bits=012",
        b"; server_max_window_bits=12; server_no_context_takeover=1",
        b"; server_max_window_bits=12; foo",
        b"; server_max_window_bits=12, permessage-deflate; server_max_window_bits=12",
        b"; server_max_window_bits=12, x-foo",
        b"; ;",
    ],
)
def test_compression_that_does_not_follow_from_the_offer(extensions: bytes):
    """An answer with what was not offered, or with a value that cannot be, fails the connection (RFC 7692 5.1, 7.1)."""
    assert "Sec-WebSocket-Extensions" in str(failure(answered(response(DEFLATE + extensions))))


def test_compression_that_was_not_wanted():
    """Without compression in the configuration it is not offered, and an answer with it fails the connection."""
    config = Config(compression=False)
    assert "not offered" in str(failure(answered(response(DEFLATE + b"; server_max_window_bits=12"), config=config)))


# -- a refusal


def refused(data: bytes, cut: int | None = None, **options: Any) -> HandshakeRefused:
    error = failure(answered(data, cut, **options))
    assert isinstance(error, HandshakeRefused)
    return error


REFUSALS = {
    "length": (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", 403, b"no"),
    "nothing": (b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n", 401, b""),
    "chunks": (b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nn\r\n1\r\no\r\n0\r\n\r\n", 503, b"no"),
    "no body": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, b""),
    "good": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, b"hi"),
    "more than its length": (b"HTTP/1.1 400 Bad\r\nContent-Length: 2\r\n\r\nno and more", 400, b"no"),
    "broken chunks": (b"HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\nxyz\r\n", 400, b"no"),
    "after a hint": (b"HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno", 404, b"no"),
}


@pytest.mark.parametrize("cut", [None, 1])
@pytest.mark.parametrize("what", REFUSALS)
def test_refusals(what: str, cut: int | None):
    """A whole response that is no 101 is given with status, headers and body, however its body is delimited."""
    data, status, body = REFUSALS[what]
    error = refused(data, cut)
    assert (error.status, error.body, error.location) == (status, body, None)
    assert str(error) == f"no connection to ws://server.example.com/chat: the server answered {status}"


def test_a_refusals_headers():
    """Its headers have lower-case names."""
    error = refused(b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
    assert error.headers == [(b"www-authenticate", b"Basic"), (b"content-length", b"0")]


@pytest.mark.parametrize("end", ["eof", "lost", "close", "time"])
def test_a_body_that_does_not_end(end: str):
    """Until the end of the stream, or whatever else ends it, the body is awaited; the refusal stands in any case."""
    connection = answered(b"HTTP/1.1 500 Oh\r\n\r\nso ")
    connection.receive_data(b"far", now=2.0)
    assert connection.state is State.READING_REFUSAL
    assert connection.response is not None
    assert connection.wants_read
    match end:
        case "eof":
            connection.receive_eof(now=3.0)
        case "lost":
            connection.connection_lost(now=3.0)
        case "close":
            connection.close(now=3.0)
        case _:
            assert connection.next_timeout() == 10.0
            connection.handle_timeout(now=10.0)
    error = failure(connection)
    assert isinstance(error, HandshakeRefused)
    assert (error.status, error.body) == (500, b"so far")


@pytest.mark.parametrize("cut", [None, 10])
@pytest.mark.parametrize("head", [b"", b"Content-Length: 100000\r\n"])
def test_a_large_body_is_cut(head: bytes, cut: int | None):
    """Of a body no more is read than `max_refusal_size`."""
    config = Config(max_refusal_size=100)
    error = refused(b"HTTP/1.1 500 Oh\r\n" + head + b"\r\n" + b"x" * 1000, cut, config=config)
    assert error.body == b"x" * 100


@pytest.mark.parametrize(
    ("status", "location", "points_at"),
    [
        (301, b"/other", "ws://server.example.com/other"),
        (307, b"https://h/x", "wss://h/x"),
        (200, b"/other", None),
        (302, None, None),
    ],
)
def test_a_redirection_is_exposed(status: int, location: bytes | None, points_at: str | None):
    """A redirection is not followed, and the error says where it points."""
    line = b"" if location is None else b"Location: " + location + b"\r\n"
    error = refused(b"HTTP/1.1 %d X\r\n%bContent-Length: 0\r\n\r\n" % (status, line))
    assert error.location == points_at


# -- no answer


def test_an_answer_that_does_not_come():
    """After `handshake_timeout` the handshake has failed, with an error that is a TimeoutError as well."""
    connection = answered(response()[:20], config=Config(handshake_timeout=5))
    assert connection.next_timeout() == 5.0
    connection.handle_timeout(now=5.0)
    assert isinstance(failure(connection), HandshakeTimeout)


def test_an_end_of_stream_before_the_answer():
    """A server that ends its stream instead of answering has failed the handshake."""
    connection = answered(b"HTTP/1.1 101 Sw")
    connection.receive_eof(now=2.0)
    assert "end of stream" in str(failure(connection))


def test_a_lost_connection_before_the_answer():
    """Likewise where the connection is lost."""
    connection = client()
    connection.connection_lost(now=2.0)
    assert "connection lost" in str(failure(connection))


def of_tls(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] {reason.lower().replace('_', ' ')} (_ssl.c:2580)")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "temporary"),
    [
        (of_tls("TLSV13_ALERT_CERTIFICATE_REQUIRED"), False),
        (of_tls("SSLV3_ALERT_BAD_CERTIFICATE"), False),
        (of_tls("SSLV3_ALERT_CERTIFICATE_EXPIRED"), False),
        (of_tls("SSLV3_ALERT_CERTIFICATE_REVOKED"), False),
        (of_tls("TLSV1_ALERT_UNKNOWN_CA"), False),
        (of_tls("DECRYPTION_FAILED_OR_BAD_RECORD_MAC"), True),
        (ConnectionResetError(104, "Connection reset by peer"), True),
    ],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_why_a_connection_was_lost_before_the_answer(error: OSError, temporary: bool, wrapped: bool):
    """The error says it, and has it as its cause; what TLS has against a certificate will not get better.

    With TLS 1.3 a server asks for the client's certificate after the client's last word, so that the handshake is over
    when it refuses (RFC 8446 4.4.2.4).
    """
    connection = client()
    told: Exception = error
    if wrapped:
        told = RuntimeError("broken")  # as trio's BrokenResourceError has it
        told.__cause__ = error
    connection.connection_lost(now=2.0, error=told)
    failed = failure(connection)
    assert str(failed).endswith(f": connection lost: {error.strerror}")
    assert failed.__cause__ is told
    assert failed.temporary is temporary


def test_a_refusal_that_is_cut_short_by_a_loss():
    """It stands, whatever the loss was."""
    connection = answered(b"HTTP/1.1 403 No\r\nContent-Length: 10\r\n\r\nsor")
    connection.connection_lost(now=2.0, error=OSError("x"))
    failed = failure(connection)
    assert isinstance(failed, HandshakeRefused)
    assert (failed.body, failed.__cause__) == (b"sor", None)


def test_a_close_before_the_answer():
    """Who closes before the answer gives up the handshake."""
    connection = client()
    connection.close(now=2.0)
    assert "closed before" in str(failure(connection))
    connection.close(now=3.0)
