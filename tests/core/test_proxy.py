"""The way through a proxy: its URL, the request, and every answer."""

from __future__ import annotations

import pytest

from wscore import Config, HandshakeFailed, InvalidURI, ProxyRefused, parse_uri
from wscore._core.http.proxy import Proxy, ProxyHandshake, parse_proxy

PROXY = Proxy(secure=False, host="proxy.example", port=3128, authorization=None)
OK = b"HTTP/1.1 200 Connection established\r\n\r\n"


def asked(uri: str = "ws://server.example/chat", proxy: Proxy = PROXY, **limits: int) -> ProxyHandshake:
    return ProxyHandshake(proxy, parse_uri(uri), Config(**limits))


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://proxy.example:3128", PROXY),
        ("HTTP://proxy.example:3128/", PROXY),
        ("proxy.example:3128", PROXY),
        ("http://proxy.example", Proxy(False, "proxy.example", 80, None)),
        ("https://proxy.example", Proxy(True, "proxy.example", 443, None)),
        ("http://[::1]:8080", Proxy(False, "::1", 8080, None)),
        ("http://me:s%20cret@p:1", Proxy(False, "p", 1, b"Basic bWU6cyBjcmV0")),
    ],
)
def test_a_url_is_read(url: str, proxy: Proxy) -> None:
    """http:// is the default, as with curl; user information becomes Basic credentials."""
    assert parse_proxy(url) == proxy


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("socks5://p:1080", "the proxy is a socks5 one, which is not supported; expected http:// or https://"),
        ("socks5h://p:1080", "socks5h"),
        ("ftp://p", "the proxy's scheme is 'ftp'; expected http:// or https://"),
        ("http://", "the proxy's URL is wrong: .*expected a host"),
        ("http://p:99999", "expected a port from 1 to 65535"),
        ("http://a b", "a space"),
        ("", "expected a host"),
    ],
)
def test_a_wrong_url_is_refused(url: str, why: str) -> None:
    """The error is one line, and says what was expected."""
    with pytest.raises(InvalidURI, match=why):
        parse_proxy(url)


def test_passwords_stay_out_of_errors() -> None:
    """Neither a wrong URL's nor a refused one's."""
    with pytest.raises(InvalidURI) as invalid:
        parse_proxy("http://me:secret@p:0")
    assert "secret" not in str(invalid.value)
    proxy = parse_proxy("http://me:secret@p:1")
    with pytest.raises(ProxyRefused) as refused:
        asked(proxy=proxy).feed(b"HTTP/1.1 403 No\r\n\r\n")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("ws://server.example/chat", b"server.example:80"),
        ("wss://server.example", b"server.example:443"),
        ("ws://[2001:db8::1]:9000/", b"[2001:db8::1]:9000"),
    ],
)
def test_the_request(uri: str, address: bytes) -> None:
    """RFC 9110 9.3.6: host and port are the target, and the Host header."""
    assert asked(uri).request() == b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (address, address)


def test_credentials_go_to_the_proxy_alone() -> None:
    """Proxy-Authorization stands in the CONNECT; the server's user information does not."""
    request = asked("ws://you:pass@server.example", parse_proxy("http://me:secret@p:1")).request()
    assert b"Proxy-Authorization: Basic bWU6c2VjcmV0\r\n" in request
    assert b"\r\nAuthorization" not in request


@pytest.mark.parametrize(
    "answer",
    [
        OK,
        b"HTTP/1.0 200 OK\r\nVia: 1.1 x\r\n\r\n",
        b"HTTP/1.1 204 \r\n\r\n",
        b"HTTP/1.1 200 OK\nX: y\n\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",  # RFC 9110 9.3.6: to be ignored
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,  # RFC 9110 15.2: to be read past, any number
        b"HTTP/1.1 102 Processing\r\nX: y\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" + OK,
    ],
)
def test_any_2xx_frees_the_way_however_it_is_cut(answer: bytes) -> None:
    """At the last byte of the head, and not before."""
    assert asked().feed(answer)
    handshake = asked()
    assert [handshake.feed(answer[at : at + 1]) for at in range(len(answer))] == [False] * (len(answer) - 1) + [True]


@pytest.mark.parametrize(
    ("answer", "status", "temporary", "text"),
    [
        (b"407 Proxy Authentication Required", 407, False, "refused: 407 Proxy Authentication Required"),
        (b"403 Forbidden", 403, False, "refused: 403 Forbidden"),
        (b"301 Moved", 301, False, "refused: 301 Moved"),
        (b"502 Bad Gateway", 502, True, "refused: 502 Bad Gateway"),
        (b"503 ", 503, True, "refused: 503"),
    ],
)
def test_a_refusal(answer: bytes, status: int, temporary: bool, text: str) -> None:
    """Everything else is a ProxyRefused with status and reason; what may get better says so."""
    with pytest.raises(ProxyRefused) as refused:
        asked().feed(b"HTTP/1.1 " + answer + b"\r\nContent-Length: 5\r\n\r\nsorry")
    assert str(refused.value) == f"no connection to ws://server.example/chat: proxy http://proxy.example:3128 {text}"
    assert (refused.value.status, refused.value.temporary) == (status, temporary)


def test_a_refusal_behind_an_informational_answer() -> None:
    """It is told with its own status."""
    with pytest.raises(ProxyRefused, match="refused: 407 No") as refused:
        asked().feed(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 407 No\r\n\r\n")
    assert refused.value.status == 407


def test_the_reason_of_a_refusal_holds_no_control_characters() -> None:
    """A hostile proxy's words are read on terminals and in logs."""
    with pytest.raises(ProxyRefused) as refused:
        asked().feed(b"HTTP/1.1 407 a\x9b31mb\x9dc\td\xe4\r\n\r\n")
    assert str(refused.value).endswith("refused: 407 a\\x9b31mb\\x9dc\\x09d\u00e4")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "its answer is not HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n", "its answer is not HTTP/1.1"),
        (b"HTTP/1.1 101 Switching\r\n\r\n", "its answer is not HTTP/1.1"),  # nobody asked for another protocol
        (OK + b"\x81\x02hi", "it sent more than its answer"),
        (b"HTTP/1.1 100 Continue\r\n\r\nSSH-2.0-OpenSSH_9.2\r\n\r\n", "its answer is not HTTP/1.1"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"\x81\x02hi", "it sent more than its answer"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100, "the head of its answer is larger than 1000 bytes"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 2000, "the head of its answer is larger than 1000 bytes"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 2000 + b"\r\n\r\n", "the head of its answer is larger than 1000 bytes"),
    ],
)
def test_what_is_no_answer(answer: bytes, why: str) -> None:
    """It fails at once, within the limit on heads, and another attempt would not do better."""
    with pytest.raises(HandshakeFailed, match=why) as failed:
        asked(max_head_size=1000).feed(answer)
    assert not failed.value.temporary
    assert not isinstance(failed.value, ProxyRefused)


@pytest.mark.parametrize("size", [0, 1, 20, len(OK) - 1])
def test_the_end_of_the_stream(size: int) -> None:
    """A proxy that closes before it has answered may do better next time."""
    handshake = asked()
    if size:
        assert not handshake.feed(OK[:size])
    with pytest.raises(HandshakeFailed, match="it closed the connection before it answered") as failed:
        handshake.feed(b"")
    assert failed.value.temporary
