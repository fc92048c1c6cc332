"""Connecting, and what becomes of it with servers that refuse, misbehave or say nothing."""

from __future__ import annotations

import inspect
import re
import socket
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import wscore_asyncio
import wscore_trio
from wscore import (
    Config,
    ConnectionClosed,
    HandshakeFailed,
    HandshakeRefused,
    HandshakeTimeout,
    InvalidMessage,
    InvalidURI,
)
from wscore.transport.connecting import Destination

from ..conformance.harness import far_end
from ..conformance.wire import CLOSE, TEXT, frame
from .servers import echo, nobody_listens, read_request, read_to_end, upgrade

pytestmark = pytest.mark.anyio


async def enter(context: Any) -> None:
    """Connect, and leave at once."""
    async with context:
        pass


async def test_no_uri(connect: Any) -> None:
    """What is no WebSocket URI raises when `connect` is called; so does what contradicts itself."""
    with pytest.raises(InvalidURI):
        connect("http://localhost/")
    context = ssl.create_default_context()
    with pytest.raises(ValueError, match="for wss://"):
        connect("ws://localhost/", ssl=context)
    with pytest.raises(ValueError, match="for wss://"):
        connect("ws://localhost/", server_hostname="localhost")
    with socket.socket() as sock, pytest.raises(ValueError, match="not both"):
        connect("ws://localhost/", sock=sock, unix_path="/x")


async def test_a_request_that_cannot_be_sent(connect: Any) -> None:
    """A header that cannot stand in a request raises before anything is connected; a socket given is closed."""
    sock = socket.socket()
    with pytest.raises(InvalidMessage):
        await enter(connect("ws://localhost/", sock=sock, headers={"X": "a\r\nb"}))
    assert sock.fileno() == -1


async def test_nobody_listens(connect: Any, tmp_path: Path) -> None:
    """Where nobody listens the error is one line with the address and the system's reason."""
    with nobody_listens() as port, pytest.raises(HandshakeFailed) as failed:
        await enter(connect(f"ws://127.0.0.1:{port}/path"))
    assert re.fullmatch(
        rf"no connection to ws://127\.0\.0\.1:{port}/path: .*(refused|Connect call failed).*", str(failed.value)
    )
    with pytest.raises(HandshakeFailed) as failed:
        await enter(connect("ws://localhost/", unix_path=str(tmp_path / "none")))
    assert re.fullmatch(r"no connection to ws://localhost/ at .*/none: .*No such file.*", str(failed.value))


async def test_no_such_host(connect: Any) -> None:
    """A host that is no name of anybody fails likewise."""
    with pytest.raises(HandshakeFailed, match=r"^no connection to ws://a\.\.b/: .*$"):
        await enter(connect("ws://a..b/"))


@pytest.mark.parametrize("name", [".a", "a..b", "a" * 64 + ".example", ".", "a\0b"])
async def test_a_name_that_tls_cannot_ask_for(connect: Any, client_side: ssl.SSLContext, name: str) -> None:
    """It fails before anything is connected, for good, in one line; a socket given is closed."""
    sock = socket.socket()
    with pytest.raises(HandshakeFailed, match=r"^no connection to wss://localhost/: TLS cannot ask for ") as failed:
        await enter(connect("wss://localhost/", ssl=client_side, server_hostname=name, sock=sock))
    assert not failed.value.temporary
    assert sock.fileno() == -1
    attempts = connect("wss://localhost/", ssl=client_side, server_hostname=name)
    with pytest.raises(HandshakeFailed, match="TLS cannot ask for"):
        await anext(aiter(attempts))


async def test_a_context_that_is_a_servers(connect: Any, server_side: ssl.SSLContext) -> None:
    """TLS cannot begin with it, and says so."""
    with pytest.raises(HandshakeFailed, match=r"TLS cannot ask for 'localhost': .*PROTOCOL_TLS_SERVER"):
        await enter(connect("wss://localhost/", ssl=server_side))


async def test_the_dot_of_an_absolute_name(
    connect: Any, serve: Callable[..., int], server_side: ssl.SSLContext, client_side: ssl.SSLContext
) -> None:
    """`localhost.` is asked for and certified without its dot (RFC 6066 3); the Host header is as written."""
    names: list[str | None] = []
    server_side.sni_callback = lambda _, name, __: names.append(name)
    hosts: list[bytes] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        hosts.extend(value for name, value in scope["headers"] if name == b"host")
        await echo(scope, receive, send)

    port = serve(app, ssl=server_side)
    sock = socket.create_connection(("127.0.0.1", port))  # not every system finds itself by the name with the dot
    await enter(connect(f"wss://localhost.:{port}/", ssl=client_side, sock=sock))
    await enter(connect(f"wss://127.0.0.1:{port}/", ssl=client_side, server_hostname="localhost."))
    assert names == ["localhost", "localhost"]
    assert hosts == [b"localhost.:%d" % port, b"127.0.0.1:%d" % port]


