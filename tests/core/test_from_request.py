"""ServerConnection.from_request: for those whose own HTTP parser has read the head, HTTP/2 among them (RFC 8441)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.peer import (
    ACCEPT_OF_KEY,
    BINARY,
    CLOSE,
    DEFLATE,
    FIELDS,
    PONG,
    TEXT,
    Compressor,
    Frame,
    close,
    ping,
    read_frames,
    read_response,
    text,
)
from wscore import (
    ClientDisconnected,
    Closing,
    Config,
    InvalidMessage,
    Peer,
    Request,
    Response,
    ServerConfig,
    ServerConnection,
    State,
)

HEADERS = [(name.lower(), value) for name, value in FIELDS]
OVER_HTTP1 = Request(b"GET", b"/chat?x=1", HEADERS)
# What an HTTP/2 server makes of `:method CONNECT`, `:protocol websocket`, `:path /chat?x=1`, `:authority h`.
OVER_HTTP2 = Request(
    b"CONNECT",
    b"/chat?x=1",
    [(b"host", b"h"), (b"sec-websocket-version", b"13"), (b"sec-websocket-protocol", b"chat, superchat")],
    "2",
)


def connection_for(
    request: Request, config: Config | None = None, *, emit_response: bool = True, **keys: Any
) -> ServerConnection:
    return ServerConnection.from_request(request, config or Config(), now=0.0, emit_response=emit_response, **keys)


def send(connection: ServerConnection, kind: str, **keys: Any) -> None:
    connection.send({"type": kind, **keys}, now=0.0)


def take_all(connection: ServerConnection) -> list[Any]:
    messages: list[Any] = []
    while (message := connection.next_message(now=0.0)) is not None:
        messages.append(message)
    return messages


def with_header(request: Request, name: bytes, value: bytes) -> Request:
    return request._replace(headers=[*request.headers, (name, value)])


def without_header(request: Request, name: bytes) -> Request:
    return request._replace(headers=[header for header in request.headers if header[0] != name])


# -- what other parsers give


@pytest.mark.parametrize("pair", [tuple, list])
def test_names_of_headers_may_be_written_in_any_case(pair: Any) -> None:
    """Parsers that keep the peer's writing, as h11's `raw_items` and httptools do, are welcome."""
    request = Request(b"GET", b"/chat?x=1", (pair((name.title(), value)) for name, value in FIELDS))  # type: ignore[arg-type]
    assert request == OVER_HTTP1
    assert connection_for(request).state is State.AWAITING_ACCEPT


@pytest.mark.parametrize(
    ("fields", "error", "text"),
    [
        ({"method": "GET"}, TypeError, r"method='GET'.: expected bytes, not str"),
        ({"target": "/"}, TypeError, r"target='/'.: expected bytes, not str"),
        ({"http_version": b"1.1"}, TypeError, r"http_version=b'1.1'.: expected str, not bytes"),
        ({"http_version": 1.1}, TypeError, r"expected str, not float"),
        ({"http_version": "HTTP/1.1"}, ValueError, r"http_version='HTTP/1.1'.: expected \"1.1\", or \"2\""),
        ({"headers": [("Host", "h")]}, TypeError, r"'Host' is a pair of str and str; expected pairs of bytes"),
        ({"headers": [(b"cookie", "secret")]}, TypeError, r"b'cookie' is a pair of bytes and str"),
        ({"headers": {"Host": "h"}}, TypeError, r"expected pairs of bytes, and one is str"),
        ({"headers": [b"Host: h"]}, TypeError, r"expected pairs of bytes, and one is bytes"),
        ({"headers": [(b"a", b"b", b"c")]}, TypeError, r"expected pairs of bytes, and one is tuple"),
    ],
)
def test_a_request_of_another_shape_is_refused(fields: dict[str, Any], error: type[Exception], text: str) -> None:
    """It is the embedder's mistake, and no 400, 405, 426 or 505 to the client; a header's value is not shown."""
    right: dict[str, Any] = {"method": b"GET", "target": b"/", "headers": HEADERS}
    with pytest.raises(error, match=text) as caught:
        Request(**right | fields)
    assert "secret" not in str(caught.value)


# -- HTTP/1.1


def test_a_request_read_elsewhere_is_judged_at_once() -> None:
    """The connection begins in AWAITING_ACCEPT, with the same scope as from bytes."""
    peer = Peer(client=("192.0.2.1", 1), server=("192.0.2.2", 80))
    connection = connection_for(OVER_HTTP1, ServerConfig(root_path="/app"), peer=peer, state={"a": 1})
    from_bytes = ServerConnection(ServerConfig(root_path="/app"), peer=peer, now=0.0, state={"a": 1})
    lines = [b"GET /chat?x=1 HTTP/1.1", *(b"%s: %s" % field for field in FIELDS), b"", b""]
    from_bytes.receive_data(b"\r\n".join(lines), now=0.0)
    assert connection.state is State.AWAITING_ACCEPT
    assert connection.scope is not None
    assert connection.scope == from_bytes.scope
    assert take_all(connection) == [{"type": "websocket.connect"}]
    assert connection.next_timeout() == from_bytes.next_timeout() == 20.0


def test_what_an_application_does_to_its_scope_does_not_reach_the_embedder_s_request() -> None:
    """It may still log it, or have it for a key."""
    request = OVER_HTTP1._replace(headers=list(HEADERS))
    connection = connection_for(request)
    assert connection.scope is not None
    connection.scope["headers"].clear()
    assert request.headers == HEADERS


def test_the_answer_is_written_as_from_bytes() -> None:
    """Whoever hands over the socket with the request needs nothing else."""
    connection = connection_for(OVER_HTTP1)
    connection.receive_data(text("early"), now=0.0)
    assert connection.data_to_send() == b""
    send(connection, "websocket.accept")
    answer = read_response(connection.data_to_send())
    assert answer.status == 101
    assert answer.values(b"sec-websocket-accept") == [ACCEPT_OF_KEY]
    assert take_all(connection) == [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "early"}]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (OVER_HTTP1._replace(method=b"POST"), 405),
        (OVER_HTTP1._replace(http_version="1.0"), 505),
        (OVER_HTTP1._replace(http_version="3"), 505),
        (OVER_HTTP1._replace(http_version=""), 505),
        (OVER_HTTP1._replace(target=b"*"), 400),
        (OVER_HTTP1._replace(target=b""), 400),
        (OVER_HTTP1._replace(target=b"/a#b"), 400),
        (OVER_HTTP1._replace(headers=[]), 426),
        (without_header(OVER_HTTP1, b"host"), 400),
        (with_header(OVER_HTTP1, b"host", b"other"), 400),
        (without_header(OVER_HTTP1, b"sec-websocket-key"), 400),
        (without_header(OVER_HTTP1, b"sec-websocket-version"), 400),
        (with_header(OVER_HTTP1, b"content-length", b"5"), 400),
        (with_header(OVER_HTTP1, b"content-length", b"rubbish"), 400),
        (with_header(OVER_HTTP1, b"transfer-encoding", b"chunked"), 400),
        (with_header(OVER_HTTP1, b"sec-websocket-protocol", b"\xff"), 400),
        (with_header(OVER_HTTP1, b"sec-websocket-extensions", b";"), 400),
        (with_header(OVER_HTTP1, b"connection", b"\xff"), 400),
    ],
)
@pytest.mark.parametrize("emit_response", [False, True])
def test_a_request_read_elsewhere_is_judged_as_strictly(request_: Request, status: int, emit_response: bool) -> None:
    """Other parsers have other leniencies. The refusal is written, or is a value with its body to be sent."""
    connection = connection_for(request_, emit_response=emit_response)
    assert (connection.state, connection.scope) == (State.LINGERING, None)
    assert connection.response is not None
    assert connection.response.status == status
    written = connection.data_to_send()
    if not emit_response:
        assert written == connection.response.body
        assert (b"content-length", b"%d" % len(written)) in connection.response.headers
    else:
        answer = read_response(written)
        assert (answer.status, answer.body) == (status, connection.response.body)


def test_input_of_any_kind_after_a_refusal_changes_nothing() -> None:
    """Nothing that comes raises or is answered."""
    connection = connection_for(OVER_HTTP1._replace(method=b"POST"))
    connection.data_to_send()
    connection.receive_data(text("x"), now=0.0)
    connection.receive_eof(now=0.0)
    connection.handle_timeout(now=10.0)
    assert (connection.state, connection.data_to_send()) == (State.CLOSED, b"")


# -- the answer as a value


def test_without_emit_response_the_answer_is_a_value_and_only_frames_are_written() -> None:
    """The embedder's HTTP writes status and headers."""
    connection = connection_for(with_header(OVER_HTTP1, b"sec-websocket-extensions", DEFLATE), emit_response=False)
    assert connection.response is None
    send(connection, "websocket.accept", headers=[(b"X-Y", b"z")])
    assert connection.response == Response(
        101,
        [
            (b"upgrade", b"websocket"),
            (b"connection", b"Upgrade"),
            (b"sec-websocket-accept", ACCEPT_OF_KEY),
            (b"sec-websocket-extensions", b"permessage-deflate; server_max_window_bits=12"),
            (b"x-y", b"z"),
        ],
    )
    assert connection.data_to_send() == b""
    connection.receive_data(Compressor().text("hello") + ping(b"p"), now=0.0)
    assert take_all(connection)[1:] == [{"type": "websocket.receive", "text": "hello"}]
    assert read_frames(connection.data_to_send()) == [Frame(PONG, b"p")]


