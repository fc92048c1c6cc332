"""The ASGI scope in full (ASGI www 2.5): every key, its type, and where its value comes from."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
import trustme

from tests.core.peer import KEY, Client, head
from wscore import Peer, Scope, tls_extension


def scope_of(client: Client, *lines: bytes, target: bytes = b"/chat?x=1") -> Scope:
    client.sends(head(*lines, line=b"GET %s HTTP/1.1" % target))
    scope = client.connection.scope
    assert scope is not None
    return scope


def test_the_scope_holds_every_key_and_no_other() -> None:
    """The RFC's example request, on a plain connection."""
    client = Client(peer=Peer(client=("192.0.2.1", 50000), server=("192.0.2.2", 80)), state={"db": 1})
    scope = scope_of(client, b"Sec-WebSocket-Protocol: chat, superchat", b"Origin: http://example.com")
    assert scope == {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": "/chat",
        "raw_path": b"/chat",
        "query_string": b"x=1",
        "root_path": "",
        "headers": [
            (b"host", b"server.example.com"),
            (b"upgrade", b"websocket"),
            (b"connection", b"Upgrade"),
            (b"sec-websocket-key", KEY),
            (b"sec-websocket-version", b"13"),
            (b"sec-websocket-protocol", b"chat, superchat"),
            (b"origin", b"http://example.com"),
        ],
        "client": ("192.0.2.1", 50000),
        "server": ("192.0.2.2", 80),
        "subprotocols": ["chat", "superchat"],
        "state": {"db": 1},
        "extensions": {"websocket.http.response": {}},
    }


def test_the_scope_is_of_plain_types() -> None:
    """Applications and middlewares test for them, and copy them; h11's own types stay inside."""
    client = Client(peer=Peer(client=("192.0.2.1", 50000), server=("192.0.2.2", 80)))
    scope: dict[str, Any] = dict(scope_of(client, b"Sec-WebSocket-Protocol: chat"))
    types = {key: type(value) for key, value in scope.items()}
    assert types == {
        "type": str,
        "asgi": dict,
        "http_version": str,
        "scheme": str,
        "path": str,
        "raw_path": bytes,
        "query_string": bytes,
        "root_path": str,
        "headers": list,
        "client": tuple,
        "server": tuple,
        "subprotocols": list,
        "state": dict,
        "extensions": dict,
    }
    assert all(type(header) is tuple and [*map(type, header)] == [bytes, bytes] for header in scope["headers"])
    assert [*map(type, scope["subprotocols"])] == [str]


def test_the_scope_is_there_with_the_request_and_not_before() -> None:
    """A transport starts the application when it sees one; it sees the same one ever after."""
    client = Client()
    client.sends(head()[:-1])
    assert client.connection.scope is None
    client.sends(head()[-1:])
    scope = client.connection.scope
    assert scope is not None
    client.app_sends("websocket.accept")
    assert client.connection.scope is scope
    client.ends_its_stream()
    assert client.connection.scope is scope


def test_what_the_transport_does_not_know_is_none() -> None:
    """ASGI allows None for client and server."""
    scope = scope_of(Client())
    assert (scope["client"], scope["server"]) == (None, None)


def test_the_server_may_be_a_unix_socket() -> None:
    """ASGI: a path, and None for the port."""
    scope = scope_of(Client(peer=Peer(server=("/run/app.sock", None))))
    assert scope["server"] == ("/run/app.sock", None)


@pytest.mark.parametrize(
    ("target", "path", "raw_path"),
    [
        (b"/chat", "/app/v1/chat", b"/app/v1/chat"),
        (b"/", "/app/v1/", b"/app/v1/"),
        (b"/caf%c3%a9", "/app/v1/café", b"/app/v1/caf%c3%a9"),
        (b"http://h", "/app/v1/", b"/app/v1/"),
    ],
)
def test_root_path_is_a_prefix_of_path_and_raw_path(target: bytes, path: str, raw_path: bytes) -> None:
    """As in uvicorn: a proxy cut it off, and ASGI has it in `path`."""
    scope = scope_of(Client(root_path="/app/v1"), target=target)
    assert (scope["root_path"], scope["path"], scope["raw_path"]) == ("/app/v1", path, raw_path)


