"""The opening handshake: which heads open a connection, and what each of the others is answered (RFC 6455 4.2).

Every head is sent whole and byte by byte: how the network cuts it changes nothing (I1).
"""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.core.peer import ACCEPT_OF_KEY, KEY, Answer, Client, Frame, frame, head, ping, read_response, text
from wscore import ClientDisconnected, Closing, Config, State

WHOLE, BYTE_BY_BYTE = None, 1
PONG, CLOSE = 0xA, 0x8


@pytest.fixture(params=[WHOLE, BYTE_BY_BYTE], ids=["whole", "byte by byte"])
def cut(request: pytest.FixtureRequest) -> int | None:
    cut: int | None = request.param
    return cut


def refused(data: bytes, cut: int | None, config: Config | None = None, *, method: bytes = b"GET") -> Answer:
    """Send a head that is to be refused: one whole HTTP response, then LINGERING, then CLOSED; no application."""
    client = Client(config, cut=cut)
    connection = client.connection
    client.sends(data)
    written = client.reads()
    answer = read_response(written, method)
    assert answer.rest == b""
    assert answer.status >= 400
    assert b"close" in b",".join(answer.values(b"connection"))
    assert connection.scope is None
    assert not connection.has_message
    assert connection.close_info is not None
    assert (connection.close_info.cause, connection.close_info.code) == ("violation", 1006)
    assert (connection.state, connection.closing) == (State.LINGERING, Closing.SHUT_DOWN_WRITING)
    client.sends(head(), frame(0x1, b"ignored"))
    client.ends_its_stream()
    assert client.reads() == b""
    deadline = connection.next_timeout()
    assert deadline is not None
    connection.handle_timeout(now=deadline)
    assert (connection.state, connection.closing) == (State.CLOSED, Closing.ABORT)
    assert client.reads() == b""
    return answer


def accepted(data: bytes, cut: int | None, config: Config | None = None) -> dict[str, Any]:
    """Send a head that is to be accepted; give its scope."""
    client = Client(config, cut=cut)
    assert client.opens(data).status == 101
    assert client.connection.state is State.OPEN
    client.sends(text("through"))
    assert client.app_receives() == [{"type": "websocket.receive", "text": "through"}]
    assert client.connection.scope is not None
    return dict(client.connection.scope)


# -- what opens a connection


def test_the_rfc_s_own_example_gets_the_rfc_s_own_answer(cut: int | None) -> None:
    """The key of RFC 6455 1.3 is answered with its accept value, and with nothing that was not asked for."""
    client = Client(cut=cut)
    answer = client.opens()
    assert answer.status == 101
    assert answer.headers == [
        (b"upgrade", b"websocket"),
        (b"connection", b"Upgrade"),
        (b"sec-websocket-accept", ACCEPT_OF_KEY),
    ]
    assert client.reads() == b""


def test_the_head_appears_to_the_application_the_same_however_it_was_cut() -> None:
    """I1 for heads: scope, messages and output are those of the whole head, whatever the size of the pieces."""
    data = head(b"Sec-WebSocket-Protocol: a, b", b"Cookie: x=1") + text("held")
    outcomes = []
    for cut in [WHOLE, *range(1, 40), len(data) - 1]:
        client = Client(cut=cut)
        client.sends(data)
        client.app_sends("websocket.accept", subprotocol="b", headers=[(b"X-Y", b"z")])
        outcomes.append((client.connection.scope, client.app_receives(), client.written))
    assert all(outcome == outcomes[0] for outcome in outcomes)
    assert outcomes[0][1] == [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "held"}]


def test_the_application_s_headers_and_subprotocol_stand_in_the_101(cut: int | None) -> None:
    """Accept's headers follow the handshake's own, lower-cased, in their order, duplicates kept."""
    client = Client(cut=cut)
    cookies = [(b"Set-Cookie", b"a=1"), (b"set-cookie", b"b=2")]
    answer = client.opens(head(b"Sec-WebSocket-Protocol: chat"), subprotocol="chat", headers=cookies)
    assert answer.values(b"sec-websocket-protocol") == [b"chat"]
    assert answer.headers[-2:] == [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]


# -- E1-E3: method, version, upgrade tokens


