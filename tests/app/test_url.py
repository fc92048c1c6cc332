"""URL: a str that has the parts."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from starlette.datastructures import URL as StarletteURL

from wscore.app import URL

from .scripted import make_scope


def test_a_url_is_a_str_that_also_has_the_parts() -> None:
    """The document's promise, which Starlette's own class does not keep: `websocket.url` is a subclass of str."""
    url = URL("wss://ann:secret@Example.org:8443/chat?q=1#top")
    assert isinstance(url, str)
    assert url == "wss://ann:secret@Example.org:8443/chat?q=1#top"
    assert {url: 1}["wss://ann:secret@Example.org:8443/chat?q=1#top"] == 1
    assert (url.scheme, url.netloc, url.path) == ("wss", "ann:secret@Example.org:8443", "/chat")
    assert (url.query, url.fragment, url.username, url.password) == ("q=1", "top", "ann", "secret")
    assert (url.hostname, url.port, url.is_secure) == ("example.org", 8443, True)
    assert url.components.geturl() == str(url)


def test_str_of_a_url_is_a_plain_str() -> None:
    """`str(url)` and formatting give the whole URL as a plain str."""
    url = URL("ws://ann:secret@h/")
    assert type(str(url)) is str
    assert f"{url}" == "ws://ann:secret@h/"


def test_repr_hides_the_password() -> None:
    """The password does not reach a log by way of `repr()`, not even from a text that is no URL."""
    assert repr(URL("ws://ann:secret@h:1/x?a=b@c")) == "URL('ws://ann:********@h:1/x?a=b@c')"
    assert repr(URL("ws://:secret@h/")) == "URL('ws://:********@h/')"
    assert repr(URL("ws://ann:se@cret@[::1/")) == "URL('ws://ann:********@[::1/')"
    assert repr(URL("ws://h/a:b@c")) == "URL('ws://h/a:b@c')"


def test_a_url_can_be_copied_and_pickled() -> None:
    """A copy is a URL with the same parts."""
    url = URL("ws://h:1/x")
    for twin in (copy.copy(url), pickle.loads(pickle.dumps(url))):
        assert type(twin) is URL
        assert twin == url
        assert twin.port == 1


def test_replace_with_a_position_is_that_of_str() -> None:
    """Code that takes a str and replaces in it gets what it expects."""
    assert URL("ws://h/a/a").replace("a", "b") == "ws://h/b/b"
    assert URL("ws://h/a/a").replace("a", "b", 1) == "ws://h/b/a"


def test_two_sources_are_an_error() -> None:
    """A URL comes from one source; which one was meant is not guessed."""
    with pytest.raises(TypeError, match="from two of them"):
        URL("ws://h/", scope=make_scope())
    with pytest.raises(TypeError, match="from two of them"):
        URL("ws://h/", path="/x")


@pytest.mark.parametrize(
    "parts",
    [
        {"scheme": "https"},
        {"path": "/other"},
        {"port": 1},
        {"port": None},
        {"hostname": "other"},
        {"hostname": "::1"},
        {"hostname": "::1", "port": None},
        {"username": "bob"},
        {"username": "bob", "password": "pw"},
        {"username": None, "password": None},
        {"netloc": "other:2"},
        {"query": "x=y", "fragment": "f"},
    ],
)
@pytest.mark.parametrize(
    "text", ["ws://h/x", "ws://H:8000/x?a=1", "wss://ann:pw@h:1/", "ws://[::1]:8000/", "ws://ann@[::1]/", "ws://h:/"]
)
def test_replace_gives_what_starlette_gives(text: str, parts: dict[str, Any]) -> None:
    """`replace()` with parts answers as Starlette's URL does."""
    assert URL(text).replace(**parts) == str(StarletteURL(text).replace(**parts))


