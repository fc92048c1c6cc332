"""What a server listens on: free ports, unix sockets, inherited sockets, both IP versions; and how failing looks."""

from __future__ import annotations

import errno
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from .apps import Noting, echo
from .harness import PATIENCE, Running, far_end, quick
from .wire import TEXT, Wire, frame


def dial(server: Running, family: int, address: Any) -> Wire:
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.settimeout(PATIENCE)
    server.clients.callback(sock.close)
    sock.connect(address)
    return Wire(sock)


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")


@pytest.mark.uvloop_too
def test_unix_socket(serve: Any, tmp_path: Path) -> None:
    """A server on a unix socket: no client address, the path as server; the file is gone afterwards."""
    path = tmp_path / "s"
    app = Noting(answer=True)
    server = serve(app, uds=str(path))
    wire = dial(server, socket.AF_UNIX, str(path))
    wire.upgrade()
    wire.send(frame(TEXT, "x"))
    assert wire.read_text() == "x"
    scope = app.scopes.next()
    assert scope["client"] is None
    assert tuple(scope["server"]) == (str(path), None)
    server.clients.close()
    server.close()
    assert not path.exists()


def test_stale_unix_socket(serve: Any, tmp_path: Path) -> None:
    """The socket file of a server that was killed is replaced."""
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(path)
    server = serve(echo, uds=path)
    dial(server, socket.AF_UNIX, path).upgrade()


def test_a_file_is_no_stale_unix_socket(serve: Any, tmp_path: Path) -> None:
    """A file that is no socket is left alone, and listening fails with OSError."""
    path = tmp_path / "s"
    path.write_text("precious")
    with pytest.raises(OSError, match="Address already in use"):
        serve(echo, uds=str(path))
    assert path.read_text() == "precious"


@pytest.mark.uvloop_too
def test_inherited_socket(serve: Any) -> None:
    """A server on a socket that is bound already."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    server = serve(echo, sock=sock)
    assert server.port
    server.open()
    server.clients.close()
    server.close()
    sock.close()


@needs_ipv6
def test_ipv6(serve: Any) -> None:
    """A server on ::1: client and server are pairs, as ASGI has them."""
    app = Noting()
    server = serve(app, host="::1")
    wire = dial(server, socket.AF_INET6, ("::1", server.port))
    wire.upgrade()
    scope = app.scopes.next()
    assert tuple(scope["client"]) == wire.sock.getsockname()[:2]
    assert tuple(scope["server"]) == ("::1", server.port)


@needs_ipv6
def test_localhost_is_one_port(serve: Any) -> None:
    """A free port on a name of both IP versions is the same port on each."""
    server = serve(echo, host="localhost")
    assert len({address[1] for address in server.addresses}) == 1
    for address in server.addresses:
        dial(server, socket.AF_INET6 if ":" in address[0] else socket.AF_INET, address[:2]).upgrade()


def test_port_in_use(serve: Any) -> None:
    """A port that is taken is an OSError out of `serve`, and leaves nothing behind."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(OSError, match=r"[Aa]ddress already in use") as caught:
            serve(echo, port=taken.getsockname()[1])
        assert caught.value.errno == errno.EADDRINUSE


def test_port_is_free_again(serve: Any) -> None:
    """After the graceful end the same port can be listened on at once, although connections were just closed on it."""
    server = serve(echo, config=quick(close_timeout=0.1))
    wire = server.open()
    server.close()
    wire.close()
    again = serve(echo, port=server.port)
    again.open()


@pytest.mark.uvloop_too
@pytest.mark.skipif(sys.platform != "linux", reason="/proc/self/fd is Linux's")
@pytest.mark.parametrize("given", [False, True], ids=["bound", "given"])
def test_small_messages_are_not_held_back(given: bool, serve: Any) -> None:
    """Nagle's algorithm is off on every connection, and the system itself asks after silent peers."""
    options: dict[str, Any] = {}
    if given:
        options["sock"] = socket.socket()
        options["sock"].bind(("127.0.0.1", 0))
    wire = serve(echo, **options).open()
    with far_end(wire.sock) as sock:
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
