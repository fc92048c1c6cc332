"""TLS without a socket, against the standard library's other side in memory."""

from __future__ import annotations

import contextlib
import ssl

import pytest
import trustme

from wscore.compat.seldom._tls import TLS


class Server:
    def __init__(self, context: ssl.SSLContext) -> None:
        self._read, self._written = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.object = context.wrap_bio(self._read, self._written, server_side=True)

    def shake(self, data: bytes) -> bytes:
        self._read.write(data)
        with contextlib.suppress(ssl.SSLWantReadError):
            self.object.do_handshake()
        return self._written.read()

    def say(self, data: bytes) -> bytes:
        self.object.write(data)
        return self._written.read()

    def hear(self, data: bytes) -> bytes:
        self._read.write(data)
        said = b""
        try:
            while more := self.object.read(65536):
                said += more
        except ssl.SSLWantReadError:
            pass
        return said

    def leave(self) -> bytes:
        with pytest.raises(ssl.SSLWantReadError):
            self.object.unwrap()
        return self._written.read()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def both(authority: trustme.CA) -> tuple[TLS, Server]:
    """A client and a server that have shaken hands."""
    client_side, server_side = ssl.create_default_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.configure_trust(client_side)
    authority.issue_cert("example.org").configure_cert(server_side)
    client, server = TLS(client_side, "example.org"), Server(server_side)
    for _ in range(3):
        answer = server.shake(client.outgoing())
        if answer:
            assert client.receive(answer) == (b"", False)
    assert client.ready
    return client, server


def test_what_is_said_arrives(both: tuple[TLS, Server]) -> None:
    """Of any size, in both directions, cut anywhere."""
    client, server = both
    client.send(b"x" * 1_000_000)
    assert server.hear(client.outgoing()) == b"x" * 1_000_000
    wire = server.say(b"y" * 100_000)
    heard = b""
    for start in range(0, len(wire), 1000):
        said, ended = client.receive(wire[start : start + 1000])
        heard += said
        assert not ended
    assert heard == b"y" * 100_000


def test_a_goodbye_is_an_end_behind_what_was_said(both: tuple[TLS, Server]) -> None:
    """And is said likewise."""
    client, server = both
    assert client.receive(server.say(b"last") + server.leave()) == (b"last", True)
    client.end()
    assert client.outgoing()


def test_an_end_without_goodbye_is_an_end(both: tuple[TLS, Server]) -> None:
    """What was said before it is not lost."""
    client, server = both
    assert client.receive(server.say(b"last")) == (b"last", False)
    assert client.receive(b"") == (b"", True)
    client.end()


def test_an_end_of_a_handshake_is_an_error() -> None:
    """As is anything that is no TLS."""
    for answer in (b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"):
        client = TLS(ssl.create_default_context(), "example.org")
        assert client.outgoing()
        assert not client.ready
        with pytest.raises(ssl.SSLError):
            client.receive(answer)