@pytest.mark.parametrize(
    "data",
    [
        head(without=[b"Upgrade", b"Connection"]),
        head(without=[b"Upgrade"]),
        head(without=[b"Connection"]),
        head(instead=[b"Connection: keep-alive"]),
        head(instead=[b"Upgrade: h2c"]),
        head(instead=[b"Upgrade: websockets"]),
        head(instead=[b"Connection: upgrade-insecure"]),
        b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    ],
)
def test_e1_a_get_without_the_upgrade_tokens_gets_426_with_upgrade(data: bytes, cut: int | None) -> None:
    """RFC 9110 15.5.22 and 7.8: a 426 names the protocol in Upgrade, and Upgrade in Connection."""
    answer = refused(data, cut)
    assert answer.status == 426
    assert answer.values(b"upgrade") == [b"websocket"]
    assert answer.values(b"connection") == [b"Upgrade, close"]


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"OPTIONS", b"get", b"CONNECT"])
def test_e2_another_method_with_the_upgrade_tokens_gets_405_with_allow(method: bytes, cut: int | None) -> None:
    """RFC 6455 4.2.1: an opening handshake is a GET. Methods are case-sensitive (RFC 9110 9.1)."""
    answer = refused(head(line=method + b" /chat HTTP/1.1"), cut)
    assert answer.status == 405
    assert answer.values(b"allow") == [b"GET"]


def test_e2_the_answer_to_head_has_no_content(cut: int | None) -> None:
    """RFC 9110 9.3.2: a response to HEAD has no content, whatever its content-length says."""
    answer = refused(head(line=b"HEAD /chat HTTP/1.1"), cut, method=b"HEAD")
    assert answer.status == 405
    assert answer.values(b"allow") == [b"GET"]
    assert answer.body == b""


@pytest.mark.parametrize(
    ("version", "status"),
    [
        (b"HTTP/1.0", 505),
        (b"HTTP/0.9", 505),
        (b"HTTP/2.0", 505),
        (b"HTTP/1.2", 505),
        (b"HTTP/9.9", 505),
        (b"HTTP/2", 400),
        (b"HTTP/1.10", 400),
        (b"http/1.1", 400),
        (b"HTTP/x.y", 400),
        (b"HTTP/1.1 ", 400),
        (b"", 400),
    ],
)
def test_e3_any_version_but_1_1_is_refused(version: bytes, status: int, cut: int | None) -> None:
    """h11 takes any HTTP/digit.digit; only 1.1 has an Upgrade. What is no version text is no request line."""
    assert refused(head(line=b"GET /chat " + version), cut).status == status


# -- E4-E6: Host


@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
def test_e4_a_missing_host_is_refused(version: bytes, cut: int | None) -> None:
    """RFC 6455 4.2.1 asks for Host; h11 does so for 1.1 alone, and 1.0 is refused for itself."""
    answer = refused(head(without=[b"Host"], line=b"GET /chat " + version), cut)
    assert answer.status == (400 if version == b"HTTP/1.1" else 505)


@pytest.mark.parametrize("second", [b"Host: other.example.com", b"host: server.example.com"])
def test_e5_two_host_headers_are_refused(second: bytes, cut: int | None) -> None:
    """RFC 9112 3.2: 400, equal or not: two servers on the way may have gone by different ones."""
    assert refused(head(second), cut).status == 400


@pytest.mark.parametrize(
    "host", [b"\xff\xfe", b"xn--\xff", b"xn--zzzzzz--9999", b"xn--a", b"[::1", b"h:99999", b"h:x", b"a b", b"", b"\x01"]
)
def test_e6_an_odd_host_is_passed_through_as_bytes(host: bytes, cut: int | None) -> None:
    """Nothing here interprets Host: it reaches the application as it came, and no decoding can fail on it."""
    scope = accepted(head(instead=[b"Host: " + host]), cut)
    assert [value for name, value in scope["headers"] if name == b"host"] == [host]


# -- E7-E10: key and version


def test_e7_a_missing_key_is_refused(cut: int | None) -> None:
    """RFC 6455 4.2.1 point 5."""
    assert refused(head(without=[b"Sec-WebSocket-Key"]), cut).status == 400


