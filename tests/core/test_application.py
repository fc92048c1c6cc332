"""The application's side: which message is allowed when, what it does, and what the application is told."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.core.peer import BINARY, CLOSE, TEXT, Client, Frame, close, frame, head, ping, pong, read_response, text
from wscore import (
    ClientDisconnected,
    Closing,
    Config,
    InvalidMessage,
    LocalProtocolError,
    ServerConnection,
    State,
)
from wscore._core.close import is_sendable

ACCEPT = {"type": "websocket.accept"}
RESPONSE_START = {"type": "websocket.http.response.start", "status": 418, "headers": [(b"x-pot", b"tea")]}
BODY = {"type": "websocket.http.response.body", "body": b"short and stout", "more_body": True}
LAST_BODY = {"type": "websocket.http.response.body", "body": b"the end"}
SEND = {"type": "websocket.send", "text": "hello"}


def snapshot(connection: ServerConnection) -> tuple[Any, ...]:
    """All that can be seen of a connection from outside."""
    return (
        connection.state,
        connection.output_size,
        connection.next_timeout(),
        connection.wants_read,
        connection.closing,
        connection.has_message,
        connection.close_info,
        connection.response,
        connection.stats.messages_sent,
    )


def refuses(client: Client, message: Any, error: type[Exception]) -> Exception:
    """The connection refuses `message` with exactly this error, and is as it was before (I10)."""
    before = snapshot(client.connection)
    with pytest.raises((LocalProtocolError, InvalidMessage, ClientDisconnected)) as caught:
        client.connection.send(message, now=client.now)
    assert type(caught.value) is error
    assert snapshot(client.connection) == before
    assert client.connection.data_to_send() == b""
    return caught.value


def close_frame(code: int, reason: str = "") -> Frame:
    return Frame(CLOSE, code.to_bytes(2) + reason.encode())


# -- the states of the table of messages, and how one gets there


def deciding(config: Config | None = None) -> Client:
    client = Client(config)
    client.sends(head())
    assert client.app_receives() == [{"type": "websocket.connect"}]
    return client


def denying() -> Client:
    client = deciding()
    client.app_sends(**_keys(RESPONSE_START))
    return client


def denial_started() -> Client:
    client = denying()
    client.app_sends(**_keys(BODY))
    client.reads()
    return client


def opened(config: Config | None = None) -> Client:
    client = Client(config)
    client.opens()
    return client


def _keys(message: dict[str, Any]) -> dict[str, Any]:
    return {"kind" if key == "type" else key: value for key, value in message.items()}


def _then(make: Callable[..., Client], *steps: Callable[[Client], Any]) -> Callable[[], Client]:
    def build() -> Client:
        client = make()
        for step in steps:
            step(client)
        client.reads()
        return client

    return build


def shuts_down(client: Client) -> None:
    client.connection.begin_shutdown(now=client.now)


def is_lost(client: Client) -> None:
    client.connection.connection_lost(now=client.now)


def times_out(client: Client) -> None:
    """The clock jumps to the next deadline, and what is due happens."""
    deadline = client.connection.next_timeout()
    assert deadline is not None
    client.now = deadline
    client.connection.handle_timeout(now=client.now)


def returns(client: Client) -> None:
    client.connection.application_returned(now=client.now)


def closes(client: Client) -> None:
    client.app_sends("websocket.close", code=3000)


LIVING: dict[str, Callable[[], Client]] = {
    "AWAITING_ACCEPT": deciding,
    "RESPONSE_PENDING": denying,
    "RESPONSE_STREAMING": denial_started,
    "OPEN": opened,
}
CLOSED_BY_THE_APPLICATION: dict[str, Callable[[], Client]] = {
    "closed-before-accept": _then(deciding, lambda c: c.app_sends("websocket.close")),
    "denied": _then(denial_started, lambda c: c.app_sends(**_keys(LAST_BODY))),
    "closed": _then(opened, closes),
    "closed-and-answered": _then(opened, closes, lambda c: c.sends(close(3000))),
    "closed-and-overdue": _then(opened, closes, times_out),
    "closed-and-lost": _then(opened, closes, is_lost),
    "closed-in-shutdown": _then(opened, closes, shuts_down),
    "returned-unanswered": _then(deciding, returns),
    "returned": _then(opened, returns),
}
ENDED_BY_OTHERS: dict[str, Callable[[], Client]] = {
    "eof-before-accept": _then(deciding, lambda c: c.ends_its_stream()),
    "loss-before-accept": _then(deciding, is_lost),
    "overdue-before-accept": _then(deciding, times_out),
    "shutdown-before-accept": _then(deciding, shuts_down),
    "eof-while-denying": _then(denying, lambda c: c.ends_its_stream()),
    "shutdown-while-denying": _then(denying, shuts_down),
    "overdue-while-denying": _then(denying, times_out),
    "loss-in-denial": _then(denial_started, is_lost),
    "eof-in-denial": _then(denial_started, lambda c: c.ends_its_stream()),
    "overdue-in-denial": _then(denial_started, times_out),
    "peer-closed": _then(opened, lambda c: c.sends(close(1001))),
    "peer-closed-without-code": _then(opened, lambda c: c.sends(close())),
    "violation": _then(opened, lambda c: c.sends(text("unmasked", mask=None))),
    "keepalive": _then(opened, times_out, times_out),
    "shutdown": _then(opened, shuts_down),
    "eof": _then(opened, lambda c: c.ends_its_stream()),
    "loss": _then(opened, is_lost),
}
STATES = LIVING | CLOSED_BY_THE_APPLICATION | ENDED_BY_OTHERS

MESSAGES: dict[str, dict[str, Any]] = {
    "accept": ACCEPT,
    "close": {"type": "websocket.close", "code": 3001, "reason": "bye"},
    "response.start": RESPONSE_START,
    "response.body": BODY,
    "last-response.body": LAST_BODY,
    "send": SEND,
}

# edge-cases' table, cell by cell: what comes of a message in a state. x: LocalProtocolError; CD: ClientDisconnected.
TABLE: dict[str, dict[str, str]] = {
    "AWAITING_ACCEPT": {"accept": "101", "close": "403", "response.start": "held"},
    "RESPONSE_PENDING": {"response.body": "head and body", "last-response.body": "whole response"},
    "RESPONSE_STREAMING": {"response.body": "body", "last-response.body": "last body"},
    "OPEN": {"close": "close frame", "send": "frame"},
}
CELLS = [
    pytest.param(state, message, cell, id=f"{state}-{message}")
    for state in STATES
    for message in MESSAGES
    for cell in [TABLE.get(state, {}).get(message, "CD" if state in ENDED_BY_OTHERS else "x")]
]


@pytest.mark.parametrize(("state", "message", "cell"), CELLS)
def test_message_by_state(state: str, message: str, cell: str):
    """In each state each message does what the table of application messages by state says, or is refused."""
    client = STATES[state]()
    client.reads()
    if cell in ("x", "CD"):
        error = refuses(client, MESSAGES[message], LocalProtocolError if cell == "x" else ClientDisconnected)
        if cell == "x":
            assert MESSAGES[message]["type"] in str(error)
            assert client.connection.state.name in str(error)
            assert "allowed: " in str(error)
        return
    client.app_sends(**_keys(MESSAGES[message]))
    state_after = client.connection.state
    match cell:
        case "101":
            assert client.reads_response().status == 101
            assert state_after is State.OPEN
        case "403":
            answer = client.reads_response()
            assert (answer.status, answer.values(b"connection")) == (403, [b"close"])
            assert state_after is State.LINGERING
        case "held":
            assert client.reads() == b""
            assert state_after is State.RESPONSE_PENDING
        case "head and body":
            written = client.reads()
            assert written.startswith(b"HTTP/1.1 418 ")
            assert written.endswith(b"\r\n\r\nf\r\nshort and stout\r\n")
            assert state_after is State.RESPONSE_STREAMING
        case "whole response":
            answer = client.reads_response()
            assert (answer.status, answer.body, answer.values(b"x-pot")) == (418, b"the end", [b"tea"])
            assert answer.values(b"content-length") == [b"7"]
            assert state_after is State.LINGERING
        case "body":
            assert client.reads() == b"f\r\nshort and stout\r\n"
            assert state_after is State.RESPONSE_STREAMING
        case "last body":
            assert client.reads() == b"7\r\nthe end\r\n0\r\n\r\n"
            assert state_after is State.LINGERING
        case "close frame":
            assert client.reads_frames() == [close_frame(3001, "bye")]
            assert state_after is State.CLOSE_SENT
        case "frame":
            assert client.reads_frames() == [Frame(TEXT, b"hello")]
            assert state_after is State.OPEN


# The state's name, what the peer gets when the application returns there, and when it raises.
ENDS = [
    ("AWAITING_ACCEPT", "500", "500"),
    ("RESPONSE_PENDING", "500", "500"),
    ("RESPONSE_STREAMING", "abort", "abort"),
    ("OPEN", "1000", "1011"),
    *((state, "nothing", "nothing") for state in CLOSED_BY_THE_APPLICATION | ENDED_BY_OTHERS),
]


@pytest.mark.parametrize(
    ("state", "end", "cell"),
    [
        pytest.param(state, end, cell, id=f"{state}-{end}")
        for state, when_returned, when_raised in ENDS
        for end, cell in (("returns", when_returned), ("raises", when_raised))
    ],
)
def test_end_by_state(state: str, end: str, cell: str):
    """In each state the application's return and its failure do what the table says, and once."""
    client = STATES[state]()
    client.reads()
    before = client.connection.state
    ending = client.connection.application_returned if end == "returns" else client.connection.application_raised
    ending(now=client.now)
    after = client.connection.state
    match cell:
        case "500":
            answer = client.reads_response()
            assert (answer.status, answer.values(b"connection")) == (500, [b"close"])
            assert after is State.LINGERING
        case "abort":
            assert client.reads() == b""
            assert client.connection.closing is Closing.ABORT
            assert after is State.CLOSED
        case "1000" | "1011":
            assert client.reads_frames() == [close_frame(int(cell), "" if cell == "1000" else "internal error")]
            assert after is State.CLOSE_SENT
        case "nothing":
            assert client.reads() == b""
            assert after is before
    ending(now=client.now)
    assert client.connection.state is after
    assert client.reads() == b""


