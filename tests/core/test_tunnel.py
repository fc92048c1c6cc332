"""The way to a server: TLS, a proxy, TLS around the proxy and through it; with nobody's socket."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import pytest
import trustme

from wscore import Config, ProxyRefused, parse_uri
from wscore._core.http.proxy import Proxy, ProxyHandshake
from wscore.transport.tls import TLS
from wscore.transport.tunnel import Step, Tunnel

OK = b"HTTP/1.1 200 Connection established\r\n\r\n"
AUTHORITY = trustme.CA()
PROXY = Proxy(secure=False, host="proxy.example", port=3128, authorization=None)


def client_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


def server_context(name: str, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = version
    AUTHORITY.issue_cert(name).configure_cert(context)
    return context


def way(*steps: str) -> Tunnel:
    """A tunnel of "proxy" and of TLS to whom is named."""

    def step(name: str) -> Step:
        if name == "proxy":
            return lambda: ProxyHandshake(PROXY, parse_uri("ws://server.example/"), Config())
        return lambda: TLS(client_context(), server_hostname=name)

    return Tunnel([step(name) for name in steps])


class Far:
    """The other side: TLS ends, the outermost first, and what to answer a CONNECT with inside of so many of them."""

    def __init__(self, *names: str, proxy_inside: int | None = None, answer: bytes = OK, **options: ssl.TLSVersion):
        self.layers = [TLS(server_context(name, **options), server_side=True) for name in names]
        self.proxy_inside, self.answer = proxy_inside, answer
        self.asked = False
        self.heard = self.outgoing = self._request = b""

    def hears(self, data: bytes) -> None:
        for depth, layer in enumerate(self.layers):
            if depth == self.proxy_inside and not self.asked:
                self._is_asked(data, depth)
                return
            if not data:
                return
            data = layer.receive(data)
        if self.proxy_inside == len(self.layers) and not self.asked:
            self._is_asked(data, len(self.layers))
        else:
            self.heard += data

    def _is_asked(self, data: bytes, depth: int) -> None:
        self._request += data
        if self._request.endswith(b"\r\n\r\n"):
            self.asked = True
            self.outgoing = self._around(self.answer, depth)

    def says(self, data: bytes) -> None:
        self.outgoing += self._around(data, len(self.layers))

    def _around(self, data: bytes, depth: int) -> bytes:
        for layer in reversed(self.layers[:depth]):
            layer.send(data)
            data = layer.data_to_send()
        return data

    def gives(self) -> bytes:
        for depth in range(len(self.layers) - 1, -1, -1):
            self.outgoing += self._around(self.layers[depth].data_to_send(), depth) if self.layers[depth].ready else b""
            if not self.layers[depth].ready and (said := self.layers[depth].data_to_send()):
                self.outgoing += self._around(said, depth)
        data, self.outgoing = self.outgoing, b""
        return data


def passes(tunnel: Tunnel, far: Far, cut: int | None = None) -> bytes:
    """Let everything arrive, in pieces of `cut` bytes; gives what the server said."""
    said = b""
    while True:
        there, back = tunnel.data_to_send(), far.gives()
        if not there and not back:
            return said
        for data, takes in ((there, far.hears), (back, tunnel.receive)):
            size = cut or len(data) or 1
            for at in range(0, len(data), size):
                said += takes(data[at : at + size]) or b""  # type: ignore[func-returns-value,operator]


WAYS: dict[str, Callable[[], tuple[Tunnel, Far]]] = {
    "TLS": lambda: (way("server.example"), Far("server.example")),
    "TLS 1.2": lambda: (way("server.example"), Far("server.example", version=ssl.TLSVersion.TLSv1_2)),
    "a proxy": lambda: (way("proxy"), Far(proxy_inside=0)),
    "TLS through a proxy": lambda: (way("proxy", "server.example"), Far("server.example", proxy_inside=0)),
    "a proxy behind TLS": lambda: (way("proxy.example", "proxy"), Far("proxy.example", proxy_inside=1)),
    "TLS through a proxy behind TLS": lambda: (
        way("proxy.example", "proxy", "server.example"),
        Far("proxy.example", "server.example", proxy_inside=1),
    ),
    "TLS 1.2 through a proxy": lambda: (
        way("proxy", "server.example"),
        Far("server.example", proxy_inside=0, version=ssl.TLSVersion.TLSv1_2),
    ),
}


@pytest.mark.parametrize("cut", [None, 100, 1])
@pytest.mark.parametrize("kind", WAYS)
def test_it_leads_there_and_back(kind: str, cut: int | None) -> None:
    """Whatever lies between, and however the bytes are cut."""
    tunnel, far = WAYS[kind]()
    passes(tunnel, far, cut)
    assert tunnel.ready
    tunnel.send(b"there" * 5000)
    far.says(b"back" * 5000)
    assert passes(tunnel, far, cut) == b"back" * 5000
    assert far.heard == b"there" * 5000
    assert not tunnel.ended
    assert tunnel.receive(b"") == b""
    assert tunnel.ended


def test_what_a_proxy_says_unasked_is_not_the_servers() -> None:
    """It may come in the very bytes that make TLS to the proxy ready."""
    tunnel = way("proxy.example", "proxy")
    far = Far("proxy.example", proxy_inside=1, version=ssl.TLSVersion.TLSv1_2)
    early = False
    assert not tunnel.ended
    while there := tunnel.data_to_send():
        far.hears(there)
        if far.layers[0].ready and not early:
            early = True
            far.outgoing = far.gives()
            far.says(b"welcome")
        assert tunnel.receive(far.gives()) == b""
        if early:
            break
    assert early
    assert not tunnel.ready
    assert tunnel.data_to_send(), "the request"


@pytest.mark.parametrize("kind", [kind for kind in WAYS if "1.2" in kind])
def test_what_a_server_says_with_the_end_of_the_handshake_is_not_lost(kind: str) -> None:
    """A server that greets may do so in the very bytes that make our TLS ready, of which TLS 1.2's last are its own."""
    tunnel, far = WAYS[kind]()
    for _ in range(10):
        if there := tunnel.data_to_send():
            far.hears(there)
        if far.layers[-1].ready and not tunnel.ready:
            far.outgoing = far.gives()
            far.says(b"welcome")
        if back := far.gives():
            said = tunnel.receive(back)
            if said:
                break
    assert said == b"welcome"