@pytest.mark.parametrize(
    "key",
    [
        b"",
        b"x",
        b"====",
        base64.b64encode(bytes(15)),
        base64.b64encode(bytes(17)),
        base64.b64encode(bytes(16)).rstrip(b"="),
        base64.b64encode(bytes(16)) + b"=",
        b"*" + base64.b64encode(bytes(16)),
        b"dGhlIHNhbXBsZSBub25jZ\xff==",
        b"dGhlIHNhbXBs ZSBub25jZQ==",
        KEY + b", " + KEY,
    ],
)
def test_e8_a_key_that_is_not_base64_of_16_bytes_is_refused(key: bytes, cut: int | None) -> None:
    """RFC 6455 4.2.1 point 5: decoded, it is 16 bytes. Lenient decoders skip what they do not know."""
    assert refused(head(instead=[b"Sec-WebSocket-Key: " + key]), cut).status == 400


def test_e8_a_key_given_twice_is_refused(cut: int | None) -> None:
    """RFC 6455 11.3.1: it must not appear more than once."""
    assert refused(head(b"Sec-WebSocket-Key: " + KEY), cut).status == 400


@pytest.mark.parametrize("version", [b"8", b"12", b"14", b"0", b"013", b"13, 8", b"x", b"", b"\xff", b"13.0"])
def test_e9_another_version_gets_426_with_ours(version: bytes, cut: int | None) -> None:
    """RFC 6455 4.4."""
    answer = refused(head(instead=[b"Sec-WebSocket-Version: " + version]), cut)
    assert answer.status == 426
    assert answer.values(b"sec-websocket-version") == [b"13"]
    assert answer.values(b"upgrade") == [b"websocket"]


def test_e9_a_version_given_twice_gets_426(cut: int | None) -> None:
    """RFC 6455 11.3.5: it must not appear more than once; what it then says is not "13"."""
    assert refused(head(b"Sec-WebSocket-Version: 13"), cut).status == 426


def test_e10_a_missing_version_gets_400_with_ours(cut: int | None) -> None:
    """RFC 6455 4.2.1 point 6."""
    answer = refused(head(without=[b"Sec-WebSocket-Version"]), cut)
    assert answer.status == 400
    assert answer.values(b"sec-websocket-version") == [b"13"]


# -- E11-E15: tokens


@pytest.mark.parametrize(
    "data",
    [
        head(instead=[b"Connection: Upgrade, \xff"]),
        head(instead=[b"Connection: Upgr\xc3\xa4de"]),
        head(instead=[b"Upgrade: websocket\xff"]),
        head(b"Sec-WebSocket-Protocol: chat, \xff"),
        head(b"Sec-WebSocket-Protocol: ch\xc3\xa4t"),
        head(b"Sec-WebSocket-Extensions: permessage-deflate; \xff"),
        head(b"Sec-WebSocket-Extensions: \xc3\xa4"),
    ],
)
def test_e11_bytes_beyond_ascii_in_a_token_list_are_refused(data: bytes, cut: int | None) -> None:
    """They are no tokens (RFC 9110 5.6.2), and no decoding may fail on them."""
    assert refused(data, cut).status == 400


@pytest.mark.parametrize(
    ("lines", "offered"),
    [
        ([b"Sec-WebSocket-Protocol: b, a", b"Sec-WebSocket-Protocol: c"], ["b", "a", "c"]),
        ([b"Sec-WebSocket-Protocol: a,b", b"X: y", b"sec-websocket-protocol: ,c ,"], ["a", "b", "c"]),
        ([b"Sec-WebSocket-Protocol: v1.json!#$"], ["v1.json!#$"]),
        ([], []),
    ],
)
def test_e12_subprotocols_of_all_headers_are_offered_in_order(
    lines: list[bytes], offered: list[str], cut: int | None
) -> None:
    """RFC 6455 11.3.4: it may appear several times, which is the same as one list. Empty elements do not count."""
    assert accepted(head(*lines), cut)["subprotocols"] == offered