# -- the codes that the application sees


@pytest.mark.parametrize(
    ("state", "code", "reason"),
    [
        ("peer-closed", 1001, ""),
        ("peer-closed-without-code", 1005, ""),
        ("eof", 1006, "end of stream without a close frame"),
        ("loss", 1006, "connection lost"),
        ("keepalive", 1006, "keepalive ping timeout"),
        ("closed-before-accept", 1006, "closed before the accept"),
        ("denied", 1006, "denied before the accept"),
        ("eof-before-accept", 1006, "end of stream without a close frame"),
        ("loss-before-accept", 1006, "connection lost"),
        ("overdue-before-accept", 1006, "answer overdue"),
        ("overdue-while-denying", 1006, "response body overdue"),
        ("overdue-in-denial", 1006, "response body overdue"),
        ("loss-in-denial", 1006, "connection lost"),
        ("returned-unanswered", 1006, "application returned without an answer"),
        ("violation", 1002, "protocol error"),
        ("closed", 3000, ""),
        ("closed-and-answered", 3000, ""),
        ("closed-and-lost", 3000, ""),
        ("returned", 1000, ""),
        ("shutdown", 1012, ""),
        ("shutdown-before-accept", 1012, ""),
        ("shutdown-while-denying", 1012, ""),
    ],
)
def test_code_that_the_application_sees(state: str, code: int, reason: str):
    """Each cause of an end has its code and reason in `websocket.disconnect`, and `close_info` has the same."""
    client = STATES[state]()
    messages = client.app_receives()
    assert messages == [{"type": "websocket.disconnect", "code": code, "reason": reason}]
    assert type(messages[0]["code"]) is int
    info = client.connection.close_info
    assert info is not None
    assert (info.code, info.reason) == (code, reason)


