"""The examples in the documentation run, and do what the text beside them says."""

import re
import runpy
import socket
import ssl
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trustme
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.real_time import PATIENCE
from tests.test_transports_are_thin import lines_of_code
from tests.testing.transports import STARTS, on_anyio
from wscore import Config
from wscore.transport.tls import TLS

DOCS = Path(__file__).parents[2] / "docs"
PROGRAMS = {
    page.relative_to(DOCS).as_posix(): "\n".join(blocks)
    for page in sorted(DOCS.rglob("*.md"))
    if (blocks := re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE))
}


@pytest.mark.parametrize("page", PROGRAMS)
def test_the_python_on_each_page_runs(page: str) -> None:
    """All Python blocks of a page, one after the other, are a program that runs; its assertions hold."""
    exec(compile(PROGRAMS[page], page, "exec"), {"__name__": "example", "__file__": page})


async def _application(scope: Any, receive: Any, send: Any) -> None:
    assert (await receive())["type"] == "websocket.connect"
    if scope["path"] == "/refused":
        await send({"type": "websocket.close"})
        return
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        if message.get("text") == "fail":
            raise ValueError("as the client asked")
        if message.get("text") == "enough":
            return
        await send({**message, "type": "websocket.send"})
    scope["state"]["ends"].append((message["code"], message["reason"]))


@pytest.fixture
def blocking_server() -> Iterator[tuple[str, list[tuple[int, str]]]]:
    ends: list[tuple[int, str]] = []
    serve = runpy.run_path(str(DOCS / "examples" / "blocking_transport.py"))["serve"]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["state"]["ends"] = ends
        await _application(scope, receive, send)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(app, listener))
        thread.start()
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}", ends
        listener.close()
        thread.join(10)
        assert not thread.is_alive(), "closing the listening socket ends `serve`"


def test_the_blocking_transport_carries_messages_of_any_size(blocking_server: Any) -> None:
    """What an independent client sends comes back, compressed, large or with a ping beside it."""
    url, ends = blocking_server
    with connect(url, proxy=None, max_size=None) as client:
        for message in ("h\xe4llo", "", b"\x00\xff", "x" * 1_000_000):
            client.send(message)
            client.ping().wait()
            assert client.recv() == message
        client.close(4000, "done")
    assert client.close_code == 4000
    while not ends:
        threading.Event().wait(0.01)  # the application's thread is still to hear of it
    assert ends == [(4000, "done")]


@pytest.mark.parametrize(("text", "code"), [("enough", 1000), ("fail", 1011)])
def test_the_blocking_transport_closes_when_the_application_ends(blocking_server: Any, text: str, code: int) -> None:
    """An application that returns closes with 1000, one that raises with 1011."""
    with connect(blocking_server[0], proxy=None) as client:
        client.send(text)
        with pytest.raises(ConnectionClosed):
            client.recv()
    assert client.close_code == code


def test_the_blocking_transport_writes_a_refusal(blocking_server: Any) -> None:
    """A close before the accept is a 403 that arrives."""
    with pytest.raises(InvalidStatus) as refused:
        connect(blocking_server[0] + "/refused", proxy=None)
    assert refused.value.response.status_code == 403


@pytest.fixture(params=["anyio on asyncio", "anyio on trio", "asyncio's streams"])
def example_server(request: pytest.FixtureRequest) -> Iterator[tuple[str, list[tuple[int, str]]]]:
    ends: list[tuple[int, str]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["state"]["ends"] = ends
        await _application(scope, receive, send)

    with STARTS[request.param](app, Config()) as (host, port):
        yield f"ws://{host}:{port}", ends


def test_the_other_transports_carry_messages_of_any_size(example_server: Any) -> None:
    """What an independent client sends comes back, compressed, large or with a ping beside it."""
    url, ends = example_server
    with connect(url, proxy=None, max_size=None) as client:
        for message in ("h\xe4llo", "", b"\x00\xff", "x" * 1_000_000):
            client.send(message)
            client.ping().wait()
            assert client.recv() == message
        client.close(4000, "done")
    assert client.close_code == 4000
    while not ends:
        threading.Event().wait(0.01)  # the application is still to hear of it
    assert ends == [(4000, "done")]


@pytest.mark.parametrize(("text", "code"), [("enough", 1000), ("fail", 1011)])
def test_the_other_transports_close_when_the_application_ends(example_server: Any, text: str, code: int) -> None:
    """An application that returns closes with 1000, one that raises with 1011."""
    with connect(example_server[0], proxy=None) as client:
        client.send(text)
        with pytest.raises(ConnectionClosed):
            client.recv()
    assert client.close_code == code


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_anyio_transport_speaks_tls(backend: str) -> None:
    """Through a channel of wscore's, which says goodbye."""
    authority, server_side, client_side = (
        trustme.CA(),
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER),
        ssl.create_default_context(),
    )
    authority.issue_cert("127.0.0.1").configure_cert(server_side)
    authority.configure_trust(client_side)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["scheme"] == "wss"
        scope["state"]["ends"] = []
        await _application(scope, receive, send)

    tls = partial(TLS, server_side, server_side=True)
    with (
        on_anyio(backend, app, Config(), tls=tls) as (host, port),
        connect(f"wss://{host}:{port}", proxy=None, ssl=client_side, max_size=None) as client,
    ):
        client.send("x" * 1_000_000)
        assert client.recv() == "x" * 1_000_000


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_reset_as_anyios_writing_ends_harms_no_other(backend: str) -> None:
    """Shutting down a socket that was reset raises a bare OSError on trio: it ends that connection alone."""
    source = (DOCS / "examples" / "anyio_transport.py").read_text()
    there = "await self.stream.send_eof()"
    assert source.count(there) == 1
    reset = source.replace(there, "raise OSError(107, 'Transport endpoint is not connected')")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("no handshake came")

    with on_anyio(backend, app, Config(), source=reset) as address:
        for _ in range(2):
            with socket.create_connection(address, PATIENCE) as sock:
                sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
                assert sock.recv(100).startswith(b"HTTP/1.1 4")


def test_the_anyio_transport_is_short() -> None:
    """So that it can be read in one go; a change that would make it long belongs into the driver."""
    assert lines_of_code(DOCS / "examples" / "anyio_transport.py") <= 80