def test_without_emit_response_a_denial_s_body_comes_unframed() -> None:
    """No chunks, no connection header: those are the embedder's HTTP's own, and HTTP/2 has neither."""
    connection = connection_for(OVER_HTTP2, emit_response=False)
    send(connection, "websocket.http.response.start", status=429, headers=[(b"Retry-After", b"5")])
    assert connection.response is None
    send(connection, "websocket.http.response.body", body=b"slow ", more_body=True)
    assert connection.response == Response(429, [(b"retry-after", b"5")])
    assert connection.data_to_send() == b"slow "
    send(connection, "websocket.http.response.body", body=b"down")
    assert connection.data_to_send() == b"down"
    assert connection.closing is Closing.SHUT_DOWN_WRITING


def test_without_emit_response_a_denial_in_one_piece_has_its_length() -> None:
    """It is known then."""
    connection = connection_for(OVER_HTTP1, emit_response=False)
    send(connection, "websocket.http.response.start", status=401)
    send(connection, "websocket.http.response.body", body=b"who?")
    assert connection.response == Response(401, [(b"content-length", b"4")])
    assert connection.data_to_send() == b"who?"


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (lambda c: send(c, "websocket.close"), 403),
        (lambda c: c.application_returned(now=0.0), 500),
        (lambda c: c.application_raised(now=0.0), 500),
        (lambda c: c.handle_timeout(now=20.0), 503),
        (lambda c: c.begin_shutdown(now=0.0), 503),
    ],
)
def test_without_emit_response_every_way_to_refuse_is_a_value(end: Any, status: int) -> None:
    """Over HTTP/1.1 and HTTP/2 the same."""
    for request in (OVER_HTTP1, OVER_HTTP2):
        connection = connection_for(request, emit_response=False)
        end(connection)
        assert connection.response is not None
        assert connection.response.status == status
        assert connection.data_to_send() == connection.response.body


