"""Connecting through HTTP proxies, good and bad ones."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from wscore import Config, HandshakeFailed, HandshakeTimeout, InvalidURI, ProxyRefused
from wscore.transport.connecting import Destination

from .servers import Proxy, echo, nobody_listens, read_request, read_to_end

pytestmark = pytest.mark.anyio

VARIABLES = ("http_proxy", "https_proxy", "ws_proxy", "wss_proxy", "socks_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxies_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


async def echoes(context: Any) -> None:
    async with context as ws:
        for message in ("hello", b"\x00" * 200_000):
            await ws.send(message)
            assert await ws.recv() == message


async def test_through_a_proxy(connect: Any, serve: Callable[..., int]) -> None:
    """The proxy is asked for the URI's host and port, which need not mean anything here; then all is as without it."""
    port = serve(echo)
    with Proxy() as proxy:
        await echoes(connect(f"ws://far.example:{port}/", proxy=f"http://me:secret@127.0.0.1:{proxy.port}"))
    (head,) = proxy.asked
    assert head.startswith(b"CONNECT far.example:%d HTTP/1.1\r\n" % port)
    assert b"\r\nProxy-Authorization: Basic bWU6c2VjcmV0\r\n" in head


async def test_tls_through_a_proxy(
    connect: Any, serve: Callable[..., int], server_side: ssl.SSLContext, client_side: ssl.SSLContext
) -> None:
    """The certificate is the server's, by the URI's host."""
    port = serve(echo, ssl=server_side)
    with Proxy() as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        await echoes(connect(f"wss://localhost:{port}/", ssl=client_side, proxy=url))
        with pytest.raises(HandshakeFailed, match="mismatch") as failed:
            await echoes(connect(f"wss://elsewhere.example:{port}/", ssl=client_side, proxy=url))
    assert not failed.value.temporary


@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_a_proxy_behind_tls(
    connect: Any,
    serve: Callable[..., int],
    server_side: ssl.SSLContext,
    client_side: ssl.SSLContext,
    scheme: str,
) -> None:
    """With https:// the proxy is spoken to over TLS, and through that to the server, over TLS or not."""
    options: dict[str, Any] = {"ssl": client_side} if scheme == "wss" else {}
    port = serve(echo, ssl=server_side if options else None)
    with Proxy(server_side) as proxy:
        url = f"https://localhost:{proxy.port}"
        await echoes(connect(f"{scheme}://localhost:{port}/", proxy=url, proxy_ssl=client_side, **options))
    assert len(proxy.asked) == 1