@pytest.mark.parametrize("value", [b"a b", b"chat/1", b"a;b", b'"chat"', b"a, b@c", b"{}", b"a=b"])
def test_e13_a_subprotocol_that_is_no_token_is_refused(value: bytes, cut: int | None) -> None:
    """RFC 6455 4.1 point 10."""
    assert refused(head(b"Sec-WebSocket-Protocol: " + value), cut).status == 400


@pytest.mark.parametrize(
    ("connection", "upgrade"),
    [
        (b"keep-alive, UPGRADE", b"WebSocket"),
        (b"Upgrade,keep-alive", b"WEBSOCKET"),
        (b",upgrade , x", b" websocket\t"),
        (b"upgrade", b"websocket,"),
    ],
)
def test_e14_tokens_are_compared_without_regard_to_case_and_company(
    connection: bytes, upgrade: bytes, cut: int | None
) -> None:
    """RFC 6455 4.2.1 points 3 and 4. Firefox sends "keep-alive, Upgrade"."""
    accepted(head(instead=[b"Connection: " + connection, b"Upgrade: " + upgrade]), cut)


def test_e14_connection_in_two_headers_is_one_list(cut: int | None) -> None:
    """RFC 9110 5.3."""
    accepted(head(b"Connection: Upgrade", instead=[b"Connection: keep-alive"]), cut)


@pytest.mark.parametrize("upgrade", [b"h2c, websocket", b"websocket, h2c", b"websocket, websocket", b"websocket/13"])
def test_e15_websocket_among_other_upgrades_is_no_opening_handshake(upgrade: bytes, cut: int | None) -> None:
    """RFC 9110 7.8 lets a server ignore Upgrade; where a client leaves the choice, we do not guess."""
    assert refused(head(instead=[b"Upgrade: " + upgrade]), cut).status == 426


# -- E16-E20: smuggling and grammar


@pytest.mark.parametrize(
    "line",
    [
        b"Content-Length: 1",
        b"Content-Length: 5",
        b"Content-Length: 18446744073709551617",
        b"Content-Length: -1",
        b"Content-Length: 0x0",
        b"Content-Length: 0, 5",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: identity",
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: xchunked",
    ],
)
def test_e16_an_upgrade_with_a_body_is_refused(line: bytes, cut: int | None) -> None:
    """A smuggling guard: one end would read the body as HTTP, the other as frames. 501 is h11's for other encodings,
    and here all of them are 400."""
    assert refused(head(line) + b"5\r\nhello\r\n0\r\n\r\n", cut).status == 400


def test_e16_a_content_length_of_zero_is_no_body(cut: int | None) -> None:
    """Some clients send it with every request."""
    accepted(head(b"Content-Length: 0"), cut)


def test_e17_content_length_and_transfer_encoding_together_are_refused(cut: int | None) -> None:
    """RFC 9112 6.1: ought to be handled as an error."""
    assert refused(head(b"Content-Length: 0", b"Transfer-Encoding: chunked"), cut).status == 400


@pytest.mark.parametrize(
    "line",
    [
        b"X: a\x00b",
        b"X: a\rb",
        b"X: a\r",
        b"X\x00: a",
        b"X : a",
        b"X\t: a",
        b": a",
        b"X",
        b"X(: a",
        b"\xff: a",
        b"\x00",
    ],
)
def test_e18_what_is_no_header_line_is_refused(line: bytes, cut: int | None) -> None:
    """RFC 9112 2.2, 5.1: NUL, a bare CR and space before the colon are how smuggled requests are built."""
    assert refused(head(line), cut).status == 400


@pytest.mark.parametrize("line", [b"X: a\r\n b", b"X: a\r\n\tb", b"X: a\n b", b"X: a\r\n ", b"X:\r\n a"])
def test_e19_a_folded_header_is_refused(line: bytes, cut: int | None) -> None:
    """RFC 9112 5.2 lets a server refuse it; h11 would join the lines."""
    assert refused(head(line), cut).status == 400


def test_e19_a_space_before_the_first_header_is_refused(cut: int | None) -> None:
    """RFC 9112 2.2: it would fold a header into the request line."""
    assert refused(head().replace(b"\r\nHost", b"\r\n Host"), cut).status == 400