def test_why_a_connection_was_lost():
    """The disconnect says it, and so does what a send raises, which has it as its cause."""
    client = opened()
    error = ConnectionResetError(104, "Connection reset by peer")
    client.connection.connection_lost(now=0, error=error)
    reason = "connection lost: Connection reset by peer"
    for ask in (client.connection.check_delivery, lambda: client.app_sends("websocket.send", text="x")):
        with pytest.raises(ClientDisconnected) as gone:
            ask()
        assert (gone.value.code, gone.value.reason, gone.value.__cause__) == (1006, reason, error)
    assert client.app_receives() == [{"type": "websocket.disconnect", "code": 1006, "reason": reason}]


@pytest.mark.parametrize(
    ("sent", "code", "reason"),
    [
        (text("x", rsv=0b010), 1002, "protocol error"),
        (frame(TEXT, b"\xc0\x80"), 1007, "invalid payload"),
        (frame(BINARY, b"", announces=101, length_in=7), 1009, "message too big"),
    ],
    ids=["1002", "1007", "1009"],
)
def test_a_failure_found_here_has_the_code_that_was_sent(sent: bytes, code: int, reason: str):
    """A peer that breaks the protocol or a limit and the application hear the same code and reason."""
    client = opened(Config(max_message_size=100))
    client.sends(sent)
    assert client.reads_frames() == [close_frame(code, reason)]
    assert client.app_receives() == [{"type": "websocket.disconnect", "code": code, "reason": reason}]


def test_the_peers_reason_reaches_the_application():
    """A peer's close frame gives the application its code and its reason."""
    client = opened()
    client.sends(close(4001, "käse"))
    assert client.app_receives() == [{"type": "websocket.disconnect", "code": 4001, "reason": "käse"}]


