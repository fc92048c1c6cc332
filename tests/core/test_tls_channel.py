"""TLS without a socket, against the standard library's other side in memory, and against itself."""

from __future__ import annotations

import contextlib
import ssl

import pytest
import trustme

from wscore.transport.tls import TLS


class Server:
    """The standard library's server side, for what `TLS` alone could not show."""

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
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A client's that trusts the server's."""
    authority = trustme.CA()
    client, server = ssl.create_default_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.configure_trust(client)
    authority.issue_cert("example.org").configure_cert(server)
    return client, server


@pytest.fixture
def both(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> tuple[TLS, Server]:
    """A client and a server that have shaken hands."""
    client, server = TLS(contexts[0], server_hostname="example.org"), Server(contexts[1])
    for _ in range(3):
        answer = server.shake(client.data_to_send())
        if answer:
            assert client.receive(answer) == b""
    assert client.ready
    return client, server


def test_what_is_said_arrives(both: tuple[TLS, Server]) -> None:
    """Of any size, in both directions, cut anywhere."""
    client, server = both
    client.send(b"x" * 1_000_000)
    assert server.hear(client.data_to_send()) == b"x" * 1_000_000
    wire = server.say(b"y" * 100_000)
    heard = b"".join(client.receive(wire[start : start + 1000]) for start in range(0, len(wire), 1000))
    assert heard == b"y" * 100_000
    assert not client.ended


def test_a_goodbye_is_an_end_behind_what_was_said(both: tuple[TLS, Server]) -> None:
    """And is said likewise, once."""
    client, server = both
    assert client.receive(server.say(b"last") + server.leave()) == b"last"
    assert client.ended
    client.close()
    assert client.data_to_send()
    client.close()
    assert not client.data_to_send()


def test_a_goodbye_that_answers_ours_is_an_end(both: tuple[TLS, Server]) -> None:
    """Who has said goodbye may still read to the other's."""
    client, server = both
    client.close()
    assert client.receive(server.leave()) == b""
    assert client.ended


def test_an_end_without_goodbye_is_an_end(both: tuple[TLS, Server]) -> None:
    """What was said before it is not lost."""
    client, server = both
    assert client.receive(server.say(b"last")) == b"last"
    assert not client.ended
    assert client.receive(b"") == b""
    assert client.ended
    client.close()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"], ids=["an end", "no TLS"])
@pytest.mark.parametrize("server_side", [False, True], ids=["client", "server"])
def test_a_handshake_that_fails_is_an_error(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], server_side: bool, answer: bytes
) -> None:
    """An OSError, as everything that goes wrong between a socket and a connection."""
    end = TLS(contexts[server_side], server_side=server_side, server_hostname=None if server_side else "example.org")
    assert not end.ready
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        end.receive(answer)


def test_a_certificate_that_is_not_trusted_is_an_error(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    """With an alert for the other side, which says so as well."""
    client, server = (
        TLS(ssl.create_default_context(), server_hostname="example.org"),
        TLS(contexts[1], server_side=True),
    )
    assert server.receive(client.data_to_send()) == b""
    with pytest.raises(ssl.SSLCertVerificationError):
        client.receive(server.data_to_send())
    alert = client.data_to_send()
    assert alert
    with pytest.raises(ssl.SSLError):
        server.receive(alert)


def test_both_sides_understand_each_other(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    """What comes in one piece with the end of the handshake is not lost; what was agreed can be told."""
    client, server = TLS(contexts[0], server_hostname="example.org"), TLS(contexts[1], server_side=True)
    assert server.receive(client.data_to_send()) == b""
    assert client.receive(server.data_to_send()) == b""
    assert client.ready
    client.send(b"at once")
    assert server.receive(client.data_to_send()) == b"at once"
    assert server.ready
    told = server.tls_extension()
    assert told is not None
    assert told["tls_version"] == 0x0304