def test_e20_bare_lf_line_ends_are_accepted(cut: int | None) -> None:
    """RFC 9112 2.2 lets a recipient take a single LF for a line end. Accepted, or people at `nc` would hang."""
    accepted(head(end=b"\n"), cut)


@pytest.mark.parametrize("ends", [b"\n\r\n", b"\r\n\n"])
def test_e20_mixed_line_ends_end_a_head(ends: bytes, cut: int | None) -> None:
    """Where the head ends is the same for our search and for h11."""
    accepted(head()[:-4] + ends, cut)


# -- E21, E22: sizes


def filled(size: int) -> bytes:
    """A head of exactly `size` bytes."""
    return head(b"Cookie: " + b"c" * (size - len(head(b"Cookie: "))))


@pytest.mark.parametrize("limit", [300, 16 * 1024, 100_000])
def test_e21_a_head_of_exactly_the_limit_passes(limit: int) -> None:
    """Sizes are inclusive; and h11's own limit of 16 KiB is out of the way."""
    assert len(filled(limit)) == limit
    accepted(filled(limit), 1000, Config(max_head_size=limit))


@pytest.mark.parametrize("limit", [300, 16 * 1024, 100_000])
def test_e21_a_head_of_one_byte_more_gets_431(limit: int) -> None:
    """RFC 6585 5."""
    assert refused(filled(limit + 1), WHOLE, Config(max_head_size=limit)).status == 431
    assert refused(filled(limit + 1), 1000, Config(max_head_size=limit)).status == 431


def test_e21_what_follows_the_head_does_not_count(cut: int | None) -> None:
    """Frames in the same segment are no part of the head."""
    client = Client(Config(max_head_size=300), cut=cut)
    client.sends(filled(300), text("x" * 1000))
    client.app_sends("websocket.accept")
    assert client.app_receives()[1:] == [{"type": "websocket.receive", "text": "x" * 1000}]


@pytest.mark.parametrize(
    "data",
    [
        b"GET /" + b"a" * 20_000,
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n",
        b"GET /" + b"a" * 20_000 + b" what is this?\r\n\r\n",
        b"G" * 20_000,
        head()[:-2] + b"a" * 20_000,
        head()[:-2] + b"a: b\r\n" * 4_000,
    ],
)
def test_e21_a_head_without_an_end_gets_431_at_the_limit(data: bytes, cut: int | None) -> None:
    """Memory is bounded by the limit, whichever part of the head does not end; cut or whole."""
    assert refused(data, cut).status == 431


def test_e22_as_many_headers_as_the_limit_pass(cut: int | None) -> None:
    """Five are the handshake's own."""
    config = Config(max_headers=10)
    scope = accepted(head(*(b"X: %d" % index for index in range(5))), cut, config)
    assert len(scope["headers"]) == 10


def test_e22_one_header_more_gets_431(cut: int | None) -> None:
    """RFC 6585 5: fields too large, all together."""
    assert refused(head(*(b"X: %d" % index for index in range(6))), cut, Config(max_headers=10)).status == 431


def test_e22_a_thousand_headers_get_431_by_default() -> None:
    """h11 would take them."""
    assert refused(head(*[b"X:"] * 1000), WHOLE).status == 431


# -- E23-E27: before the accept


def test_e23_a_dripping_head_is_cut_off_at_the_absolute_deadline() -> None:
    """A byte a second does not move the deadline; at it the client gets a 408."""
    client = Client(Config(handshake_timeout=10.0), now=100.0)
    connection = client.connection
    data = head()
    for second in range(10):
        client.now = 100.0 + second
        assert connection.next_timeout() == 110.0
        connection.handle_timeout(now=client.now)
        client.sends(data[second : second + 1])
    assert client.reads() == b""
    client.now = 110.0
    connection.handle_timeout(now=110.0)
    answer = client.reads_response()
    assert (answer.status, answer.rest) == (408, b"")
    assert answer.values(b"connection") == [b"close"]
    assert (connection.state, connection.scope) == (State.LINGERING, None)
    client.sends(data[10:])
    assert (client.reads(), connection.scope) == (b"", None)