def test_shutdown_code_and_reason_are_the_operators():
    """A shutdown has code 1012, or the one that it is begun with, and the reason given."""
    client = opened()
    client.connection.begin_shutdown(now=0, reason="deploy")
    assert client.reads_frames() == [close_frame(1012, "deploy")]
    assert client.app_receives() == [{"type": "websocket.disconnect", "code": 1012, "reason": "deploy"}]
    other = deciding()
    other.connection.begin_shutdown(now=0, code=3456)
    assert other.reads_response().status == 503
    assert other.app_receives() == [{"type": "websocket.disconnect", "code": 3456, "reason": ""}]


# -- the cases


def test_a1_send_before_accept():
    """A1: a send before the accept is an error that changes nothing; the application's exception then gives 500."""
    client = deciding()
    refuses(client, SEND, LocalProtocolError)
    client.connection.application_raised(now=0)
    assert client.reads_response().status == 500


def test_a2_accept_twice():
    """A2: a second accept is an error, and the connection goes on."""
    client = opened()
    refuses(client, ACCEPT, LocalProtocolError)
    client.app_sends("websocket.send", text="still here")
    client.sends(text("so am I"))
    assert client.reads_frames() == [Frame(TEXT, b"still here")]
    assert client.app_receives() == [{"type": "websocket.receive", "text": "so am I"}]


@pytest.mark.parametrize(
    "keys",
    [{}, {"text": None, "bytes": None}, {"text": "a", "bytes": b"a"}, {"text": "", "bytes": b""}],
    ids=["neither", "both-none", "both", "both-empty"],
)
def test_a3_both_or_neither(keys: dict[str, Any]):
    """A3: a message with both or neither of text and bytes is malformed."""
    refuses(opened(), {"type": "websocket.send", **keys}, InvalidMessage)


@pytest.mark.parametrize(
    ("keys", "sent"),
    [
        ({"text": "a", "bytes": None}, Frame(TEXT, b"a")),
        ({"text": None, "bytes": b"a"}, Frame(BINARY, b"a")),
        ({"text": ""}, Frame(TEXT, b"")),
        ({"bytes": b""}, Frame(BINARY, b"")),
    ],
)
def test_a3_one_of_both(keys: dict[str, Any], sent: Frame):
    """A3: None stands for a key that is absent, and an empty message is one."""
    client = opened()
    client.app_sends("websocket.send", **keys)
    assert client.reads_frames() == [sent]


@pytest.mark.parametrize("keys", [{"text": b"a"}, {"bytes": "a"}, {"text": 1}, {"bytes": [1]}])
def test_payloads_of_a_wrong_type(keys: dict[str, Any]):
    """A text that is no str and bytes that are none are malformed."""
    refuses(opened(), {"type": "websocket.send", **keys}, InvalidMessage)


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb"])
def test_a4_lone_surrogate(text: str):
    """A4: a text with a lone surrogate is malformed, and nothing is written."""
    refuses(opened(), {"type": "websocket.send", "text": text}, InvalidMessage)


@pytest.mark.parametrize(
    "header",
    [
        (b"x", b"a\r\nset-cookie: b"),
        (b"x", b"a\nb"),
        (b"x", b"a\rb"),
        (b"x", b"a\0b"),
        (b"x\r\ny", b"a"),
        (b"x y", b"a"),
        (b"", b"a"),
        (b":status", b"200"),
        (b"Sec-WebSocket-Accept", b"a"),
        (b"sec-websocket-protocol", b"chat"),
        (b"sec-websocket-extensions", b"permessage-deflate"),
        (b"Connection", b"close"),
        (b"upgrade", b"websocket"),
        (b"content-length", b"0"),
        (b"transfer-encoding", b"chunked"),
        ("x", b"a"),
        (b"x", "a"),
        (b"x",),
        (b"x", b"a", b"b"),
        None,
        7,
    ],
    ids=repr,
)
def test_a5_accept_headers(header: Any):
    """A5: an accept with a header that would corrupt the answer is malformed; the client then gets a real 500."""
    client = deciding()
    refuses(client, {"type": "websocket.accept", "headers": [header]}, InvalidMessage)
    client.connection.application_raised(now=0)
    assert client.reads_response().status == 500


def test_a5_headers_that_are_no_list():
    """A5: headers that are no pairs are malformed."""
    refuses(deciding(), {"type": "websocket.accept", "headers": 5}, InvalidMessage)


def test_a5_the_applications_own_headers_stand_in_the_101():
    """A5: other headers stand in the answer in their order, names in lower case, duplicates kept."""
    client = Client()
    answer = client.opens(headers=[(b"Set-Cookie", b"a=1"), (b"set-cookie", b"b=\xe9"), [b"x-empty", b""]])
    assert answer.values(b"set-cookie") == [b"a=1", b"b=\xe9"]
    assert answer.values(b"x-empty") == [b""]