@pytest.mark.parametrize("text", ["ws://h/x", "ws://h/x?a=1&b=2&a=3&c=", "ws://h/?q=%C3%A9+x#f"])
def test_query_helpers_give_what_starlette_gives(text: str) -> None:
    """Parameters are included, replaced and removed as Starlette's URL does it."""
    ours, theirs = URL(text), StarletteURL(text)
    assert ours.include_query_params(a=9, z="é &") == str(theirs.include_query_params(a=9, z="é &"))
    assert ours.replace_query_params(a=9) == str(theirs.replace_query_params(a=9))
    assert ours.replace_query_params() == str(theirs.replace_query_params())
    assert ours.remove_query_params("a") == str(theirs.remove_query_params("a"))
    assert ours.remove_query_params(["b", "c", "x"]) == str(theirs.remove_query_params(["b", "c", "x"]))


def test_a_url_is_made_from_components() -> None:
    """Components alone make a URL."""
    assert URL(scheme="ws", hostname="::1", port=80, path="/x", query="a=1") == "ws://[::1]:80/x?a=1"
    assert URL(scheme="ws", netloc="h", path="/") == str(StarletteURL(scheme="ws", netloc="h", path="/"))


def _host(value: bytes) -> dict[str, Any]:
    return {"headers": [(b"host", value)]}


SCOPES: list[dict[str, Any]] = [
    {},
    {"scheme": "wss"},
    {"query_string": b"a=1&b=%20"},
    {"path": "/a b/é"},
    {"path": "/a?b#c\\d"},
    {"path": "//evil/x"},
    {"path": "//evil/x", "headers": [], "server": None},
    {"headers": []},
    {"headers": [], "server": ("127.0.0.1", 80)},
    {"headers": [], "server": ("h", 443), "scheme": "wss"},
    {"headers": [], "server": ("::1", 8000)},
    {"headers": [], "server": ("[::1]", 80)},
    {"headers": [], "server": None},
    {"headers": [], "server": None, "query_string": b"a=1"},
    {"headers": [(b"accept", b"*/*"), (b"host", b"first"), (b"host", b"second")]},
    _host(b"h"),
    _host(b"h:"),
    _host(b"h:80"),
    _host(b"h:00080"),
    _host(b"h:65535"),
    _host(b"h:65536"),
    _host(b"h:99999999999"),
    _host(b"h:x"),
    _host(b""),
    _host(b"h/evil"),
    _host(b"a@h"),
    _host(b"h?x"),
    _host(b"h#x"),
    _host(b"h x"),
    _host(b"h\\x"),
    _host(b"[::1]"),
    _host(b"[::1]:8000"),
    _host(b"[::1"),
    _host(b"[:::::]"),
    _host(b"[v1.x]:1"),
    _host(b"[V1.x]"),
    _host(b"\xe9"),
    _host(b"EXAMPLE.org"),
    _host(b"h\n"),
]


@pytest.mark.parametrize("changes", SCOPES, ids=repr)
def test_a_scope_gives_the_url_that_starlette_gives(changes: dict[str, Any]) -> None:
    """The Host header where it is one, else the server, else the path alone; nothing leaks from one part to another."""
    assert URL(scope=make_scope(**changes)) == str(StarletteURL(scope=make_scope(**changes)))


def test_a_scope_without_a_scheme_is_ws() -> None:
    """ASGI's default for websockets; Starlette says http."""
    scope = make_scope()
    del scope["scheme"]
    assert URL(scope=scope) == "ws://example.org:8000/chat"


def test_a_query_that_is_not_utf8_does_not_raise() -> None:
    """A client may write any byte there; Starlette raises UnicodeDecodeError."""
    assert URL(scope=make_scope(query_string=b"a=\xff")).query == "a=ÿ"


def test_a_unix_socket_is_no_host() -> None:
    """ASGI gives (path, None) for a unix socket; Starlette makes the host `/run/app.sock:None` of it."""
    assert URL(scope=make_scope(headers=[], server=("/run/app.sock", None))) == "/chat"