def test_state_is_a_copy_for_each_connection() -> None:
    """ASGI lifespan: what one connection puts there, no other sees; what the values hold, all share."""
    shared: list[int] = []
    state = {"shared": shared}
    one = scope_of(Client(state=state))
    two = scope_of(Client(state=state))
    one["state"]["own"] = 1
    assert (two["state"], state) == ({"shared": shared}, {"shared": shared})
    assert two["state"]["shared"] is shared


def test_no_state_is_an_empty_dict() -> None:
    """Middlewares write into it."""
    assert scope_of(Client())["state"] == {}


def test_what_an_application_does_to_its_scope_changes_nothing_for_others_or_for_us() -> None:
    """Frameworks write into it; the next scope is as new, and the handshake goes by what the client sent."""
    client = Client()
    scope = scope_of(client, b"Sec-WebSocket-Protocol: chat")
    for key in ("headers", "subprotocols", "extensions", "asgi"):
        scope[key].clear()
    scope["type"] = "http"  # type: ignore[typeddict-item]
    client.app_sends("websocket.accept", subprotocol="chat")
    answer = client.reads_response()
    assert (answer.status, answer.values(b"sec-websocket-protocol")) == (101, [b"chat"])
    other = scope_of(Client(), b"Sec-WebSocket-Protocol: chat")
    assert (other["subprotocols"], other["type"]) == (["chat"], "websocket")
    assert (other["extensions"], other["asgi"]) == (
        {"websocket.http.response": {}},
        {"version": "3.0", "spec_version": "2.5"},
    )


# -- TLS

TLS: dict[str, Any] = {
    "server_cert": None,
    "client_cert_chain": [],
    "client_cert_name": None,
    "client_cert_error": None,
    "tls_version": 0x0304,
    "cipher_suite": 0x1301,
}


def test_tls_is_an_extension_and_makes_the_scheme_wss() -> None:
    """ASGI's tls extension 0.2."""
    scope = scope_of(Client(peer=Peer(tls=TLS)))
    assert scope["scheme"] == "wss"
    assert scope["extensions"] == {"websocket.http.response": {}, "tls": TLS}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_tls_extension_tells_version_and_suite_of_a_real_connection(version: ssl.TLSVersion) -> None:
    """Numbers as IANA has them; without a client's certificate there is none to tell of."""
    server = handshake(version, client_certificate=False)
    told = tls_extension(server)
    assert set(told) == set(TLS)
    assert told["tls_version"] == {ssl.TLSVersion.TLSv1_2: 0x0303, ssl.TLSVersion.TLSv1_3: 0x0304}[version]
    cipher = server.cipher()
    assert cipher is not None
    names = {c["id"] & 0xFFFF: c["name"] for c in server.context.get_ciphers()}
    assert names[told["cipher_suite"]] == cipher[0]
    assert (told["client_cert_chain"], told["client_cert_name"], told["client_cert_error"]) == ([], None, None)


def test_the_tls_extension_tells_a_verified_client_certificate() -> None:
    """PEM that ssl reads back to the same certificate, and a name as RFC 4514 writes it."""
    server = handshake(ssl.TLSVersion.TLSv1_3, client_certificate=True)
    told = tls_extension(server)
    [pem] = told["client_cert_chain"]
    assert ssl.PEM_cert_to_DER_cert(pem) == server.getpeercert(True)
    assert told["client_cert_name"].startswith("CN=alice,")


def handshake(version: ssl.TLSVersion, *, client_certificate: bool) -> ssl.SSLObject:
    """The server's end of a TLS handshake in memory."""
    authority = trustme.CA()
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("server.example.com").configure_cert(server_context)
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.minimum_version = client_context.maximum_version = version
    authority.configure_trust(client_context)
    if client_certificate:
        authority.configure_trust(server_context)
        server_context.verify_mode = ssl.CERT_REQUIRED
        authority.issue_cert("alice@example.com", common_name="alice").configure_cert(client_context)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_context.wrap_bio(up, down, server_side=True)
    client = client_context.wrap_bio(down, up, server_hostname="server.example.com")
    for end in (client, server, client, server):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return server