def test_e24_frames_in_the_same_segment_as_the_head_are_held_until_the_accept(cut: int | None) -> None:
    """A client has to wait for the 101 (RFC 6455 4.1), but not all do; what it sent keeps its order."""
    client = Client(cut=cut)
    client.sends(head(), text("one"), frame(0x2, b"two"), text("three"))
    assert client.app_receives() == [{"type": "websocket.connect"}]
    client.app_sends("websocket.accept")
    assert client.app_receives() == [
        {"type": "websocket.receive", "text": "one"},
        {"type": "websocket.receive", "bytes": b"two"},
        {"type": "websocket.receive", "text": "three"},
    ]


def test_e24_half_a_frame_before_the_accept_and_half_after_is_one_frame() -> None:
    """What is held and what comes later are one stream."""
    client = Client()
    message = text("hello")
    client.sends(head(), message[:5])
    client.app_sends("websocket.accept")
    client.sends(message[5:])
    assert client.app_receives()[1:] == [{"type": "websocket.receive", "text": "hello"}]


def test_e25_a_ping_before_the_accept_is_answered_after_the_101(cut: int | None) -> None:
    """Nothing is written before the 101 (I5)."""
    client = Client(cut=cut)
    client.sends(head(), ping(b"early"))
    assert client.reads() == b""
    client.app_sends("websocket.accept")
    assert client.reads_response().status == 101
    assert client.reads_frames() == [Frame(PONG, b"early")]


def test_e25_garbage_before_the_accept_fails_the_connection_after_the_101(cut: int | None) -> None:
    """The head was right, so that the handshake is done; the frames were not."""
    client = Client(cut=cut)
    client.sends(head(), b"GET / HTTP/1.1\r\n\r\n")
    assert client.reads() == b""
    assert client.app_receives() == [{"type": "websocket.connect"}]
    client.app_sends("websocket.accept")
    assert client.reads_response().status == 101
    assert client.reads_frames() == [Frame(CLOSE, b"\x03\xeaprotocol error")]
    assert client.app_receives() == [{"type": "websocket.disconnect", "code": 1002, "reason": "protocol error"}]


def test_e26_reading_pauses_at_the_cap_for_early_data() -> None:
    """64 KiB by default; the accept makes room again, and nothing was lost."""
    client = Client()
    connection = client.connection
    message = frame(0x2, b"x" * 1000)
    client.sends(head())
    sent = 0
    while connection.wants_read:
        client.sends(message)
        sent += 1
    assert (sent - 1) * len(message) < 64 * 1024 <= sent * len(message)
    received = [*client.app_receives()]
    client.app_sends("websocket.accept")
    received += client.app_receives()
    assert connection.wants_read
    assert received[1:] == [{"type": "websocket.receive", "bytes": b"x" * 1000}] * sent


def end_of_stream(client: Client) -> None:
    client.ends_its_stream()


def reset(client: Client) -> None:
    client.connection.connection_lost(now=client.now)


@pytest.mark.parametrize("leave", [end_of_stream, reset])
@pytest.mark.parametrize("early", [b"", text("unread")])
def test_e27_a_client_that_leaves_before_the_accept_is_a_disconnect(leave: Any, early: bytes) -> None:
    """The code is 1006, and an accept is too late: ClientDisconnected, an OSError as ASGI asks."""
    client = Client()
    client.sends(head(), early)
    leave(client)
    connect, disconnect = client.app_receives()
    assert connect == {"type": "websocket.connect"}
    assert (disconnect["type"], disconnect["code"]) == ("websocket.disconnect", 1006)
    assert disconnect["reason"] != ""
    with pytest.raises(ClientDisconnected) as raised:
        client.app_sends("websocket.accept")
    assert isinstance(raised.value, OSError)
    assert raised.value.code == 1006
    assert client.reads() == b""
    assert client.connection.state is State.CLOSED


@pytest.mark.parametrize("leave", [end_of_stream, reset])
def test_e27_a_client_that_leaves_within_its_head_was_never_there(leave: Any) -> None:
    """No application is started for it, and nothing is written to it."""
    client = Client()
    client.sends(head()[:50])
    leave(client)
    assert (client.connection.scope, client.connection.state) == (None, State.CLOSED)
    assert (client.app_receives(), client.reads()) == ([], b"")


# -- E28, E29: targets