@pytest.mark.parametrize("subprotocol", ["chat", b"superchat", 7, "Superchat"], ids=repr)
def test_a6_subprotocol_not_offered(subprotocol: Any):
    """A6: an accept with a subprotocol that the client did not offer is malformed; the client then gets a 500."""
    client = Client()
    client.sends(head(b"Sec-WebSocket-Protocol: superchat"))
    refuses(client, {"type": "websocket.accept", "subprotocol": subprotocol}, InvalidMessage)
    client.connection.application_raised(now=0)
    assert client.reads_response().status == 500


@pytest.mark.parametrize(("given", "answered"), [("two", [b"two"]), (None, []), ("", [])])
def test_a6_subprotocol_offered(given: str | None, answered: list[bytes]):
    """A6: one that was offered stands in the answer; None and "" choose none, and no header is sent."""
    client = Client()
    answer = client.opens(head(b"Sec-WebSocket-Protocol: one, two"), subprotocol=given)
    assert answer.values(b"sec-websocket-protocol") == answered


@pytest.mark.parametrize("keys", [{}, {"code": 4000, "reason": "no"}], ids=["bare", "with code"])
def test_a7_close_before_accept(keys: dict[str, Any]):
    """A7: a close before the accept is answered with 403 and the end of the TCP connection."""
    client = deciding()
    client.app_sends("websocket.close", **keys)
    answer = client.reads_response()
    assert (answer.status, answer.values(b"connection"), answer.body) == (403, [b"close"], b"")
    assert client.connection.closing is Closing.SHUT_DOWN_WRITING


def test_a8_denial_without_a_body():
    """A8: a denial's start was not written yet when the application returns without a body: 500."""
    client = denying()
    client.connection.application_returned(now=0)
    assert client.reads_response().status == 500


def test_a9_body_message_without_body():
    """A9: a body message without `body` has an empty one, and without `more_body` it is the last."""
    client = denying()
    client.app_sends("websocket.http.response.body")
    answer = client.reads_response()
    assert (answer.status, answer.body, answer.values(b"content-length")) == (418, b"", [b"0"])


def test_a9_an_empty_piece_does_not_end_the_body():
    """A9: an empty body with more to come is no last chunk."""
    client = denying()
    client.app_sends("websocket.http.response.body", more_body=True)
    client.app_sends("websocket.http.response.body", body=b"a", more_body=True)
    client.app_sends("websocket.http.response.body", body=None, more_body=True)
    client.app_sends("websocket.http.response.body", body=b"b")
    answer = client.reads_response()
    assert answer.body == b"ab"


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("length", [[], [(b"content-length", b"3")]], ids=["no length", "with length"])
def test_a10_no_body(status: int, length: list[tuple[bytes, bytes]]):
    """A10: a denial with 204 or 304 has no body, whatever the application sends for one."""
    client = deciding()
    client.app_sends("websocket.http.response.start", status=status, headers=length)
    client.app_sends("websocket.http.response.body", body=b"abc", more_body=True)
    client.app_sends("websocket.http.response.body", body=b"defg")
    written = client.reads()
    assert written.endswith(b"\r\n\r\n")
    answer = read_response(written)
    assert (answer.status, answer.body, answer.values(b"transfer-encoding")) == (status, b"", [])
    # RFC 9110 8.6: never in a 204; in a 304 it says what a 200 would have had.
    assert answer.values(b"content-length") == ([b"3"] if length and status == 304 else [])


@pytest.mark.parametrize("status", [100, 101, 199, 0, 600, 1000, "403", None, True, 403.0], ids=repr)
def test_a10_impossible_status(status: Any):
    """A10: a denial with 1xx, 101 or what is no status is malformed."""
    client = deciding()
    refuses(client, {"type": "websocket.http.response.start", "status": status}, InvalidMessage)
    refuses(client, {"type": "websocket.http.response.start"}, InvalidMessage)


@pytest.mark.parametrize(
    "lengths", [[b"x"], [b"-1"], [b""], [b"1", b"2"], [b"9" * 5000], [b"\xb2"]], ids=lambda v: repr(v)[:20]
)
def test_a10_content_length_that_is_no_number(lengths: list[bytes]):
    """A10: a content-length that is not one number is malformed."""
    headers = [(b"content-length", length) for length in lengths]
    message = {"type": "websocket.http.response.start", "status": 403, "headers": headers}
    refuses(deciding(), message, InvalidMessage)