# -- HTTP/2


def test_over_http2_the_answer_is_200_without_the_upgrade_s_fields() -> None:
    """RFC 8441 5: no Upgrade, no Connection, no key and no accept value; subprotocol and extensions as ever."""
    request = with_header(OVER_HTTP2, b"sec-websocket-extensions", DEFLATE)
    connection = connection_for(request, emit_response=False)
    assert connection.scope is not None
    assert connection.scope["http_version"] == "2"
    assert connection.scope["subprotocols"] == ["chat", "superchat"]
    assert (connection.scope["path"], connection.scope["query_string"]) == ("/chat", b"x=1")
    assert connection.scope["headers"] == request.headers
    send(connection, "websocket.accept", subprotocol="superchat")
    assert connection.response == Response(
        200,
        [
            (b"sec-websocket-protocol", b"superchat"),
            (b"sec-websocket-extensions", b"permessage-deflate; server_max_window_bits=12"),
        ],
    )
    assert connection.data_to_send() == b""


def test_over_http2_frames_are_as_over_http1() -> None:
    """RFC 8441 5: the stream carries what the TCP connection would, masks included."""
    connection = connection_for(OVER_HTTP2, emit_response=False)
    send(connection, "websocket.accept")
    connection.receive_data(text("hello") + close(1000, "bye"), now=0.0)
    assert connection.next_message(now=0.0) == {"type": "websocket.connect"}
    assert connection.next_message(now=0.0) == {"type": "websocket.receive", "text": "hello"}
    send(connection, "websocket.send", bytes=b"answer")
    assert take_all(connection) == [{"type": "websocket.disconnect", "code": 1000, "reason": "bye"}]
    frames = read_frames(connection.data_to_send())
    assert frames == [Frame(BINARY, b"answer"), Frame(CLOSE, b"\x03\xe8bye")]


