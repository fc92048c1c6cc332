"""What a server listens on, without a server."""

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from wscore.transport.listening import Listeners


def tcp(host: str, port: int) -> Listeners:
    return Listeners.tcp(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE))


def test_a_free_port_is_the_same_on_all_addresses_of_a_host() -> None:
    """With port 0, "localhost" gets one port, on IPv4 and IPv6 alike."""
    listeners = tcp("localhost", 0)
    try:
        ports = {each.getsockname()[1] for each in listeners.sockets}
        assert ports == {listeners.port}
    finally:
        listeners.close()


def test_a_bound_socket_is_taken_as_it_is() -> None:
    """A socket that somebody else has bound is listened on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        listeners = Listeners([bound])
        listeners.listen(1)
        with socket.create_connection(("127.0.0.1", listeners.port or 0)):
            pass
        listeners.close()
        assert listeners.port is None


def test_a_busy_port_is_named() -> None:
    """The error of a port that is taken names the address and keeps the number of the error."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}") as caught:
            tcp("127.0.0.1", port)
        assert caught.value.errno == errno.EADDRINUSE


def test_the_socket_of_a_killed_server_is_replaced(tmp_path: Path) -> None:
    """A path that nobody answers on any more is taken over, and removed at the end."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    listeners = Listeners.unix(str(path))
    listeners.listen(1)
    assert listeners.port is None
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    listeners.close()
    assert not path.exists()


def test_a_living_server_keeps_its_socket(tmp_path: Path) -> None:
    """A path that another server answers on is busy, as a port would be."""
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as living:
        living.bind(path)
        living.listen(1)
        with pytest.raises(OSError, match="cannot listen on") as caught:
            Listeners.unix(path)
        assert caught.value.errno == errno.EADDRINUSE
        assert os.path.exists(path)


def test_a_server_that_starts_keeps_its_socket(tmp_path: Path) -> None:
    """A path that is bound and not listened on yet belongs to whoever starts there; nothing else is left of that."""
    path = str(tmp_path / "s")
    first = Listeners.unix(path)
    try:
        with pytest.raises(OSError, match=f"^.*cannot listen on {path}: Address already in use$") as caught:
            Listeners.unix(path)
        assert caught.value.errno == errno.EADDRINUSE
        first.listen(1)
        assert [each.name for each in tmp_path.iterdir()] == ["s"]
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
        with pytest.raises(OSError, match="cannot listen on"):
            Listeners.unix(path)
    finally:
        first.close()
    assert list(tmp_path.iterdir()) == []
    Listeners.unix(path).close()
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_was_killed_while_it_started_is_replaced(tmp_path: Path) -> None:
    """Its claim on the path has ended with it."""
    path = str(tmp_path / "s")
    code = "import os, sys; from wscore.transport.listening import Listeners; Listeners.unix(sys.argv[1]); os._exit(0)"
    subprocess.run([sys.executable, "-c", code, path], check=True, timeout=60)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["s", "s.lock"]
    listeners = Listeners.unix(path)
    listeners.close()
    assert list(tmp_path.iterdir()) == []


def test_who_is_refused_leaves_the_other_alone(tmp_path: Path) -> None:
    """Neither its socket nor its claim goes."""
    path = str(tmp_path / "s")
    first = Listeners.unix(path)
    for _ in range(2):
        with pytest.raises(OSError, match="cannot listen on"):
            Listeners.unix(path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["s", "s.lock"]
    first.close()


def test_a_file_is_no_socket(tmp_path: Path) -> None:
    """A file that is no socket is left alone."""
    path = tmp_path / "s"
    path.write_text("mine")
    with pytest.raises(OSError, match="cannot listen on"):
        Listeners.unix(str(path))
    assert path.read_text() == "mine"


def test_the_path_of_a_successor_is_left_alone(tmp_path: Path) -> None:
    """A server that ends does not remove the path that another has made its own meanwhile."""
    path = tmp_path / "s"
    first = Listeners.unix(str(path))
    path.unlink()
    second = Listeners.unix(str(path))
    first.close()
    assert path.exists()
    with pytest.raises(OSError, match="cannot listen on"):  # it has a claim of its own
        Listeners.unix(str(path))
    second.close()
    assert not path.exists()