async def test_a_proxy_that_refuses(connect: Any, script: Callable[..., int]) -> None:
    """ProxyRefused has the status, and is one line with both addresses."""

    def play(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 3\r\n\r\nwho")
        read_to_end(sock)

    port = script(play)
    with pytest.raises(ProxyRefused) as refused:
        await echoes(connect("ws://far.example/x", proxy=f"http://127.0.0.1:{port}"))
    assert refused.value.status == 407
    assert str(refused.value) == (
        f"no connection to ws://far.example/x: proxy http://127.0.0.1:{port} refused: 407 Proxy Authentication Required"
    )


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"", "it closed the connection before it answered"),
        (b"HTTP/1.1 200 OK\r\n", "it closed the connection before it answered"),
        (b"SSH-2.0\r\n\r\n", "its answer is not HTTP"),
        (b"HTTP/1.1 200 OK\r\n\r\n\x81\x00", "it sent more than its answer"),
    ],
)
async def test_a_proxy_that_misbehaves(connect: Any, script: Callable[..., int], answer: bytes, why: str) -> None:
    """HandshakeFailed says what it did; the socket is closed."""

    def play(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(answer)
        sock.shutdown(socket.SHUT_WR)
        read_to_end(sock)

    port = script(play)
    with pytest.raises(HandshakeFailed, match=why):
        await echoes(connect("ws://far.example/x", proxy=f"http://127.0.0.1:{port}"))


@pytest.mark.parametrize("says", [b"", b"HTTP/1.1 200 "])
async def test_a_silent_proxy(connect: Any, script: Callable[..., int], says: bytes) -> None:
    """The handshake's timeout covers the proxy."""

    def play(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(says)
        read_to_end(sock)

    port = script(play)
    config = Config(handshake_timeout=0.2)
    with pytest.raises(HandshakeTimeout, match=f"by proxy http://127.0.0.1:{port}: connecting took too long"):
        await echoes(connect("ws://far.example/x", proxy=f"http://127.0.0.1:{port}", config=config))


async def test_no_proxy_there(connect: Any) -> None:
    """The error names the proxy."""
    with nobody_listens() as port:
        why = f"ws://far.example/ by proxy http://127.0.0.1:{port}: .*"
        with pytest.raises(HandshakeFailed, match=why) as failed:
            await echoes(connect("ws://far.example/", proxy=f"http://127.0.0.1:{port}"))
    assert failed.value.temporary


async def test_cancelled_while_the_proxy_is_asked(connect: Any, script: Callable[..., int]) -> None:
    """No socket is left, at whatever moment."""
    asked = anyio.Event()

    def play(sock: socket.socket) -> None:
        read_request(sock)
        read_to_end(sock)

    port = script(play)
    async with anyio.create_task_group() as tasks:

        async def run() -> None:
            asked.set()
            await echoes(connect("ws://far.example/x", proxy=f"http://127.0.0.1:{port}"))

        tasks.start_soon(run)
        await asked.wait()
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()


def test_the_environment_names_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the standard library reads it: https_proxy for wss, http_proxy for ws, no_proxy for exceptions."""
    monkeypatch.setenv("http_proxy", "http://plain.example:1")
    monkeypatch.setenv("https_proxy", "http://secure.example:2")
    monkeypatch.setenv("no_proxy", "near.example")

    def way(uri: str, **options: Any) -> tuple[str, int]:
        to = Destination(uri, **options)
        return to.host, to.port

    assert way("ws://far.example/") == ("secure.example", 2)  # as with websockets: CONNECT is what it is asked for
    assert way("wss://far.example/") == ("secure.example", 2)
    assert way("ws://near.example/") == ("near.example", 80)
    assert way("wss://far.example/", proxy=None) == ("far.example", 443)
    assert way("wss://far.example/", proxy="http://mine.example:3") == ("mine.example", 3)
    monkeypatch.delenv("https_proxy")
    assert way("ws://far.example/") == ("plain.example", 1)
    assert way("wss://far.example/") == ("far.example", 443)


@pytest.mark.parametrize(
    "host", ["localhost", "localhost.", "a.localhost", "127.0.0.1", "127.1.2.3", "[::1]", "[::ffff:127.0.0.1]"]
)
def test_this_machine_is_not_reached_by_the_environments_proxy(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """A proxy elsewhere would look for the server on itself; who wants that says so by `proxy=`."""
    monkeypatch.setenv("http_proxy", "http://plain.example:1")
    assert Destination(f"ws://{host}:5/").port == 5
    assert Destination(f"ws://{host}:5/", proxy="http://plain.example:1").port == 1


@pytest.mark.parametrize("name", ["all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("uri", ["ws://far.example/", "wss://far.example/"])
def test_a_proxy_for_all(monkeypatch: pytest.MonkeyPatch, uri: str, name: str) -> None:
    """`all_proxy` serves where no other is named, with the exceptions of `no_proxy`."""
    monkeypatch.setenv(name, "http://all.example:9")
    assert Destination(uri).host == "all.example"
    monkeypatch.setenv("https_proxy", "http://secure.example:2")
    assert Destination(uri).host == "secure.example"
    monkeypatch.setenv("no_proxy", "far.example")
    assert Destination(uri).proxy is None


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("all_proxy", "socks5://p.example:1080"),
        ("ALL_PROXY", "socks5h://p.example:1080"),
        ("socks_proxy", "p.example:1080"),
        ("SOCKS_PROXY", "socks4://p.example:1080"),
        ("socks_proxy", "http://p.example:1080"),
        ("wss_proxy", "ftp://p.example"),
    ],
)
def test_nobody_is_led_around_a_proxy_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch, name: str, url: str) -> None:
    """It is an error that names the variable and the way without, and no connection."""
    monkeypatch.setenv(name, url)
    with pytest.raises(InvalidURI, match=f"^{name.lower()} of the environment: .*expected http:// .*proxy=None"):
        Destination("wss://far.example/")
    assert Destination("wss://far.example/", proxy=None).proxy is None
    assert Destination("wss://localhost/").proxy is None


def test_the_most_specific_proxy_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy for the URI's scheme is used, whatever another variable names for the rest."""
    monkeypatch.setenv("https_proxy", "http://secure.example:2")
    monkeypatch.setenv("all_proxy", "socks5://p.example:1080")
    monkeypatch.setenv("socks_proxy", "p.example:1080")
    assert Destination("wss://far.example/").host == "secure.example"


@pytest.mark.parametrize(
    ("host", "no_proxy"),
    [
        ("far.example", "far.example"),
        ("far.example", "near.example, FAR.example"),
        ("far.example", "near.example far.example"),
        ("far.example.", "far.example"),
        ("far.example", "far.example."),
        ("a.far.example", ".far.example"),
        ("a.far.example", "*.far.example"),
        ("a.far.example", "far.example"),
        ("far.example:81", "far.example:81"),
        ("xn--bcher-kva.example", "bücher.example"),
        ("far.example", "*"),
        ("far.example", "x, *"),
        ("192.0.2.5", "192.0.2.5"),
        ("192.0.2.5", "192.0.2.0/24"),
        ("192.0.2.5", "192.0.2.7/24"),
        ("192.0.2.5:81", "192.0.2.5:81"),
        ("[fd00::5]", "fd00::5"),
        ("[fd00::5]", "FD00:0::0005"),
        ("[fd00::5]", "[fd00::5]"),
        ("[fd00::5]:81", "[fd00::5]:81"),
        ("[fd00::5]", "fd00::/8"),
        ("[fd00::5]", "[fd00::]/8"),
        ("[fe80::5%25eth0]", "fe80::5"),
        ("[fe80::5%25eth0]", "fe80::5%eth0"),
        ("[fe80::5%25eth0]", "fe80::/10"),
        ("[::ffff:192.0.2.5]", "192.0.2.0/24"),
    ],
)
def test_exceptions_from_the_proxy(monkeypatch: pytest.MonkeyPatch, host: str, no_proxy: str) -> None:
    """`no_proxy` as people write it: names, addresses, networks, ports."""
    monkeypatch.setenv("https_proxy", "http://secure.example:2")
    monkeypatch.setenv("no_proxy", no_proxy)
    assert Destination(f"ws://{host}/").proxy is None


@pytest.mark.parametrize(
    ("host", "no_proxy"),
    [
        ("far.example", "example.far, ar.example, xfar.example"),
        ("far.example", "a.far.example"),
        ("far.example", "far.example:81"),
        ("far.example", ". , : *. [] / far.example:999999"),
        ("192.0.2.5", "5, 2.5, .5, 192.0.3.0/24, 192.0.2.0/33, fd00::/8"),
        ("192.0.2.5", "192.0.2.5:81"),
        ("[fd00::5]", "fd00::6, fe80::/10, [fd00::5]:81, fd00, 5, 0.0.0.0/0"),
        ("xn--bcher-kva.example", "bü..cher.example"),
    ],
)
def test_what_is_no_exception_from_the_proxy(monkeypatch: pytest.MonkeyPatch, host: str, no_proxy: str) -> None:
    """No other host is led around it, whatever else stands there."""
    monkeypatch.setenv("https_proxy", "http://secure.example:2")
    monkeypatch.setenv("no_proxy", no_proxy)
    assert Destination(f"ws://{host}/").host == "secure.example"


async def test_an_informational_answer(connect: Any, serve: Callable[..., int]) -> None:
    """A proxy may say 100 before its 200 (RFC 9110 15.2)."""
    port = serve(echo)
    with Proxy(hints=b"HTTP/1.1 100 Continue\r\n\r\n") as proxy:
        await echoes(connect(f"ws://far.example:{port}/", proxy=f"http://127.0.0.1:{proxy.port}"))


def test_what_contradicts_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """It raises when `connect` is called."""
    monkeypatch.setenv("http_proxy", "socks5://x:1")
    with pytest.raises(InvalidURI, match="not supported"):
        Destination("ws://far.example/")
    assert Destination("ws://far.example/", proxy=None).proxy is None
    assert Destination("ws://far.example/", unix_path="/x").proxy is None
    with pytest.raises(ValueError, match="not for sock and unix_path"):
        Destination("ws://far.example/", unix_path="/x", proxy="http://p")
    with pytest.raises(ValueError, match="proxy with https://"):
        Destination("ws://far.example/", proxy="http://p", proxy_tls=ssl.create_default_context())
