"""Independent clients against every transport: messages, fragments, pings, closes, compression, subprotocols, TLS."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from ..conformance.harness import PATIENCE, Running, open_sockets

TEXTS = ["", "hello", "ä€😀" * 100, "x" * 70_000]
BINARIES = [b"", bytes(range(256)), bytes(2**20)]


async def application(scope: Any, receive: Any, send: Any) -> None:
    """An echo; "close CODE REASON" closes, on /deny there is a 401."""
    await receive()
    if scope["path"] == "/deny":
        await send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"x-why", b"because")]})
        await send({"type": "websocket.http.response.body", "body": b"who are you?"})
        return
    await send({"type": "websocket.accept", "subprotocol": next(iter(scope["subprotocols"][1:]), None)})
    while (message := await receive())["type"] == "websocket.receive":
        text = message.get("text")
        if text is not None and text.startswith("close "):
            _, code, reason = text.split(" ", 2)
            await send({"type": "websocket.close", "code": int(code), "reason": reason})
            return
        await send({"type": "websocket.send", "text": text, "bytes": message.get("bytes")})


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server_side(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture
def client_side(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def url(server: Running, path: str = "/", scheme: str = "ws") -> str:
    return f"{scheme}://localhost:{server.port}{path}"


def run(main: Any) -> None:
    """Run a client that is written for asyncio, until its sockets are closed: TLS takes some turns of the loop."""

    async def to_the_end() -> None:
        before = open_sockets()
        await main
        while open_sockets() - before:  # noqa: ASYNC110  # nobody tells when a transport that others made is closed
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(to_the_end(), PATIENCE))


@pytest.mark.uvloop_too
def test_websockets_asyncio(serve: Any) -> None:
    """websockets' asyncio client: messages, fragments, pings, and closes both ways."""
    from websockets.asyncio.client import connect
    from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK

    server = serve(application)

    async def client() -> None:
        async with connect(url(server), subprotocols=["a", "b"], max_size=None) as ws:  # type: ignore[list-item]
            assert ws.subprotocol == "b"
            assert ws.response is not None
            assert "permessage-deflate" in ws.response.headers["Sec-WebSocket-Extensions"]
            for message in [*TEXTS, *BINARIES]:
                await ws.send(message)
                assert await ws.recv() == message
            await ws.send(["frag", "men", "ted"])
            assert await ws.recv() == "fragmented"
            await (await ws.ping(b"payload"))
            await ws.close(4001, "bye")
            assert (ws.close_code, ws.close_reason) == (4001, "bye")
        async with connect(url(server), compression=None) as ws:
            await ws.send("close 4002 server's")
            with pytest.raises(ConnectionClosedError) as caught:
                await ws.recv()
            assert caught.value.rcvd is not None
            assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4002, "server's")
        async with connect(url(server)) as ws:
            await ws.send("close 1000 fine")
            with pytest.raises(ConnectionClosedOK):
                await ws.recv()

    run(client())


def test_websockets_sync(serve: Any) -> None:
    """websockets' threaded client."""
    from websockets.sync.client import connect

    with connect(url(serve(application)), max_size=None) as ws:
        for message in [*TEXTS, *BINARIES]:
            ws.send(message)
            assert ws.recv(timeout=PATIENCE) == message
        assert ws.ping(b"x").wait(PATIENCE)
        ws.close(4001, "bye")
        assert ws.close_code == 4001


def test_websockets_denied(serve: Any) -> None:
    """A client sees a denial's status, headers and body."""
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    with pytest.raises(InvalidStatus) as caught, connect(url(serve(application), "/deny")):
        pass
    response = caught.value.response
    assert (response.status_code, response.headers["x-why"], response.body) == (401, "because", b"who are you?")


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="defaults"),
        pytest.param({"server_no_context_takeover": True}, id="server_no_context_takeover"),
        pytest.param({"client_no_context_takeover": True}, id="client_no_context_takeover"),
        pytest.param({"server_max_window_bits": 9, "client_max_window_bits": 9}, id="windows_of_9"),
        pytest.param({"client_max_window_bits": True}, id="client_max_window_bits"),
    ],
)
def test_websockets_compression(options: dict[str, Any], serve: Any) -> None:
    """Whatever of permessage-deflate a client asks for, messages arrive, several in a row."""
    from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
    from websockets.sync.client import connect

    factory = ClientPerMessageDeflateFactory(**options)
    with connect(url(serve(application)), compression=None, extensions=[factory], max_size=None) as ws:
        for message in [*TEXTS, *BINARIES] * 2:
            ws.send(message)
            assert ws.recv(timeout=PATIENCE) == message


@pytest.mark.uvloop_too
def test_aiohttp(serve: Any) -> None:
    """aiohttp's client."""
    import aiohttp

    server = serve(application)

    async def client() -> None:
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(url(server), protocols=["a", "b"], compress=15, max_msg_size=0) as ws:
                assert ws.protocol == "b"
                for text in TEXTS:
                    await ws.send_str(text)
                    assert await ws.receive_str() == text
                for data in BINARIES:
                    await ws.send_bytes(data)
                    assert await ws.receive_bytes() == data
                await ws.send_str("close 4003 enough")
                message = await ws.receive()
                assert message.type is aiohttp.WSMsgType.CLOSE
                assert (message.data, message.extra) == (4003, "enough")
                assert ws.close_code == 4003
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await session.ws_connect(url(server, "/deny"))
            assert caught.value.status == 401

    run(client())


