"""WebSocket URIs: what is read, and what is refused."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wscore import URI, InvalidURI, parse_uri
from wscore._core.http.uri import redirected

VALID = {
    "ws://h": URI(False, "h", 80, "/"),
    "wss://h": URI(True, "h", 443, "/"),
    "WS://Example.COM:8080/Chat": URI(False, "example.com", 8080, "/Chat"),
    "ws://h:/": URI(False, "h", 80, "/"),
    "ws://h?q=1": URI(False, "h", 80, "/?q=1"),
    "ws://h/a%20b?c=%2F&d": URI(False, "h", 80, "/a%20b?c=%2F&d"),
    "ws://h/ä?ö": URI(False, "h", 80, "/%C3%A4?%C3%B6"),
    "ws://h/%zz": URI(False, "h", 80, "/%zz"),
    "ws://127.0.0.1:1/": URI(False, "127.0.0.1", 1, "/"),
    "ws://[::1]:9000/x": URI(False, "::1", 9000, "/x"),
    "wss://[2001:db8::1]": URI(True, "2001:db8::1", 443, "/"),
    "ws://[fe80::1%25eth0]:1/": URI(False, "fe80::1%eth0", 1, "/"),
    "ws://[fe80::1%25Br-0.1]/": URI(False, "fe80::1%Br-0.1", 80, "/"),
    "ws://[fe80::1%252]/": URI(False, "fe80::1%2", 80, "/"),
    "ws://[fe80::1%eth0]/": URI(False, "fe80::1%eth0", 80, "/"),  # RFC 6874 3: as people copy it
    "wss://Example.com./x": URI(True, "example.com.", 443, "/x"),
    "ws://bücher.example/": URI(False, "xn--bcher-kva.example", 80, "/"),
    "ws://my_host.local/": URI(False, "my_host.local", 80, "/"),
    "ws://h//double": URI(False, "h", 80, "//double"),
    "ws://me:pass@h/": URI(False, "h", 80, "/", b"Basic " + base64.b64encode(b"me:pass")),
    "ws://me@h/": URI(False, "h", 80, "/", b"Basic " + base64.b64encode(b"me:")),
    "ws://me:p%40%3As@h/": URI(False, "h", 80, "/", b"Basic " + base64.b64encode(b"me:p@:s")),
}
INVALID = {
    "": "expected ws",
    "h": "expected ws",
    "http://h/": "expected ws",
    "//h/": "expected ws",
    "ws:h": "expected a host",
    "ws://": "expected a host",
    "ws:///path": "expected a host",
    "ws://:80/": "expected a host",
    "ws://h/#f": "no fragment",
    "ws://h/#": "no fragment",
    "ws://h:0/": "expected a port",
    "ws://h:65536/": "expected a port",
    "ws://h:٣/": "expected a port",
    "ws://h:x/": "expected a port",
    "ws://h:-1/": "expected a port",
    "ws://::1/": "expected a port",
    "ws://[::1/": "IPv6|bracket",
    "ws://[::1]x/": "IPv6|bracket",
    "ws://[h]/": "IPv6|bracket",
    "ws://[v1.a]/": "IPv6|bracket",  # RFC 3986 3.2.2: reserved for addresses of the future
    "ws://[fe80::1%]/": "IPv6|bracket|address",
    "ws://[%25eth0]/": "IPv6|bracket|address",
    "ws://a b/": "a space",
    "ws://h/a b": "a space",
    "ws://h/\r\nX: y": "a space",
    " ws://h/": "a space",
    "ws://h/\x7f": "a space",
    "ws://ho!st/": "no name",
    "ws://a..ä/": "IDNA",
    "ws://h/\ud800": "surrogate",
    "ws://a%3Ab:c@h/": "colon",
}


@pytest.mark.parametrize("uri", VALID)
def test_what_is_read(uri: str):
    """Scheme, host, port, path and query, and user information, each as a server needs it."""
    assert parse_uri(uri) == VALID[uri]


@pytest.mark.parametrize("uri", INVALID)
def test_what_is_refused(uri: str):
    """Whatever is no WebSocket URI raises InvalidURI, which says why."""
    with pytest.raises(InvalidURI, match=INVALID[uri]):
        parse_uri(uri)


@pytest.mark.parametrize("uri", ["ws://me:secret@h:0/", "ws://me:secret@h/#f", "http://me:secret@h/"])
def test_errors_hold_no_password(uri: str):
    """A refused URI's password is not in the error."""
    with pytest.raises(InvalidURI) as caught:
        parse_uri(uri)
    assert "secret" not in str(caught.value)


def test_how_it_is_shown():
    """A URI shows neither user information nor query, and the port only where it is not the scheme's own."""
    assert str(parse_uri("ws://me:secret@h:80/a?token=1")) == "ws://h/a"
    assert str(parse_uri("wss://[::1]:80/")) == "wss://[::1]:80/"


@pytest.mark.parametrize(
    ("uri", "host", "address"),
    [
        ("ws://h", b"h", "h:80"),
        ("ws://h:443", b"h:443", "h:443"),
        ("wss://h:443", b"h", "h:443"),
        ("ws://[::1]", b"[::1]", "[::1]:80"),
        ("ws://[fe80::1%25eth0]", b"[fe80::1]", "[fe80::1]:80"),
        ("ws://[fe80::1%25eth0]:81", b"[fe80::1]:81", "[fe80::1]:81"),
        ("wss://h.", b"h.", "h.:443"),
    ],
)
def test_host_and_address(uri: str, host: bytes, address: str):
    """The Host header leaves out the scheme's own port; an address for a proxy never does. Neither has a zone, which
    means nothing to others (RFC 6874 4), and both keep the dot of an absolute name.
    """
    assert (parse_uri(uri).host_header, parse_uri(uri).address) == (host, address)


@pytest.mark.parametrize(
    ("location", "points_at"),
    [
        ("/new", "ws://h:81/new"),
        ("new?x", "ws://h:81/a/new?x"),
        ("//other/x", "ws://other/x"),
        ("http://other/x", "ws://other/x"),
        ("HTTPS://other/x", "wss://other/x"),
        ("wss://other/x", "wss://other/x"),
        ("ftp://other/x", "ftp://other/x"),
        ("//[", "//["),
    ],
)
def test_where_a_redirection_points(location: str, points_at: str):
    """A Location is read from the URI that was asked for, http as ws and https as wss."""
    assert redirected(parse_uri("ws://h:81/a/b?c"), location) == points_at


def test_a_zone_stays_with_its_address():
    """It is shown as URIs have it, and a relative redirection leads to the same place."""
    uri = parse_uri("ws://[fe80::1%25eth0]:81/a")
    assert str(uri) == "ws://[fe80::1%25eth0]:81/a"
    assert parse_uri(redirected(uri, "b")) == uri._replace(target="/b")


@given(st.text(alphabet=st.sampled_from("ws:/?#[]@%äа.0123456789abc -\x00\ud800"), max_size=30))
def test_any_text_is_read_or_refused(rest: str):
    """No text raises anything but InvalidURI, and what is read can stand in a request as it is."""
    try:
        uri = parse_uri(f"ws://{rest}")
    except InvalidURI:
        return
    assert uri.target.startswith("/")
    assert (uri.target + uri.host).isascii()
    assert not set(uri.target + uri.host) & set(" #\r\n\0")
    assert 1 <= uri.port <= 65535