@pytest.mark.parametrize(
    "body", [{"body": b"12345"}, {"body": b"12345", "more_body": True}, {"body": b"123"}], ids=["long", "more", "short"]
)
def test_a10_content_length_that_does_not_match(body: dict[str, Any]):
    """A10: a body that its content-length does not match is refused; the application's end then gives a 500."""
    client = deciding()
    client.app_sends("websocket.http.response.start", status=403, headers=[(b"Content-Length", b"4")])
    refuses(client, {"type": "websocket.http.response.body", **body}, InvalidMessage)
    client.connection.application_returned(now=0)
    assert client.reads_response().status == 500


def test_a10_content_length_that_does_not_match_once_written():
    """A10: with the head written, a body that does not match is refused, and the application's end then aborts."""
    client = deciding()
    client.app_sends("websocket.http.response.start", status=403, headers=[(b"content-length", b"4")])
    client.app_sends("websocket.http.response.body", body=b"12", more_body=True)
    client.reads()
    refuses(client, {"type": "websocket.http.response.body", "body": b"345"}, InvalidMessage)
    refuses(client, {"type": "websocket.http.response.body", "body": b"3"}, InvalidMessage)
    client.connection.application_raised(now=0)
    assert client.reads() == b""
    assert client.connection.closing is Closing.ABORT


def test_a10_content_length_that_matches():
    """A10: a body that matches its content-length is written as it is, not chunked."""
    client = deciding()
    client.app_sends("websocket.http.response.start", status=599, headers=[(b"content-length", b"4")])
    client.app_sends("websocket.http.response.body", body=b"12", more_body=True)
    client.app_sends("websocket.http.response.body", body=b"34")
    answer = client.reads_response()
    assert (answer.status, answer.body, answer.values(b"transfer-encoding")) == (599, b"1234", [])


def test_a10_connection_headers_of_a_denial_are_the_servers():
    """A10: how the body is delimited and what becomes of the connection is the server's affair."""
    client = deciding()
    client.app_sends(
        "websocket.http.response.start",
        status=401,
        headers=[(b"Connection", b"keep-alive"), (b"Transfer-Encoding", b"gzip"), (b"www-authenticate", b"Basic")],
    )
    client.app_sends("websocket.http.response.body", body=b"no")
    answer = client.reads_response()
    assert answer.values(b"connection") == [b"close"]
    assert answer.values(b"transfer-encoding") == []
    assert answer.values(b"www-authenticate") == [b"Basic"]


def test_a11_denials_in_the_wrong_order():
    """A11: a body before its start and an accept after a start are errors, and the denial can still be finished."""
    client = deciding()
    refuses(client, BODY, LocalProtocolError)
    client.app_sends(**_keys(RESPONSE_START))
    refuses(client, ACCEPT, LocalProtocolError)
    client.app_sends(**_keys(LAST_BODY))
    assert client.reads_response().status == 418


def test_a11_denials_stream():
    """A11: each body message of a denial is written as it comes."""
    client = denying()
    client.app_sends("websocket.http.response.body", body=b"one", more_body=True)
    assert client.reads().endswith(b"\r\n\r\n3\r\none\r\n")
    client.app_sends("websocket.http.response.body", body=b"three", more_body=True)
    assert client.reads() == b"5\r\nthree\r\n"
    client.app_sends("websocket.http.response.body")
    assert client.reads() == b"0\r\n\r\n"


@pytest.mark.parametrize("leaves", [Client.ends_its_stream, is_lost], ids=["eof", "loss"])
def test_a11_a_client_that_leaves_meanwhile(leaves: Callable[[Client], None]):
    """A11: a client that leaves in the middle of a denial: the next body raises ClientDisconnected."""
    client = denial_started()
    leaves(client)
    refuses(client, BODY, ClientDisconnected)


def test_a12_close_twice_and_send_after_close():
    """A12: after its own close an application may send nothing; the client reads one close frame."""
    client = opened()
    client.app_sends("websocket.close")
    refuses(client, {"type": "websocket.close"}, LocalProtocolError)
    refuses(client, SEND, LocalProtocolError)
    client.sends(close(1000))
    refuses(client, SEND, LocalProtocolError)
    assert client.reads_frames() == [close_frame(1000)]


def test_a13_receive_after_the_own_close():
    """A13: after its own close the application receives a disconnect with its own code, even before the echo."""
    client = opened()
    client.app_sends("websocket.close", code=3333, reason="mine")
    assert client.app_receives() == [{"type": "websocket.disconnect", "code": 3333, "reason": "mine"}]
    client.sends(close(1001, "yours"))
    assert client.app_receives() == []


def test_a13_receive_after_the_disconnect():
    """A13: waiting for a message after the disconnect would be in vain: LocalProtocolError."""
    client = opened()
    client.connection.check_receive()
    client.app_sends("websocket.close")
    client.connection.check_receive()
    client.app_receives()
    with pytest.raises(LocalProtocolError, match=r"websocket\.disconnect"):
        client.connection.check_receive()


