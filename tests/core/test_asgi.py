"""ASGI as types: what a transport tells of a connection. Messages are tested by what they do, in test_application."""

from typing import Any

import pytest

from tests.core.peer import Client, head
from wscore import Peer


@pytest.mark.parametrize(
    ("peername", "sockname", "client", "server"),
    [
        (("192.0.2.1", 50000), ("192.0.2.2", 80), ("192.0.2.1", 50000), ("192.0.2.2", 80)),
        (("2001:db8::1", 50000, 0, 0), ("2001:db8::2", 80, 0, 0), ("2001:db8::1", 50000), ("2001:db8::2", 80)),
        ("", "/run/ws.sock", None, ("/run/ws.sock", None)),
        (None, None, None, None),
        ("", "", None, None),
        (b"\x0000a3f", b"\0ws", None, None),
        ("", b"\0ws", None, None),
        (b"\0client", "/run/ws.sock", None, ("/run/ws.sock", None)),
    ],
    ids=["ipv4", "ipv6", "unix", "unknown", "nameless", "abstract", "abstract-server", "abstract-client"],
)
def test_a_peer_is_read_off_a_sockets_names(peername: Any, sockname: Any, client: Any, server: Any) -> None:
    """What a socket says of its ends becomes ASGI's `client` and `server`, each None where it is unknown."""
    peer = Peer.of(peername, sockname)
    assert peer == Peer(client, server)
    connected = Client(peer=peer)
    connected.sends(head())
    scope = connected.connection.scope
    assert scope is not None
    assert (scope["client"], scope["server"]) == (client, server)