def test_websocket_client(serve: Any) -> None:
    """websocket-client."""
    import websocket

    ws = websocket.create_connection(url(serve(application)), timeout=PATIENCE, subprotocols=["a", "b"])
    try:
        assert ws.getsubprotocol() == "b"
        for text in TEXTS[1:]:
            ws.send(text)
            assert ws.recv() == text
        for data in BINARIES:
            ws.send_binary(data)
            assert ws.recv() == data
        ws.ping("payload")
        assert ws.recv_data_frame(control_frame=True)[0] == websocket.ABNF.OPCODE_PONG
        ws.send_close(4004)
        opcode, data = ws.recv_data()
        assert (opcode, data[:2]) == (websocket.ABNF.OPCODE_CLOSE, (4004).to_bytes(2))
    finally:
        ws.shutdown()


@pytest.mark.uvloop_too
def test_trio_websocket(serve: Any) -> None:
    """trio-websocket."""
    import trio
    from trio_websocket import ConnectionClosed, wrap_client_stream

    server = serve(application)

    async def client() -> None:
        with trio.fail_after(PATIENCE):
            # The stream is ours: trio-websocket leaves one open whose server closed first.
            stream = await trio.open_tcp_stream("127.0.0.1", server.port)
            async with stream, trio.open_nursery() as nursery:
                ws = await wrap_client_stream(nursery, stream, "localhost", "/", subprotocols=["a", "b"])
                assert ws.subprotocol == "b"
                for message in [*TEXTS, bytes(range(256))]:
                    await ws.send_message(message)
                    assert await ws.get_message() == message
                await ws.ping(b"x")
                await ws.send_message("close 4005 over")
                with pytest.raises(ConnectionClosed) as caught:
                    await ws.get_message()
                assert caught.value.reason is not None
                assert (caught.value.reason.code, caught.value.reason.reason) == (4005, "over")

    trio.run(client)


def test_wsproto_by_hand(serve: Any) -> None:
    """wsproto's client, driven by hand, compression and fragments included."""
    from wsproto import ConnectionType, WSConnection
    from wsproto.events import (
        AcceptConnection,
        CloseConnection,
        Message,
        Ping,
        Pong,
        Request,
        TextMessage,
    )
    from wsproto.extensions import PerMessageDeflate

    server = serve(application)
    sock = server.connect().sock
    ws = WSConnection(ConnectionType.CLIENT)
    events: list[Any] = []

    def expect(kind: type) -> Any:
        while not events:
            data = sock.recv(65536)
            ws.receive_data(data or None)
            events.extend(ws.events())
        event = events.pop(0)
        assert isinstance(event, kind), event
        return event

    deflate = PerMessageDeflate()
    sock.sendall(ws.send(Request(host="localhost", target="/", extensions=[deflate])))
    assert expect(AcceptConnection).extensions == [deflate]
    sock.sendall(ws.send(TextMessage("one ", message_finished=False)))
    sock.sendall(ws.send(Message("message")))
    text = ""
    while not text.endswith("message"):
        text += expect(TextMessage).data
    assert text == "one message"
    sock.sendall(ws.send(Ping(b"p")))
    assert expect(Pong).payload == b"p"
    sock.sendall(ws.send(CloseConnection(4006, "bye")))
    assert (closing := expect(CloseConnection)).code == 4006, closing


@pytest.mark.uvloop_too
def test_wss(serve: Any, server_side: ssl.SSLContext, client_side: ssl.SSLContext) -> None:
    """wss, with websockets' and aiohttp's clients."""
    import aiohttp
    from websockets.asyncio.client import connect

    server = serve(application, ssl=server_side)

    async def client() -> None:
        async with connect(url(server, scheme="wss"), ssl=client_side, max_size=None) as ws:
            for message in [*TEXTS, *BINARIES]:
                await ws.send(message)
                assert await ws.recv() == message
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(url(server, scheme="wss"), ssl=client_side) as other,
        ):
            await other.send_str("x")
            assert await other.receive_str() == "x"

    run(client())


def test_unix_socket(serve: Any, tmp_path: Path) -> None:
    """A unix socket, with websockets' client."""
    from websockets.sync.client import unix_connect

    path = str(tmp_path / "s")
    serve(application, uds=path)
    with unix_connect(path, "ws://localhost/") as ws:
        ws.send("x")
        assert ws.recv(timeout=PATIENCE) == "x"


@pytest.mark.uvloop_too
def test_many_clients_at_once(serve: Any) -> None:
    """Fifty clients with a hundred messages each, all at once."""
    from websockets.asyncio.client import connect

    server = serve(application)

    async def one(number: int) -> None:
        async with connect(url(server)) as ws:
            for n in range(100):
                await ws.send(f"{number}: {n}")
            for n in range(100):
                assert await ws.recv() == f"{number}: {n}"

    async def client() -> None:
        await asyncio.gather(*map(one, range(50)))

    run(client())