@pytest.mark.parametrize(
    ("target", "path", "raw_path", "query"),
    [
        (b"/ec%ff/echo", "/ec\N{REPLACEMENT CHARACTER}/echo", b"/ec%ff/echo", b""),
        (b"/%e2%82%ac", "/€", b"/%e2%82%ac", b""),
        (b"/a%2Fb%2f", "/a/b/", b"/a%2Fb%2f", b""),
        (b"/a%3Fb?c%20d", "/a?b", b"/a%3Fb", b"c%20d"),
        (b"/%", "/%", b"/%", b""),
        (b"/%4", "/%4", b"/%4", b""),
        (b"/%zz", "/%zz", b"/%zz", b""),
        (b"/%00%0d%0a", "/\0\r\n", b"/%00%0d%0a", b""),
        (b"/a+b", "/a+b", b"/a+b", b""),
    ],
)
def test_e28_path_is_decoded_and_raw_path_is_as_it_came(
    target: bytes, path: str, raw_path: bytes, query: bytes, cut: int | None
) -> None:
    """What is no UTF-8 shows as the replacement character; what is no percent-encoding stays."""
    scope = accepted(head(line=b"GET %s HTTP/1.1" % target), cut)
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == (path, raw_path, query)


@pytest.mark.parametrize(
    ("target", "path", "raw_path", "query"),
    [
        (b"http://h/echo?x=1", "/echo", b"/echo", b"x=1"),
        (b"HTTP://h:80/a%20b", "/a b", b"/a%20b", b""),
        (b"ws://h/", "/", b"/", b""),
        (b"wss://user@h:1/x", "/x", b"/x", b""),
        (b"https://[::1]:443/x", "/x", b"/x", b""),
        (b"http://h", "/", b"/", b""),
        (b"http://h?x=1", "/", b"/", b"x=1"),
        (b"http://h/?", "/", b"/", b""),
        (b"http://h//x", "//x", b"//x", b""),
    ],
)
def test_e29_the_absolute_form_gives_path_and_query(
    target: bytes, path: str, raw_path: bytes, query: bytes, cut: int | None
) -> None:
    """RFC 9112 3.2.2: a server must accept it. An empty path is "/" (RFC 9110 4.2.3)."""
    scope = accepted(head(line=b"GET %s HTTP/1.1" % target), cut)
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == (path, raw_path, query)


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/", "/", b""),
        (b"/?", "/", b""),
        (b"//other.example.com/x", "//other.example.com/x", b""),
        (b"/../x/./y", "/../x/./y", b""),
        (b"/x?a?b=/c", "/x", b"a?b=/c"),
        (b"/http://h/x", "/http://h/x", b""),
        (b'/<">{}|^`\\', '/<">{}|^`\\', b""),
    ],
)
def test_e29_the_origin_form_is_taken_as_it_stands(target: bytes, path: str, query: bytes, cut: int | None) -> None:
    """Nothing is normalised: whoever routes decides what dots and doubled slashes mean."""
    scope = accepted(head(line=b"GET %s HTTP/1.1" % target), cut)
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == (path, path.encode(), query)


@pytest.mark.parametrize(
    "target",
    [
        b"*",
        b"server.example.com:80",
        b"chat",
        b"?x=1",
        b"http:/h/x",
        b"http://",
        b"http:///x",
        b"ftp://h/x",
        b"javascript:x",
    ],
)
def test_e29_a_target_that_is_no_path_is_refused(target: bytes, cut: int | None) -> None:
    """The authority and asterisk forms belong to CONNECT and OPTIONS (RFC 9112 3.2.3, 3.2.4)."""
    assert refused(head(line=b"GET %s HTTP/1.1" % target), cut).status == 400


@pytest.mark.parametrize("target", [b"/chat#room", b"/#", b"http://h/x#y", b"/x?y#z", b"http://h#x"])
def test_e29_a_target_with_a_fragment_is_refused(target: bytes, cut: int | None) -> None:
    """RFC 6455 3: WebSocket URIs have none, and no form of target does (RFC 9112 3.2).

    Chosen over cutting it off: servers disagree on where such a path ends, and proxies' rules are bypassed with that.
    """
    assert refused(head(line=b"GET %s HTTP/1.1" % target), cut).status == 400


