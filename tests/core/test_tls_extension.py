"""ASGI's tls extension, read off real TLS connections; no sockets: two `ssl.SSLObject`s and what passes between."""

import ssl
from typing import Any

import pytest
import trustme

from tests.core.peer import Client, head
from wscore import Peer, tls_extension
from wscore._core.asgi.tls_extension import _escaped, _name

CA = trustme.CA()


def handshake(
    *, client_certificate: trustme.LeafCert | None = None, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Shake hands; give the server's end and the client's."""
    at_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CA.issue_cert("localhost").configure_cert(at_server)
    at_server.verify_mode = ssl.CERT_OPTIONAL
    at_client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    at_client.minimum_version = at_client.maximum_version = version
    for context in (at_server, at_client):
        CA.configure_trust(context)
    if client_certificate is not None:
        client_certificate.configure_cert(at_client)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = at_server.wrap_bio(to_server, to_client, server_side=True)
    client = at_client.wrap_bio(to_client, to_server, server_hostname="localhost")
    for end in (client, server) * 4:
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    assert server.version() is not None
    return server, client


@pytest.mark.parametrize(
    ("version", "number"), [(ssl.TLSVersion.TLSv1_3, 0x0304), (ssl.TLSVersion.TLSv1_2, 0x0303)], ids=["1.3", "1.2"]
)
def test_version_and_cipher_suite(version: ssl.TLSVersion, number: int):
    """Version and cipher suite are the numbers that TLS has for them, as both ends see them."""
    server, client = handshake(version=version)
    told = tls_extension(server)
    assert told["tls_version"] == number
    cipher = client.cipher()
    assert cipher is not None
    [described] = [each for each in client.context.get_ciphers() if each["name"] == cipher[0]]
    assert told["cipher_suite"] == described["id"] & 0xFFFF
    if number == 0x0304:
        assert told["cipher_suite"] in (0x1301, 0x1302, 0x1303)  # RFC 8446 B.4


def test_without_a_client_certificate():
    """A client without a certificate: an empty chain, no name, no error."""
    server, _ = handshake()
    told = tls_extension(server)
    assert set(told) == {
        "server_cert",
        "client_cert_chain",
        "client_cert_name",
        "client_cert_error",
        "tls_version",
        "cipher_suite",
    }
    assert told["client_cert_chain"] == []
    assert told["client_cert_name"] is None
    assert told["client_cert_error"] is None
    assert told["server_cert"] is None


def test_with_a_client_certificate():
    """A verified client certificate is told as PEM, and its subject as RFC 4514 writes it, the last part first."""
    certificate = CA.issue_cert(
        "alice@example.com", common_name="Alice", organization_name="A, B", organization_unit_name="x"
    )
    server, _ = handshake(client_certificate=certificate)
    told = tls_extension(server)
    [pem] = told["client_cert_chain"]
    assert ssl.PEM_cert_to_DER_cert(pem) == server.getpeercert(True)
    assert pem.encode() == certificate.cert_chain_pems[0].bytes()
    assert told["client_cert_name"] == "CN=Alice,OU=x,O=A\\, B"


@pytest.mark.parametrize(
    ("value", "escaped"),
    [
        ("plain", "plain"),
        ('James "Jim" Smith, III', 'James \\"Jim\\" Smith\\, III'),
        ("a+b;c<d>e\\f", "a\\+b\\;c\\<d\\>e\\\\f"),
        ("#1", "\\#1"),
        (" padded ", "\\ padded\\ "),
        (" ", "\\ "),
        ("a\0b", "a\\00b"),
        ("a#b c", "a#b c"),
        ("", ""),
        ("Lučić", "Lučić"),
    ],
)
def test_values_of_names_are_escaped(value: str, escaped: str):
    """What has a meaning of its own in a distinguished name is escaped (RFC 4514 2.4)."""
    assert _escaped(value) == escaped


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        ((), None),
        (
            ((("countryName", "GB"),), (("organizationName", "Isode"),), (("commonName", "Kille"),)),
            "CN=Kille,O=Isode,C=GB",
        ),
        (((("organizationalUnitName", "Sales"), ("commonName", "J")),), "OU=Sales+CN=J"),
        (((("emailAddress", "a@b"),),), "emailAddress=a@b"),
    ],
)
def test_names(subject: Any, name: str | None):
    """A name's parts are in the opposite order of the certificate's; several in one part are joined by a plus."""
    assert _name(subject) == name


def test_the_extension_stands_in_the_scope():
    """A connection over TLS has the extension in its scope and the scheme wss; one without has neither."""
    server, _ = handshake()
    told = tls_extension(server)
    secure, plain = Client(peer=Peer(tls=told)), Client()
    for client in (secure, plain):
        client.sends(head())
    assert secure.connection.scope is not None
    assert secure.connection.scope["scheme"] == "wss"
    assert secure.connection.scope["extensions"]["tls"] == told
    assert plain.connection.scope is not None
    assert plain.connection.scope["scheme"] == "ws"
    assert "tls" not in plain.connection.scope["extensions"]
