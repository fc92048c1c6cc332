"""The same over TLS: wss, the tls extension, and peers that fail at it (T11, T14)."""

from __future__ import annotations

import socket
import ssl
from typing import Any

import pytest
import trustme

from ..real_time import scaled
from .apps import Noting, echo
from .harness import PATIENCE, Running, quick
from .wire import BINARY, TEXT, Wire, close_frame, frame, request


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server_side(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def client_side(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def connect(server: Running, context: ssl.SSLContext) -> Wire:
    plain = server.connect()
    wire = Wire(context.wrap_socket(plain.sock, server_hostname="localhost"))
    server.clients.callback(wire.close)
    return wire


@pytest.mark.uvloop_too
def test_wss(serve: Any, server_side: ssl.SSLContext, client_side: ssl.SSLContext) -> None:
    """Over TLS messages and closes work as over TCP; the scheme is wss, and the extension tells the version."""
    app = Noting(answer=True)
    server = serve(app, ssl=server_side)
    wire = connect(server, client_side)
    wire.upgrade()
    scope = app.scopes.next()
    assert scope["scheme"] == "wss"
    assert scope["extensions"]["tls"]["tls_version"] == 0x0304
    assert scope["extensions"]["tls"]["client_cert_chain"] == []
    assert scope["client"][0] == "127.0.0.1"
    for size in (0, 10, 100_000, 2**20):
        wire.send(frame(BINARY, bytes(size)))
        assert wire.read_binary() == bytes(size)
    wire.send(close_frame(4000, "bye"))
    assert wire.read_close().code == 4000
    assert wire.read_to_any_end() == b""


def test_client_certificate(
    serve: Any, authority: trustme.CA, server_side: ssl.SSLContext, client_side: ssl.SSLContext
) -> None:
    """A client's verified certificate stands in ASGI's tls extension."""
    authority.configure_trust(server_side)
    server_side.verify_mode = ssl.CERT_REQUIRED
    certificate = authority.issue_cert("client.example", common_name="A client")
    certificate.configure_cert(client_side)
    app = Noting()
    wire = connect(serve(app, ssl=server_side), client_side)
    wire.upgrade()
    tls = app.scopes.next()["extensions"]["tls"]
    sent = certificate.cert_chain_pems[0].bytes().decode()
    assert [pem.split() for pem in tls["client_cert_chain"]] == [sent.split()]
    assert "CN=A client" in tls["client_cert_name"]


def test_refusals_over_tls(serve: Any, server_side: ssl.SSLContext, client_side: ssl.SSLContext) -> None:
    """T15 over TLS: a refusal arrives whole."""
    wire = connect(serve(echo, ssl=server_side), client_side)
    wire.send(request(method="POST"))
    assert wire.read_response().status == 405
    assert b"GET" in wire.read_to_any_end()


def test_the_application_closes(serve: Any, server_side: ssl.SSLContext, client_side: ssl.SSLContext) -> None:
    """The application's close over TLS is a close frame, and the end after the peer's."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "bytes": bytes(300_000)})
        await send({"type": "websocket.close", "code": 4001})

    wire = connect(serve(app, ssl=server_side), client_side)
    wire.upgrade()
    assert wire.read_binary() == bytes(300_000)
    assert wire.read_close().code == 4001
    wire.send(close_frame(4001))
    assert wire.read_to_any_end() == b""


@pytest.mark.parametrize("what", ["plain_http", "garbage", "nothing"])
def test_t11_no_tls_on_a_tls_port(what: str, serve: Any, server_side: ssl.SSLContext, client_side: Any) -> None:
    """T11: what is no TLS on a TLS port ends that connection and no other, and is no error in the log."""
    server = serve(echo, ssl=server_side)
    wire = server.connect()
    wire.send({"plain_http": request(), "garbage": b"\xff" * 1000, "nothing": b""}[what])
    if what == "nothing":
        wire.send_eof()
    assert b"HTTP" not in wire.read_to_any_end()
    good = connect(server, client_side)
    good.upgrade()
    good.send(frame(TEXT, "x"))
    assert good.read_text() == "x"


@pytest.mark.realtime
def test_t14_tls_handshake_that_drips(serve: Any, server_side: ssl.SSLContext, client_side: ssl.SSLContext) -> None:
    """T14: a TLS handshake that never ends is cut off at the handshake deadline, and holds up no other."""
    server = serve(echo, ssl=server_side, config=quick(handshake_timeout=scaled(1.0)))
    wire = server.connect()
    wire.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc")
    good = connect(server, client_side)
    good.upgrade()
    wire.sock.settimeout(0.02)
    ended = False
    for _ in range(1000):
        try:
            wire.sock.sendall(b"\x03")
            ended = wire.sock.recv(1000) == b""
        except TimeoutError:
            continue
        except (ConnectionResetError, BrokenPipeError):
            ended = True
        if ended:
            break
    assert ended
    good.send(frame(TEXT, "x"))
    assert good.read_text() == "x"


@pytest.mark.realtime
def test_t14_one_deadline_for_tls_and_head(
    serve: Any, server_side: ssl.SSLContext, client_side: ssl.SSLContext
) -> None:
    """T14: after the TLS handshake the head has what is left of the same time."""
    server = serve(echo, ssl=server_side, config=quick(handshake_timeout=scaled(0.8)))
    wire = connect(server, client_side)
    assert b" 408 " in wire.read_to_any_end()


def test_lost_without_a_tls_goodbye(serve: Any, server_side: ssl.SSLContext, client_side: ssl.SSLContext) -> None:
    """A TLS client that just goes away is a disconnect 1006."""
    app = Noting()
    wire = connect(serve(app, ssl=server_side), client_side)
    wire.upgrade()
    sock = wire.sock
    assert isinstance(sock, ssl.SSLSocket)
    socket.socket(fileno=sock.detach()).close()
    assert app.disconnect()[0] == 1006


def test_never_reading_client(serve: Any, server_side: ssl.SSLContext, client_side: ssl.SSLContext) -> None:
    """Backpressure works over TLS: all that an application sends arrives whole, however late it is read."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        for n in range(100):
            await send({"type": "websocket.send", "bytes": bytes([n]) * 100_000})

    wire = connect(serve(app, ssl=server_side), client_side)
    wire.upgrade()
    wire.sock.settimeout(PATIENCE)
    for n in range(100):
        assert wire.read_binary() == bytes([n]) * 100_000
    assert wire.read_close().code == 1000