@pytest.mark.parametrize("kind", WAYS)
def test_it_says_goodbye_in_every_layer(kind: str) -> None:
    """The innermost first, so that each layer around carries it."""
    tunnel, far = WAYS[kind]()
    passes(tunnel, far)
    tunnel.close()
    far.hears(tunnel.data_to_send())
    for layer in far.layers:
        assert layer.ended
        far.hears(b"")


@pytest.mark.parametrize("kind", WAYS)
def test_an_end_before_it_is_ready_is_an_error(kind: str) -> None:
    """At whichever step it comes: an OSError, after which nothing can be said."""
    steps = 0
    while True:
        tunnel, far = WAYS[kind]()
        for _ in range(steps):
            far.hears(tunnel.data_to_send())
            if back := far.gives():
                tunnel.receive(back)
        if tunnel.ready:
            assert steps
            return
        with pytest.raises((ConnectionError, ssl.SSLError)):
            tunnel.receive(b"")
        steps += 1


@pytest.mark.parametrize("behind", [(), ("proxy.example",)])
def test_a_proxy_may_refuse(behind: tuple[str, ...]) -> None:
    """With its status, whether or not it is spoken to over TLS."""
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"
    tunnel = way(*behind, "proxy", "server.example")
    with pytest.raises(ProxyRefused) as refused:
        passes(tunnel, Far(*behind, proxy_inside=len(behind), answer=refusal))
    assert refused.value.status == 407


def test_a_proxy_that_ends_tls_behind_its_answer_leads_nowhere() -> None:
    """Though the TCP connection goes on."""
    tunnel, far = way("proxy.example", "proxy", "server.example"), Far("proxy.example", proxy_inside=1)
    for _ in range(4):
        far.hears(tunnel.data_to_send())
        if far.asked:
            break
        tunnel.receive(far.gives())
    tunnel.receive(far.gives())
    far.layers[0].close()
    with pytest.raises(ConnectionError):
        tunnel.receive(far.layers[0].data_to_send())


def test_a_name_that_no_certificate_can_be_for_is_an_error() -> None:
    """At once, where TLS is the first step; nothing was said then."""
    with pytest.raises(ValueError, match=r"idna|server_hostname"):
        way(".a")


@pytest.mark.parametrize("cut", [1, None])
def test_a_proxy_that_leaves_with_its_answer(cut: int | None) -> None:
    """It says 200 and goodbye in one flight, and keeps its TCP connection: that is told at once, not in time."""
    tunnel, far = way("proxy.example", "proxy", "server.example"), Far("proxy.example", proxy_inside=1)

    class Leaving(TLS):
        def data_to_send(self) -> bytes:
            if far.asked:
                self.close()
            return super().data_to_send()

    far.layers[0] = Leaving(server_context("proxy.example"), server_side=True)
    with pytest.raises(ConnectionResetError, match="within the TLS handshake"):
        passes(tunnel, far, cut)