def test_over_http2_an_unmasked_frame_fails_with_1002() -> None:
    """RFC 8441 changes nothing about frames."""
    connection = connection_for(OVER_HTTP2, emit_response=False)
    send(connection, "websocket.accept")
    connection.receive_data(text("x", mask=None), now=0.0)
    assert read_frames(connection.data_to_send()) == [Frame(CLOSE, b"\x03\xeaprotocol error")]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (OVER_HTTP2._replace(method=b"GET"), 405),
        (without_header(OVER_HTTP2, b"sec-websocket-version"), 400),
        (without_header(OVER_HTTP2, b"host"), 400),
        (OVER_HTTP2._replace(headers=[(b"host", b"h"), (b"sec-websocket-version", b"8")]), 400),
        (OVER_HTTP2._replace(target=b"h:443"), 400),
        (with_header(OVER_HTTP2, b"sec-websocket-protocol", b"a b"), 400),
        (with_header(OVER_HTTP2, b"content-length", b"1"), 400),
    ],
)
def test_over_http2_the_rest_of_the_handshake_is_judged_as_ever(request_: Request, status: int) -> None:
    """RFC 8441 5: Host, Origin, version, protocol and extensions keep their meaning. The method is CONNECT."""
    connection = connection_for(request_, emit_response=False)
    assert connection.response is not None
    assert (connection.response.status, connection.scope) == (status, None)


def test_over_http2_no_refusal_names_a_field_of_the_connection() -> None:
    """RFC 9113 8.2.2: connection-specific fields make a response malformed there."""
    refused = [
        OVER_HTTP2._replace(method=b"GET"),
        without_header(OVER_HTTP2, b"host"),
        OVER_HTTP2._replace(headers=[(b"host", b"h"), (b"sec-websocket-version", b"8")]),
    ]
    for request in refused:
        connection = connection_for(request, emit_response=False)
        assert connection.response is not None
        names = {name for name, _ in connection.response.headers}
        assert not names & {b"connection", b"upgrade", b"transfer-encoding", b"keep-alive"}
    connection = connection_for(OVER_HTTP2, emit_response=False)
    send(connection, "websocket.close")
    assert connection.response is not None
    assert b"connection" not in dict(connection.response.headers)


def test_a_client_that_left_before_the_accept_is_told_of_as_ever() -> None:
    """E27, for a request read elsewhere."""
    connection = connection_for(OVER_HTTP2, emit_response=False)
    connection.connection_lost(now=0.0)
    with pytest.raises(ClientDisconnected):
        send(connection, "websocket.accept")
    assert [message["type"] for message in take_all(connection)] == ["websocket.connect", "websocket.disconnect"]


def test_a_refused_accept_leaves_no_answer_behind() -> None:
    """I10: the answer's value is an output too."""
    connection = connection_for(OVER_HTTP2, emit_response=False)
    with pytest.raises(InvalidMessage):
        send(connection, "websocket.accept", subprotocol="not offered")
    assert (connection.response, connection.state) == (None, State.AWAITING_ACCEPT)
    send(connection, "websocket.accept", subprotocol="chat")
    assert connection.response is not None
    send(connection, "websocket.send", text="x")
    assert read_frames(connection.data_to_send()) == [Frame(TEXT, b"x")]