def test_a14_both_sides_close_at_once():
    """A14: two close frames that cross are a clean close: one disconnect, no second close frame."""
    client = opened()
    client.app_sends("websocket.close", code=3000)
    client.sends(close(4000))
    assert client.reads_frames() == [close_frame(3000)]
    assert client.app_receives() == [{"type": "websocket.disconnect", "code": 3000, "reason": ""}]
    info = client.connection.close_info
    assert info is not None
    assert (info.cause, info.clean) == ("application", True)
    assert client.connection.closing is Closing.SHUT_DOWN_WRITING


def test_a15_return_with_unread_messages():
    """A15: an application that returns with messages unread: they are dropped, and 1000 is sent."""
    client = opened()
    client.sends(text("one"), text("two"))
    client.connection.application_returned(now=0)
    assert client.reads_frames() == [close_frame(1000)]
    assert client.app_receives() == [{"type": "websocket.disconnect", "code": 1000, "reason": ""}]


def test_a15_return_with_a_full_inbox():
    """A15: likewise where so much was unread that reading had paused; the closing handshake can then go on."""
    client = opened(Config(max_queue=2))
    client.sends(*[text("more")] * 5, ping(b"late"), close(1001))
    assert not client.connection.wants_read
    client.connection.application_returned(now=0)
    assert client.reads_frames() == [close_frame(1000)]
    assert client.connection.state is State.LINGERING
    assert client.app_receives() == [{"type": "websocket.disconnect", "code": 1000, "reason": ""}]


def test_a15_return_with_a_full_inbox_on_a_lost_connection():
    """A15: likewise on a connection that is lost already: nothing that lay unread follows the disconnect (I3)."""
    client = opened(Config(max_queue=2))
    client.sends(*[text("more")] * 5)
    client.connection.connection_lost(now=0)
    client.connection.application_returned(now=0)
    assert [each["type"] for each in client.app_receives()] == ["websocket.disconnect"]


def test_a16_cancelled():
    """A16: a cancelled application closes with 1011; the TCP connection is closed within the close timeout."""
    client = opened(Config(close_timeout=3))
    client.connection.application_raised(now=0)
    assert client.reads_frames() == [close_frame(1011, "internal error")]
    assert client.connection.next_timeout() == 3
    client.connection.handle_timeout(now=3)
    assert client.connection.closing is Closing.ABORT


def test_a16_cancelled_in_a_shutdown():
    """A16: in a shutdown the close frame has said 1012 already, and the cancelled application adds nothing."""
    client = opened()
    client.connection.begin_shutdown(now=0)
    client.connection.application_raised(now=1)
    assert client.reads_frames() == [close_frame(1012)]
    assert client.connection.next_timeout() == 10


def test_a17_the_disconnect_comes_last():
    """A17: the disconnect comes after all messages that were completed before the close."""
    client = opened()
    client.sends(text("one"), frame(TEXT, b"unfinished", fin=False), close(1001))
    assert client.app_receives() == [
        {"type": "websocket.receive", "text": "one"},
        {"type": "websocket.disconnect", "code": 1001, "reason": ""},
    ]


def test_a17_the_disconnect_of_a_lost_connection_comes_last():
    """A17: a connection that is lost: what had arrived can still be read, and then the disconnect."""
    client = opened(Config(max_queue=2))
    client.sends(text("one"), text("two"), text("three"))
    client.connection.connection_lost(now=0)
    assert [message.get("text", message["type"]) for message in client.app_receives()] == [
        "one",
        "two",
        "three",
        "websocket.disconnect",
    ]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview], ids=lambda kind: kind.__name__)
def test_a18_buffers_as_payload(kind: Callable[[bytearray], Any]):
    """A18: bytes, bytearray and memoryview are sent alike, as they are at the time of the send."""
    client = opened()
    buffer = bytearray(b"before")
    client.connection.send({"type": "websocket.send", "bytes": kind(buffer)}, now=0)
    buffer[:] = b"AFTER!"
    assert client.reads_frames() == [Frame(BINARY, b"before")]


def test_a18_a_strided_memoryview():
    """A18: a memoryview with gaps is sent as the bytes that it shows."""
    client = opened()
    client.app_sends("websocket.send", bytes=memoryview(b"a-b-c-")[::2])
    assert client.reads_frames() == [Frame(BINARY, b"abc")]