@pytest.mark.parametrize("target", [b"/a b", b"/\x00", b"/\x7f", b"/\xc3\xa4", b"/\t", b""])
def test_e29_a_target_of_other_than_visible_ascii_is_refused(target: bytes, cut: int | None) -> None:
    """RFC 9112 3.2: a request line with more, or with other bytes, is no request line."""
    assert refused(head(line=b"GET %s HTTP/1.1" % target), cut).status == 400


# -- E30


@pytest.mark.parametrize("expectation", [b"100-continue", b"101-whatever"])
def test_e30_an_expectation_changes_nothing(expectation: bytes, cut: int | None) -> None:
    """RFC 9110 10.1.1: a 100 may be left out by a server that answers at once, and there is no body to wait for."""
    client = Client(cut=cut)
    client.sends(head(b"Expect: " + expectation))
    assert client.reads() == b""
    client.app_sends("websocket.accept")
    answer = client.reads_response()
    assert (answer.status, client.reads()) == (101, b"")


def test_e30_a_refusal_after_an_expectation_is_one_response(cut: int | None) -> None:
    """I5: a connection gets exactly one final response."""
    assert refused(head(b"Expect: 100-continue", without=[b"Sec-WebSocket-Key"]), cut).status == 400


# -- beyond the list


def test_headers_keep_their_order_and_their_duplicates(cut: int | None) -> None:
    """ASGI: names are lower-case, order and duplicates are the client's, the handshake's own fields among them."""
    scope = accepted(head(b"X-B: 1", b"x-a: 2", b"X-B:   3\t ", b"X-Empty:", b"X_Y: \xff"), cut)
    assert scope["headers"] == [
        (b"host", b"server.example.com"),
        (b"upgrade", b"websocket"),
        (b"connection", b"Upgrade"),
        (b"sec-websocket-key", KEY),
        (b"sec-websocket-version", b"13"),
        (b"x-b", b"1"),
        (b"x-a", b"2"),
        (b"x-b", b"3"),
        (b"x-empty", b""),
        (b"x_y", b"\xff"),
    ]


@pytest.mark.parametrize("lead", [b"\r\n", b"\n", b"\r\n\r\n", b" ", b"\0"])
def test_what_comes_before_the_request_line_is_refused(lead: bytes, cut: int | None) -> None:
    """RFC 9112 2.2 would have a server ignore an empty line; it is for clients that end a body with one too many, and
    an opening handshake is the first request of its connection."""
    assert refused(lead + head(), cut).status == 400


@pytest.mark.parametrize(
    "data",
    [
        bytes.fromhex("16030100c6010000c20303") + bytes(200),
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 80\r\n",
        b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"\xff" * 100,
    ],
)
def test_t11_what_is_no_http_1_1_is_refused_at_once(data: bytes, cut: int | None) -> None:
    """No blank line is waited for, which may never come. (The HTTP/2 preface is a request line of a version.)"""
    assert refused(data, cut).status in (400, 426, 505)


@pytest.mark.parametrize(
    ("kept", "why"),
    [
        (b"X: a\x01b", "RFC 9110 5.5: other controls are invalid, and may be kept in a robust field value"),
        (b"X: \xff", "obs-text, opaque (RFC 9110 5.5)"),
        (b"X: a\x7f", "as \\x01"),
    ],
)
def test_what_h11_lets_through_in_values_reaches_the_application_as_bytes(
    kept: bytes, why: str, cut: int | None
) -> None:
    """None of them can end a line, so that none can forge a header."""
    del why
    value = kept.removeprefix(b"X: ")
    assert (b"x", value) in accepted(head(kept), cut)["headers"]


@pytest.mark.parametrize("junk", [b"\x0b", b"\x0c", b"\x1f\x00", b"\x85"])
def test_no_white_space_but_space_and_tab_separates(junk: bytes, cut: int | None) -> None:
    """Parsers that split on whatever Unicode or C calls white space see other headers than we do."""
    assert refused(head(b"X: a" + junk + b"\r", b"b: c"), cut).status == 400
    assert refused(head(line=b"GET" + junk + b"/chat HTTP/1.1"), cut).status == 400