def test_the_zone_of_an_address() -> None:
    """The resolver gets it, and nobody else (RFC 6874 4)."""
    to = Destination("wss://[fe80::1%25lo]:1/")
    assert (to.host, to.server_hostname) == ("fe80::1%lo", "fe80::1")


async def test_an_address_with_a_zone_is_looked_up_with_it(connect: Any) -> None:
    """An interface that nobody has is the system's to refuse."""
    with pytest.raises(HandshakeFailed, match=r"^no connection to ws://\[fe80::1%25nowhere0\]:1/: "):
        await enter(connect("ws://[fe80::1%25nowhere0]:1/"))


async def test_a_refusal_is_kept(connect: Any, script: Callable[..., int]) -> None:
    """Status, headers and body of a refusal are in the exception."""

    def play(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(b"HTTP/1.1 401 Unauthorized\r\nX-Why: because\r\nContent-Length: 5\r\n\r\nsorry")
        read_to_end(sock)

    with pytest.raises(HandshakeRefused, match="401") as refused:
        await enter(connect(f"ws://127.0.0.1:{script(play)}/"))
    assert (refused.value.status, refused.value.body) == (401, b"sorry")
    assert (b"x-why", b"because") in refused.value.headers


async def test_a_redirection_is_not_followed(connect: Any, script: Callable[..., int]) -> None:
    """Where a redirection points is in the exception, for the caller to follow."""

    def play(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(b"HTTP/1.1 302 Found\r\nLocation: https://example.org/new\r\nContent-Length: 0\r\n\r\n")
        read_to_end(sock)

    with pytest.raises(HandshakeRefused) as refused:
        await enter(connect(f"ws://127.0.0.1:{script(play)}/"))
    assert refused.value.location == "wss://example.org/new"


async def test_our_own_refusal(connect: Any, serve: Callable[..., int]) -> None:
    """A close before the accept is a 403."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope
        await receive()
        await send({"type": "websocket.close"})

    with pytest.raises(HandshakeRefused) as refused:
        await enter(connect(f"ws://127.0.0.1:{serve(app)}/"))
    assert refused.value.status == 403


WRONG_ANSWERS = {
    "a wrong accept value": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "the end": b"",
    "half a head": b"HTTP/1.1 101 Switching Proto",
}


@pytest.mark.parametrize("answer", WRONG_ANSWERS.values(), ids=list(WRONG_ANSWERS))
async def test_no_answer_to_the_handshake(connect: Any, script: Callable[..., int], answer: bytes) -> None:
    """What is no answer to the handshake raises HandshakeFailed, with the address in one line."""

    def play(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(answer)

    port = script(play)
    with pytest.raises(HandshakeFailed, match=rf"^no connection to ws://127\.0\.0\.1:{port}/: .+$"):
        await enter(connect(f"ws://127.0.0.1:{port}/"))


@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_silence(connect: Any, script: Callable[..., int], scheme: str) -> None:
    """A server that accepts and says nothing, in the handshake or in TLS, is a TimeoutError in time."""
    with pytest.raises(HandshakeTimeout) as timeout:
        await enter(connect(f"{scheme}://127.0.0.1:{script(read_to_end)}/", config=Config(handshake_timeout=0.1)))
    assert isinstance(timeout.value, TimeoutError)
    assert f"no connection to {scheme}://127.0.0.1" in str(timeout.value)


async def test_masked_frames(connect: Any, script: Callable[..., int]) -> None:
    """A server that masks is told 1002 (RFC 6455 5.1)."""

    def play(sock: socket.socket) -> None:
        upgrade(sock)
        sock.sendall(frame(TEXT, "masked"))
        assert sock.recv(2, socket.MSG_WAITALL)[0] == 0x88

    async with connect(f"ws://127.0.0.1:{script(play)}/") as ws:
        with pytest.raises(ConnectionClosed, match="1002"):
            await ws.recv()


@pytest.mark.parametrize("answering", [True, False])
async def test_a_server_that_never_closes(connect: Any, script: Callable[..., int], answering: bool) -> None:
    """Whether it answers the close frame or not, a server that keeps the connection is left after `close_timeout`."""

    def play(sock: socket.socket) -> None:
        upgrade(sock)
        if answering:
            assert sock.recv(2, socket.MSG_WAITALL)[0] == 0x88
            sock.sendall(frame(CLOSE, b"\x03\xe8", mask=None))
        read_to_end(sock)

    async with connect(f"ws://127.0.0.1:{script(play)}/", config=Config(close_timeout=0.1)) as ws:
        await ws.close()
    assert ws.close_code == 1000


async def test_a_connection_that_breaks(connect: Any, script: Callable[..., int]) -> None:
    """The end of the stream without a close frame is 1006, for who waits and who sends."""

    def play(sock: socket.socket) -> None:
        upgrade(sock)

    async with connect(f"ws://127.0.0.1:{script(play)}/") as ws:
        with pytest.raises(ConnectionClosed, match="1006"):
            await ws.recv()
        with pytest.raises(ConnectionClosed, match="1006"):
            await ws.send("hello")
        assert ws.close_code == 1006


async def test_wss(
    connect: Any, serve: Callable[..., int], server_side: ssl.SSLContext, client_side: ssl.SSLContext
) -> None:
    """Over TLS messages of any size, pings and closes work as over TCP."""
    port = serve(echo, ssl=server_side)
    async with connect(f"wss://localhost:{port}/", ssl=client_side) as ws:
        for size in (0, 10, 100_000, 2**20):
            await ws.send(bytes(size))
            assert await ws.recv() == bytes(size)
        assert await ws.ping() > 0
        await ws.close(4000, "bye")
    assert ws.close_code == 4000
    async with connect(f"wss://127.0.0.1:{port}/", ssl=client_side, server_hostname="localhost") as ws:
        await ws.send("x")
        assert await ws.recv() == "x"


async def test_wss_on_a_given_socket(
    connect: Any, serve: Callable[..., int], server_side: ssl.SSLContext, client_side: ssl.SSLContext
) -> None:
    """TLS is spoken on a socket that is given, too."""
    sock = socket.create_connection(("127.0.0.1", serve(echo, ssl=server_side)))
    async with connect("wss://localhost/", ssl=client_side, sock=sock) as ws:
        await ws.send("x")
        assert await ws.recv() == "x"


async def test_an_unknown_certificate(connect: Any, serve: Callable[..., int], server_side: ssl.SSLContext) -> None:
    """By default the system's authorities are asked, and a server that they do not know is not connected to."""
    port = serve(echo, ssl=server_side)
    with pytest.raises(
        HandshakeFailed, match=rf"^no connection to wss://localhost:{port}/: .*CERTIFICATE_VERIFY_FAILED.*"
    ):
        await enter(connect(f"wss://localhost:{port}/"))


async def test_a_server_without_tls(connect: Any, script: Callable[..., int]) -> None:
    """A server that speaks no TLS fails the connection."""

    def play(sock: socket.socket) -> None:
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        read_to_end(sock)

    with pytest.raises(HandshakeFailed, match="no connection to wss://"):
        await enter(connect(f"wss://127.0.0.1:{script(play)}/"))


async def test_the_bodys_exception_is_the_one_that_comes_out(connect: Any, serve: Callable[..., int]) -> None:
    """What is raised inside the context comes out as it is, in no group, and the connection is closed."""
    with pytest.raises(ZeroDivisionError):
        async with connect(f"ws://127.0.0.1:{serve(echo)}/") as ws:
            raise ZeroDivisionError
    assert ws.close_code == 1000


def test_both_have_the_same_names() -> None:
    """The clients of both transports have the same parameters, methods and properties."""
    one, other = wscore_asyncio, wscore_trio
    assert inspect.signature(one.connect) == inspect.signature(other.connect)
    names = [{name for name in vars(each.WebSocket) if not name.startswith("_")} for each in (one, other)]
    assert names[0] == names[1]


async def test_connecting_over_and_over(connect: Any, serve: Callable[..., int]) -> None:
    """One `connect` may be entered again, one after the other."""
    context = connect(f"ws://127.0.0.1:{serve(echo)}/")
    for _ in range(2):
        async with context as ws:
            await ws.send("x")
            assert await ws.recv() == "x"


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/self/fd is Linux's")
@pytest.mark.parametrize("given", [False, True], ids=["made", "given"])
async def test_small_messages_are_not_held_back(connect: Any, script: Callable[..., int], given: bool) -> None:
    """Nagle's algorithm is off, and the system itself asks after a silent server."""
    seen: list[int] = []

    def play(sock: socket.socket) -> None:
        upgrade(sock)
        with far_end(sock) as other:
            seen.append(other.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            seen.append(other.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
        sock.sendall(frame(CLOSE, b"\x03\xe8", mask=None))
        sock.shutdown(socket.SHUT_WR)
        read_to_end(sock)

    port = script(play)
    options = {"sock": socket.create_connection(("127.0.0.1", port))} if given else {}
    async with connect(f"ws://127.0.0.1:{port}/", **options) as ws:
        assert [message async for message in ws] == []
    assert len(seen) == 2
    assert all(seen)
