"""What a request head may look like, and what answers it: rows E1-E30, as seen on the wire."""

from __future__ import annotations

from typing import Any

import pytest

from .apps import Noting, echo
from .harness import Gate, Notes, quick
from .wire import BINARY, CLOSE, PING, PONG, TEXT, Frame, close_frame, frame, request

# id: what is sent, the statuses that are right, headers that the answer has
REFUSED: dict[str, tuple[bytes, set[int], dict[str, str]]] = {
    "e1_no_upgrade": (request(without=("upgrade", "connection")), {426}, {"upgrade": "websocket"}),
    "e1_connection_only": (request(without=("upgrade",)), {426}, {"upgrade": "websocket"}),
    "e1_upgrade_only": (request(without=("connection",)), {426}, {"upgrade": "websocket"}),
    "e2_post": (request(method="POST"), {405}, {"allow": "GET"}),
    "e2_head": (request(method="HEAD"), {405}, {"allow": "GET"}),
    "e2_options": (request(method="OPTIONS"), {405}, {"allow": "GET"}),
    "e3_http_1_0": (request(version="HTTP/1.0"), {400, 505}, {}),
    "e3_http_1_2": (request(version="HTTP/1.2"), {400, 505}, {}),
    "e3_http_2_0": (request(version="HTTP/2.0"), {400, 505}, {}),
    "e3_http_0_9": (request(version="HTTP/0.9"), {400, 505}, {}),
    "e3_no_version": (b"GET /\r\n\r\n", {400}, {}),
    "e4_no_host": (request(without=("host",)), {400}, {}),
    "e5_two_hosts": (request(("Host", "other")), {400}, {}),
    "e7_no_key": (request(without=("sec-websocket-key",)), {400}, {}),
    "e8_key_not_base64": (request(("Sec-WebSocket-Key", "*" * 24), without=("sec-websocket-key",)), {400}, {}),
    "e8_key_15_bytes": (
        request(("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAA"), without=("sec-websocket-key",)),
        {400},
        {},
    ),
    "e8_key_17_bytes": (
        request(("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAAA="), without=("sec-websocket-key",)),
        {400},
        {},
    ),
    "e8_key_empty": (request(("Sec-WebSocket-Key", ""), without=("sec-websocket-key",)), {400}, {}),
    "e8_two_keys": (request(("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")), {400}, {}),
    "e9_version_8": (
        request(("Sec-WebSocket-Version", "8"), without=("sec-websocket-version",)),
        {426},
        {"sec-websocket-version": "13"},
    ),
    "e9_version_list": (
        request(("Sec-WebSocket-Version", "13, 8"), without=("sec-websocket-version",)),
        {426},
        {"sec-websocket-version": "13"},
    ),
    "e10_no_version": (request(without=("sec-websocket-version",)), {400}, {"sec-websocket-version": "13"}),
    "e11_connection": (request(b"Connection: \xff\xfe"), {400}, {}),
    "e11_subprotocol": (request(b"Sec-WebSocket-Protocol: ch\xe4t"), {400}, {}),
    "e11_extensions": (request(b"Sec-WebSocket-Extensions: \xff"), {400}, {}),
    "e13_subprotocol_with_space": (request(("Sec-WebSocket-Protocol", "a b")), {400}, {}),
    "e13_subprotocol_with_slash": (request(("Sec-WebSocket-Protocol", "a/b")), {400}, {}),
    "e15_two_upgrades": (request(("Upgrade", "h2c, websocket"), without=("upgrade",)), {426}, {}),
    "e15_websocket_first": (request(("Upgrade", "websocket, h2c"), without=("upgrade",)), {426}, {}),
    "e16_content_length": (request(("Content-Length", "5")) + b"hello", {400}, {}),
    "e16_chunked": (request(("Transfer-Encoding", "chunked")) + b"0\r\n\r\n", {400}, {}),
    "e17_both": (request(("Content-Length", "5"), ("Transfer-Encoding", "chunked")) + b"0\r\n\r\n", {400}, {}),
    "e18_nul": (request(b"X-A: b\0c"), {400}, {}),
    "e18_cr": (request(b"X-A: b\rc"), {400}, {}),
    "e18_space_before_colon": (request(b"X-A : b"), {400}, {}),
    "e18_no_colon": (request(b"X-A"), {400}, {}),
    "e18_empty_name": (request(b": b"), {400}, {}),
    "e19_folding": (request(b"X-A: b\r\n  c"), {400}, {}),
    "e19_folding_of_the_first": (request().replace(b"Host", b" Host"), {400}, {}),
    "e21_head_too_large": (request(("X-A", "b" * 20_000)), {431}, {}),
    "e21_target_too_large": (request(target="/" + "b" * 20_000), {431}, {}),
    "e21_head_without_end": (b"GET / HTTP/1.1\r\nX-A: " + b"b" * 17_000, {431}, {}),
    "e21_line_without_end": (b"GET /" + b"b" * 17_000, {431}, {}),
    "e22_too_many_headers": (request(*[("X-A", "b")] * 200), {431}, {}),
    "e30_expect_continue_refused": (request(("Expect", "100-continue"), method="POST"), {405}, {}),
    "t11_tls_hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xa5" * 506, {400}, {}),
    "t11_proxy_line": (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + request(), {400}, {}),
    "t11_proxy_v2": (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + b"\x7f\0\0\1\x7f\0\0\1\0\1\0\2", {400}, {}),
    "t11_http2_preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 405, 426, 505}, {}),
    "t11_ssh": (b"SSH-2.0-OpenSSH_9.6\r\n", {400}, {}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case: str, serve: Any) -> None:
    """What is no opening handshake gets one whole HTTP response, the right one, and the end of the stream."""
    head, statuses, headers = REFUSED[case]

    async def never(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("the application was started")

    wire = serve(never).connect()
    wire.send_regardless(head)
    response = wire.read_refusal(content=not head.startswith(b"HEAD"))
    assert response.status in statuses, response
    for name, value in headers.items():
        assert response.get(name) == value
    assert "close" in (response.get("connection") or "")


ACCEPTED: dict[str, bytes] = {
    "e6_host_of_any_bytes": request(b"Host: \xff\xfe", without=("host",)),
    "e6_host_idna": request(b"Host: xn--a-\xfc", without=("host",)),
    "e6_host_bad_punycode": request(b"Host: xn--zzzzzzzzz9999.example", without=("host",)),
    "e14_case": request(
        ("Connection", "keep-alive, UPGRADE"), ("Upgrade", "WebSocket"), without=("connection", "upgrade")
    ),
    "e14_two_connection_headers": request(("Connection", "keep-alive")),
    "e16_content_length_of_none": request(("Content-Length", "0")),
    "e20_bare_lf": request(end=b"\n"),
    "e28_latin_path": request(target="/ec%ff/echo"),
    "e29_absolute_form": request(target="http://h/echo?x=1"),
    "e30_expect_continue": request(("Expect", "100-continue")),
}
MAY_BE_REFUSED = {"e6_host_of_any_bytes", "e6_host_idna", "e6_host_bad_punycode", "e20_bare_lf"}


@pytest.mark.uvloop_too
@pytest.mark.parametrize("case", ACCEPTED)
def test_accepted(case: str, serve: Any) -> None:
    """An opening handshake that looks odd is answered with exactly one final response, and mostly with a 101."""
    wire = serve(echo).connect()
    wire.send(ACCEPTED[case])
    response = wire.read_response()
    if response.status == 400 and case in MAY_BE_REFUSED:
        return
    assert response.status == 101
    wire.send(frame(TEXT, "after"))
    assert wire.read_text() == "after"


def test_e12_subprotocols_in_two_headers(serve: Any) -> None:
    """Subprotocols of two headers are all offered, in order, and the accepted one is named once."""
    app = Noting()
    wire = serve(app).connect()
    wire.send(request(("Sec-WebSocket-Protocol", "a, b"), ("Sec-WebSocket-Protocol", "c")))
    assert wire.read_101().get("sec-websocket-protocol") is None
    assert app.scopes.next()["subprotocols"] == ["a", "b", "c"]


def test_accepted_subprotocol_and_headers(serve: Any) -> None:
    """The 101 carries the subprotocol and the headers that the application chose, duplicates too."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        headers = [(b"Set-Cookie", b"a=1"), (b"set-cookie", b"b=2")]
        await send({"type": "websocket.accept", "subprotocol": "b", "headers": headers})
        await receive()

    wire = serve(app).connect()
    response = wire.upgrade(("Sec-WebSocket-Protocol", "a, b"))
    assert response.get("sec-websocket-protocol") == "b"
    assert [value for name, value in response.headers if name == "set-cookie"] == ["a=1", "b=2"]


@pytest.mark.uvloop_too
def test_scope(serve: Any) -> None:
    """The scope is ASGI www 2.5's: E28 and E29 too, and the two ends of the connection."""
    app = Noting()
    server = serve(app)
    wire = server.open(b"X-Twice: 1", b"x-twice: 2", target="/a%20b/%C3%A4?x=%20y")
    scope = app.scopes.next()
    assert scope["type"] == "websocket"
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.5"}
    assert (scope["http_version"], scope["scheme"], scope["root_path"]) == ("1.1", "ws", "")
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/a b/ä", b"/a%20b/%C3%A4", b"x=%20y")
    assert [value for name, value in scope["headers"] if name == b"x-twice"] == [b"1", b"2"]
    assert tuple(scope["client"]) == wire.sock.getsockname()
    assert tuple(scope["server"]) == ("127.0.0.1", server.port)
    assert scope["extensions"].keys() == {"websocket.http.response", "wscore.send_nowait"}
    assert scope["extensions"]["websocket.http.response"] == {}
    assert scope["extensions"]["wscore.send_nowait"].keys() == {"send_nowait", "send"}
    assert scope["subprotocols"] == []


@pytest.mark.parametrize(
    ("target", "path", "raw_path", "query"),
    [
        pytest.param("/ec%ff/echo", "/ec\ufffd/echo", b"/ec%ff/echo", b"", id="e28"),
        pytest.param("http://h/echo?x=1", "/echo", b"/echo", b"x=1", id="e29"),
        pytest.param("ws://h", "/", b"/", b"", id="e29_no_path"),
    ],
)
def test_targets(target: str, path: str, raw_path: bytes, query: bytes, serve: Any) -> None:
    """A request target's path and query reach the application decoded and raw."""
    app = Noting()
    serve(app).open(target=target)
    scope = app.scopes.next()
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == (path, raw_path, query)


def test_root_path(serve: Any) -> None:
    """`root_path` is a prefix of path and raw_path."""
    app = Noting()
    serve(app, config=quick(root_path="/mounted")).open(target="/x")
    scope = app.scopes.next()
    assert (scope["root_path"], scope["path"], scope["raw_path"]) == ("/mounted", "/mounted/x", b"/mounted/x")


@pytest.mark.parametrize("cut", ["whole", "bytewise"])
def test_head_in_any_cut(cut: str, serve: Any) -> None:
    """I1: a head and a message that come byte by byte are answered as when they come at once."""
    wire = serve(echo).connect()
    data = request() + frame(TEXT, "hello") + close_frame(3000, "bye")
    wire.send(data) if cut == "whole" else wire.send_bytewise(data)
    wire.read_101()
    assert wire.read_text() == "hello"
    closing = wire.read_close()
    assert closing.code == 3000
    assert wire.read_to_end() == b""


def test_e23_head_that_drips(serve: Any) -> None:
    """E23: bytes that drip in do not extend the handshake deadline; the answer is a 408, and it arrives."""
    wire = serve(echo, config=quick(handshake_timeout=0.5)).connect()
    head = request(("X-A", "b" * 10_000))
    wire.sock.settimeout(0.02)
    answer = b""
    for i in range(len(head)):
        wire.send_regardless(head[i : i + 1])
        try:
            answer = wire.sock.recv(65536)
            break
        except TimeoutError:
            continue
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_e23_silence(serve: Any) -> None:
    """E23: a client that sends nothing at all is answered at the handshake deadline."""
    wire = serve(echo, config=quick(handshake_timeout=0.2)).connect()
    assert wire.read_refusal().status == 408


def test_e24_frames_with_the_head(serve: Any) -> None:
    """E24: frames in the same segment as the head are delivered after the accept, in order."""
    go = Gate()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await go.wait()
        await echo(scope, receive, send)

    wire = serve(app).connect()
    wire.send(request(), frame(TEXT, "one"), frame(BINARY, b"two"), frame(TEXT, "three"))
    go.open()
    wire.read_101()
    assert (wire.read_text(), wire.read_binary(), wire.read_text()) == ("one", b"two", "three")


def test_e25_ping_before_the_accept(serve: Any) -> None:
    """E25: a ping before the accept is answered after the 101, and nothing is written before."""
    deciding, go = Gate(), Gate()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        deciding.open()
        await go.wait()
        await echo(scope, receive, send)

    wire = serve(app).connect()
    wire.send(request())
    deciding.reached()
    wire.send(frame(PING, b"early"))
    go.open()
    wire.read_101()
    assert wire.read_frame() == Frame(PONG, b"early")


def test_e25_garbage_before_the_accept(serve: Any) -> None:
    """E25: garbage before the accept fails with 1002 after the 101."""
    app = Noting()
    wire = serve(app).connect()
    wire.send(request(), b"\xff" * 100)
    wire.read_101()
    assert wire.read_close().code == 1002
    assert wire.read_to_end() == b""
    assert app.disconnect()[0] == 1002


def test_e27_eof_before_the_accept(serve: Any) -> None:
    """E27: a client that leaves before the accept is a disconnect 1006, and accepting then raises OSError."""
    deciding, notes = Gate(), Notes()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        deciding.open()
        await receive()
        notes.put(await receive())
        try:
            await send({"type": "websocket.accept"})
        except OSError as error:
            notes.put(error)

    wire = serve(app).connect()
    wire.send(request())
    deciding.reached()
    wire.send_eof()
    message = notes.next()
    assert (message["type"], message["code"]) == ("websocket.disconnect", 1006)
    assert message["reason"]
    assert isinstance(notes.next(), OSError)
    assert wire.read_to_any_end() == b""


def test_e27_reset_before_the_accept(serve: Any) -> None:
    """E27: a reset before the accept is a disconnect 1006."""
    deciding = Gate()
    notes = Notes()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        deciding.open()
        await receive()
        notes.put(await receive())

    wire = serve(app).connect()
    wire.send(request())
    deciding.reached()
    wire.reset()
    assert notes.next()["code"] == 1006


def test_eof_within_the_head(serve: Any) -> None:
    """A client that leaves within its head, or before it, starts no application and is logged as no error."""
    server = serve(echo)
    for sent in (b"", b"G", request()[:-1]):
        wire = server.connect()
        wire.send(sent)
        wire.send_eof()
        assert wire.read_to_end() == b""
    server.open()


def test_i5_one_final_response(serve: Any) -> None:
    """I5: a second request behind a refused one is not answered."""
    wire = serve(echo).connect()
    wire.send(request(method="POST"), request())
    assert wire.read_refusal().status == 405


def test_close_frame_before_the_accept(serve: Any) -> None:
    """A close frame before the accept is echoed after the 101, and the application sees its code."""
    app = Noting()
    wire = serve(app).connect()
    wire.send(request(), close_frame(4001, "changed my mind"))
    wire.read_101()
    closing = wire.read_frame()
    assert (closing.opcode, closing.code) == (CLOSE, 4001)
    assert app.disconnect() == (4001, "changed my mind")