def test_a18_a_response_start_that_changes_later():
    """A18: headers that the application changes after the denial's start, which is held, are written unchanged."""
    client = deciding()
    value = bytearray(b"before")
    headers: list[Any] = [(b"x", value)]
    message = {"type": "websocket.http.response.start", "status": 403, "headers": headers}
    client.connection.send(message, now=0)
    value[:] = b"AFTER!"
    headers.append((b"y", b"\r\n"))
    message["status"] = 101
    client.app_sends("websocket.http.response.body", body=bytearray(b"body"))
    answer = client.reads_response()
    assert (answer.status, answer.values(b"x"), answer.values(b"y"), answer.body) == (403, [b"before"], [], b"body")


def test_a18_a_scope_that_changes_later():
    """A18: a scope that the application changes does not change what the client offered."""
    client = deciding()
    scope = client.connection.scope
    assert scope is not None
    scope["subprotocols"].append("mine")
    refuses(client, {"type": "websocket.accept", "subprotocol": "mine"}, InvalidMessage)


@pytest.mark.parametrize(
    "message",
    [
        {"type": "websocket.unknown"},
        {"type": "websocket.receive", "text": "a"},
        {"type": "http.response.start", "status": 200},
        {"type": None},
        {"type": 5},
        {"type": b"websocket.send"},
        {"type": ["websocket.send"]},
        {},
        None,
        "websocket.accept",
        [("type", "websocket.accept")],
    ],
    ids=repr,
)
@pytest.mark.parametrize("state", LIVING)
def test_a19_unknown_type(state: str, message: Any):
    """A19: a message of an unknown type, of none, or that is no mapping is malformed in every state."""
    client = LIVING[state]()
    client.reads()
    refuses(client, message, InvalidMessage)


@pytest.mark.parametrize("code", ["1000", 1000.0, b"1000", True, [1000]], ids=repr)
def test_a19_code_of_a_wrong_type(code: Any):
    """A19: a close code that is no int is malformed."""
    for client in (opened(), deciding()):
        refuses(client, {"type": "websocket.close", "code": code}, InvalidMessage)


@pytest.mark.parametrize("code", [0, -1, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 70000])
def test_a19_code_that_must_not_be_sent(code: int):
    """A19: a close code that must not stand in a close frame is malformed."""
    assert not is_sendable(code)
    refuses(opened(), {"type": "websocket.close", "code": code}, InvalidMessage)


@pytest.mark.parametrize("reason", [b"bye", 7, "\ud800", "a" * 124, "ä" * 62], ids=lambda reason: repr(reason)[:12])
def test_a19_reason_that_cannot_be_sent(reason: Any):
    """A19: a reason that is no str, is no UTF-8, or takes more than 123 bytes is malformed: none is cut short."""
    refuses(opened(), {"type": "websocket.close", "reason": reason}, InvalidMessage)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({}, (1000, "")),
        ({"code": None, "reason": None}, (1000, "")),
        ({"code": 4999, "reason": "a" * 123}, (4999, "a" * 123)),
        ({"code": 1014, "reason": "ä" * 61}, (1014, "ä" * 61)),
    ],
    ids=["absent", "none", "longest", "longest-utf8"],
)
def test_a19_defaults_of_a_close(keys: dict[str, Any], said: tuple[int, str]):
    """A19: code and reason that are absent or None have their defaults, 1000 and none."""
    client = opened()
    client.app_sends("websocket.close", **keys)
    assert client.reads_frames() == [close_frame(*said)]


def test_a_mapping_that_is_no_dict_is_a_message():
    """Any mapping will do for a message."""
    from types import MappingProxyType

    client = opened()
    client.connection.send(MappingProxyType(SEND), now=0)
    assert client.reads_frames() == [Frame(TEXT, b"hello")]


def test_errors_cut_long_values_short():
    """An error shows what the application gave, but not a megabyte of it."""
    error = refuses(opened(), {"type": "websocket.send", "bytes": "x" * 1_000_000}, InvalidMessage)
    assert len(str(error)) < 200


def test_client_disconnected_says_what_the_disconnect_says():
    """ClientDisconnected is an OSError with the code and the reason of the disconnect."""
    client = opened()
    client.sends(close(4002, "gone"))
    error = refuses(client, SEND, ClientDisconnected)
    assert isinstance(error, ClientDisconnected)
    assert isinstance(error, OSError)
    assert (error.code, error.reason) == (4002, "gone")


def test_stats_count_what_was_sent_and_received():
    """Statistics count whole messages and the bytes of their payload."""
    client = opened()
    client.app_sends("websocket.send", text="ä")
    client.app_sends("websocket.send", bytes=b"abc")
    client.sends(text("äöü"), frame(BINARY, b"1234"), pong(b"not counted"))
    stats = client.connection.stats
    assert (stats.messages_sent, stats.bytes_sent) == (2, 5)
    assert (stats.messages_received, stats.bytes_received) == (2, 10)
