"""seldom's WebSocketClient: its behaviour row by row, what was missing, and that it ends whatever a server does."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trustme

from wscore import (
    Config,
    ConnectionClosed,
    HandshakeFailed,
    HandshakeRefused,
    HandshakeTimeout,
    InvalidMessage,
    InvalidURI,
    LocalProtocolError,
)
from wscore.compat.seldom import WebSocketClient

from ..client.servers import (
    Script,
    aiohttp_server,
    nobody_listens,
    read_request,
    read_to_end,
    scripted,
    upgrade,
    websockets_server,
)
from ..conformance.harness import open_sockets
from ..real_time import PATIENCE
from ..serving import BACKENDS, serving

SHORT = 0.05
QUICK = Config(close_timeout=SHORT, handshake_timeout=PATIENCE)


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No socket and no client's thread outlives its test."""
    before = open_sockets()
    yield
    assert not [thread for thread in threading.enumerate() if isinstance(thread, WebSocketClient)]
    assert not open_sockets() - before


@pytest.fixture
def script() -> Iterator[Callable[[Script], str]]:
    """Serve one connection with a blocking function that gets its socket, and give the URL."""
    with contextlib.ExitStack() as stack:
        yield lambda play: f"ws://127.0.0.1:{stack.enter_context(scripted(play))}/"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Echo; "close" closes with 4001, "drop" returns, "request" tells of the request."""
    if scope["type"] != "websocket":
        raise NotImplementedError
    await receive()
    if scope["path"] == "/denied":
        return await send({"type": "websocket.close"})
    await send({"type": "websocket.accept", "subprotocol": next(iter(scope["subprotocols"]), None)})
    while (message := await receive())["type"] == "websocket.receive":
        match message.get("text"):
            case "close":
                return await send({"type": "websocket.close", "code": 4001, "reason": "as asked"})
            case "request":
                headers = {name.decode(): value.decode() for name, value in scope["headers"]}
                await send({"type": "websocket.send", "text": json.dumps(headers)})
            case _:
                await send({**message, "type": "websocket.send"})
    return None


@pytest.fixture
def url(backend: str) -> Iterator[str]:
    with serving(app, backend) as port:
        yield f"ws://127.0.0.1:{port}/ws"


class Recorder(WebSocketClient):
    """Keeps what its hooks heard, in order."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.heard: list[Any] = []

    def on_open(self) -> None:
        self.heard.append("open")

    def on_message(self, message: str | bytes) -> None:
        self.heard.append(message)

    def on_error(self, error: Exception) -> None:
        self.heard.append(type(error))

    def on_close(self) -> None:
        self.heard.append("close")


def ended(client: WebSocketClient) -> None:
    client.join(PATIENCE)
    assert not client.is_alive()


@pytest.fixture
def closed_port() -> Iterator[int]:
    with nobody_listens() as port:
        yield port


# -- rows


def test_a_new_client_has_seldoms_attributes() -> None:
    """And is a thread, which does not hold up the interpreter."""
    client = WebSocketClient("ws://127.0.0.1:1/ws")
    assert isinstance(client, threading.Thread)
    assert (client.url, client.ws, client.running, client.received_messages) == ("ws://127.0.0.1:1/ws", None, False, [])
    assert client.daemon
    assert (client.close_code, client.close_reason, client.subprotocol, client.error) == (None, None, None, None)


def test_it_starts_once(url: str) -> None:
    """A second start is the thread's own error, and the connection goes on."""
    with WebSocketClient(url) as client:
        with pytest.raises(RuntimeError, match="threads can only be started once"):
            client.start()
        client.send_message("a")
        assert client.wait_for(1) == ["a"]


def test_before_the_start_there_is_nothing_to_wait_for() -> None:
    """Neither the end, nor the opening, nor messages; `stop` is harmless."""
    client = WebSocketClient("ws://127.0.0.1:1/ws")
    client.stop()
    with pytest.raises(RuntimeError, match="cannot join thread before it is started"):
        client.join()
    with pytest.raises(RuntimeError, match=r"wait_open\(\) before start\(\)"):
        client.wait_open()
    with pytest.raises(RuntimeError, match=r"wait_for\(\) before start\(\)"):
        client.wait_for(1)


def test_a_stop_before_the_start_changes_nothing(url: str) -> None:
    """The start is still there to be made."""
    client = WebSocketClient(url)
    client.stop()
    with client:
        client.send_message("a")
        assert client.wait_for(1) == ["a"]


def test_two_messages_and_two_joins(url: str) -> None:
    """seldom's own way to wait: `join(t)` burns its time while the connection is open."""
    client = WebSocketClient(url)
    client.start()
    for text in ("Hello, WebSocket!", "How are you?"):
        client.send_message(text)
        client.join(0.2)
        assert client.is_alive()
    assert client.wait_for(2, PATIENCE) == ["Hello, WebSocket!", "How are you?"]
    client.send_message("close")
    client.stop()
    client.join()
    assert client.received_messages == ["Hello, WebSocket!", "How are you?"]
    assert not client.running


def test_the_day_one_program_runs(url: str) -> None:
    """No sleep for the opening: a message waits for it."""
    client = WebSocketClient(url)
    client.start()
    client.send_message("at once")
    assert client.wait_for(1) == ["at once"]
    client.stop()
    client.join()


def test_text_and_binary_are_told_apart_both_ways(url: str) -> None:
    """seldom sends bytes as text."""
    with WebSocketClient(url) as client:
        for message in ("h\xe4", b"\x00\xff", bytearray(b"a"), memoryview(b"b"), "", "x" * 1_000_000):
            client.send_message(message)
        assert client.wait_for(6, PATIENCE) == ["h\xe4", b"\x00\xff", b"a", b"b", "", "x" * 1_000_000]


def test_the_servers_close_leaves_no_message(url: str) -> None:
    """Where seldom has an empty text; code and reason are kept, and a stop behind it is harmless."""
    client = Recorder(url)
    client.start(wait=True)
    assert client.ws is not None
    client.send_message("a")
    client.send_message("close")
    ended(client)
    assert client.heard == ["open", "a", "close"]
    assert client.received_messages == ["a"]
    assert (client.close_code, client.close_reason) == (4001, "as asked")
    client.stop()
    client.join()
    assert (client.close_code, client.running, client.error) == (4001, False, None)


def test_the_own_close_is_heard_too(url: str) -> None:
    """With the code that it gave."""
    client = Recorder(url)
    client.start(wait=True)
    assert (client.running, client.close_code) == (True, None)
    client.stop(4002, "enough")
    assert not client.running
    ended(client)
    assert client.heard == ["open", "close"]
    assert (client.close_code, client.close_reason) == (4002, "enough")


def test_a_code_that_no_close_frame_can_carry_is_refused(url: str) -> None:
    """The connection goes on."""
    with WebSocketClient(url) as client:
        with pytest.raises(InvalidMessage):
            client.stop(1006)
        assert client.running
        client.send_message("a")
        assert client.wait_for(1) == ["a"]


def test_the_log_says_what_seldoms_says(url: str, caplog: pytest.LogCaptureFixture, closed_port: int) -> None:
    """The same words, at the same levels."""
    with caplog.at_level(logging.INFO, "wscore.seldom"):
        with WebSocketClient(url) as client:
            client.send_message({"no": "message"})  # type: ignore[arg-type]
        failed = WebSocketClient(f"ws://127.0.0.1:{closed_port}/")
        failed.start()
        ended(failed)
    assert [(record.levelname, record.getMessage()) for record in caplog.records[:3]] == [
        ("INFO", "WebSocket connection opened."),
        ("ERROR", "WebSocket error: a message must be str or bytes, not dict"),
        ("INFO", "WebSocket connection closed."),
    ]
    assert caplog.records[3].levelname == "ERROR"
    assert caplog.messages[3].startswith("WebSocket error: no connection to ws://127.0.0.1:")


def test_hooks_may_be_static(url: str) -> None:
    """As two of seldom's are."""
    heard: list[Any] = []

    class Client(WebSocketClient):
        @staticmethod
        def on_open() -> None:
            heard.append("open")

        @staticmethod
        def on_error(error: Exception) -> None:
            heard.append(error)

    with Client(url):
        pass
    assert heard == ["open"]


# -- errors, and exceptions on demand


def test_a_connection_that_fails_is_an_error_that_is_kept(closed_port: int) -> None:
    """`on_error` hears of it, as in seldom; who waits for the opening, or for messages, gets the exception."""
    client = Recorder(f"ws://127.0.0.1:{closed_port}/")
    client.start()
    ended(client)
    assert client.heard == [HandshakeFailed]
    assert (client.ws, client.running, client.received_messages) == (None, False, [])
    with pytest.raises(HandshakeFailed, match="refused"):
        client.wait_open()
    with pytest.raises(HandshakeFailed) as raised:
        client.wait_for(1)
    assert raised.value is client.error
    client.send_message("lost")
    assert client.heard == [HandshakeFailed, HandshakeFailed]
    client.stop()


def test_starting_may_wait_for_the_opening(url: str) -> None:
    """Or raise: a refusal with its status."""
    denied = WebSocketClient(url.replace("/ws", "/denied"))
    with pytest.raises(HandshakeRefused) as refused:
        denied.start(wait=True)
    assert refused.value.status == 403
    ended(denied)
    with pytest.raises(HandshakeRefused), WebSocketClient(url.replace("/ws", "/denied")):
        pytest.fail("it is not open")


def test_an_opening_may_take_too_long(script: Callable[[Script], str]) -> None:
    """For who waits with a timeout; the connecting goes on."""
    go_on = threading.Event()

    def play(sock: socket.socket) -> None:
        assert go_on.wait(PATIENCE)
        upgrade(sock)
        read_to_end(sock)

    client = WebSocketClient(script(play), config=QUICK)
    with pytest.raises(TimeoutError, match=r"no connection to ws://127\.0\.0\.1:\d+/ within 0\.05 s"):
        client.start(wait=True, timeout=SHORT)
    go_on.set()
    client.wait_open(PATIENCE)
    client.stop()
    ended(client)


def test_a_server_that_does_not_answer_is_a_timeout(script: Callable[[Script], str]) -> None:
    """After the config's handshake_timeout."""
    client = WebSocketClient(script(read_to_end), config=Config(handshake_timeout=SHORT))
    with pytest.raises(HandshakeTimeout):
        client.start(wait=True)
    ended(client)


def test_messages_that_do_not_come_are_a_timeout(url: str) -> None:
    """The text says how many came."""
    with WebSocketClient(url) as client:
        client.send_message("a")
        client.wait_for(1)
        with pytest.raises(TimeoutError, match=r"1 of 2 messages from ws://127\.0\.0\.1:\d+/ws within 0\.05 s"):
            client.wait_for(2, SHORT)


def test_messages_that_cannot_come_are_an_exception_at_once(url: str) -> None:
    """With how the connection ended, and how many came."""
    with WebSocketClient(url) as client:
        client.send_message("a")
        client.send_message("close")
        with pytest.raises(ConnectionClosed) as end:
            client.wait_for(2, 1000)
        assert (end.value.code, end.value.reason) == (4001, "as asked")
        assert end.value.__notes__ == ["1 of 2 messages had come"]
        assert client.wait_for(1) == ["a"]


def test_errors_in_sending_are_raised_on_demand(url: str, closed_port: int) -> None:
    """A wrong kind, too early, too late."""
    client = WebSocketClient(url, raise_errors=True)
    with pytest.raises(LocalProtocolError, match=r"send_message\(\) before start\(\)"):
        client.send_message("a")
    client.start()
    with pytest.raises(InvalidMessage, match="not dict"):
        client.send_message({})  # type: ignore[arg-type]
    client.stop()
    ended(client)
    with pytest.raises(ConnectionClosed):
        client.send_message("a")
    failed = WebSocketClient(f"ws://127.0.0.1:{closed_port}/", raise_errors=True)
    failed.start()
    with pytest.raises(HandshakeFailed, match="refused"):
        failed.send_message("a")
    ended(failed)


def test_what_cannot_be_asked_is_refused_at_once() -> None:
    """The test's own mistake: no thread for it."""
    with pytest.raises(InvalidURI):
        WebSocketClient("http://127.0.0.1/")
    with pytest.raises(ValueError, match="are for wss://"):
        WebSocketClient("ws://127.0.0.1/", ssl=ssl.create_default_context())
    with pytest.raises(InvalidMessage):
        WebSocketClient("ws://127.0.0.1/", headers={"a": "b\r\n"}).start()


def test_a_host_that_is_no_name_is_a_connection_that_fails() -> None:
    """In one line, like any other."""
    client = WebSocketClient("ws://a..b/")
    with pytest.raises(HandshakeFailed, match=r"no connection to ws://a\.\.b/: "):
        client.start(wait=True)
    ended(client)


def test_a_hook_that_raises_ends_the_connection(url: str) -> None:
    """With 1011; the error is kept, heard, and the cause for who waits."""

    class Fails(Recorder):
        def on_message(self, message: str | bytes) -> None:
            super().on_message(message)
            raise ValueError("in the hook")

    client = Fails(url)
    client.start()
    client.send_message("a")
    with pytest.raises(ConnectionClosed) as end:
        client.wait_for(2, PATIENCE)
    assert isinstance(end.value.__cause__, ValueError)
    ended(client)
    assert client.heard == ["open", "a", ValueError, "close"]
    assert client.close_code == 1011


def test_an_opening_hook_that_raises_fails_the_opening(url: str) -> None:
    """Who waits for the opening gets its exception."""

    class Fails(WebSocketClient):
        def on_open(self) -> None:
            raise ValueError("in the hook")

    client = Fails(url)
    with pytest.raises(ValueError, match="in the hook"):
        client.start(wait=True)
    ended(client)


def test_hooks_may_send_and_stop(url: str) -> None:
    """From the client's own thread."""

    class Counts(Recorder):
        def on_open(self) -> None:
            self.send_message("1")

        def on_message(self, message: str | bytes) -> None:
            if message == "100":
                self.stop()
            else:
                self.send_message(str(int(message) + 1))

    client = Counts(url)
    client.start()
    ended(client)
    assert client.received_messages == [str(n) for n in range(1, 101)]


def test_the_request_has_what_was_given(url: str) -> None:
    """Headers, subprotocols and origin."""
    with WebSocketClient(url, subprotocols=["chat"], headers={"X-Name": "me"}, origin="http://o.org") as client:
        assert client.subprotocol == "chat"
        client.send_message("request")
        (text,) = client.wait_for(1)
    headers = json.loads(text)
    assert (headers["x-name"], headers["origin"]) == ("me", "http://o.org")


# -- threads


def test_many_threads_may_send(url: str) -> None:
    """Every message arrives whole, and each thread's in its order."""
    with WebSocketClient(url) as client:

        def send(name: int) -> None:
            for number in range(100):
                client.send_message(f"{name} {number}")

        threads = [threading.Thread(target=send, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        messages = client.wait_for(400, PATIENCE)
        for thread in threads:
            thread.join(PATIENCE)
    for name in range(4):
        assert [m for m in messages if str(m).startswith(f"{name} ")] == [f"{name} {n}" for n in range(100)]


def test_several_clients_at_once(url: str) -> None:
    """Each in its thread."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(WebSocketClient(url)) for _ in range(10)]
        for number, client in enumerate(clients):
            client.send_message(str(number))
        for number, client in enumerate(clients):
            assert client.wait_for(1) == [str(number)]


def test_who_sends_faster_than_the_server_reads_waits(script: Callable[[Script], str]) -> None:
    """Until there is room, or the connection has ended; the memory does not grow."""
    go_on = threading.Event()

    def play(sock: socket.socket) -> None:
        upgrade(sock)
        assert go_on.wait(PATIENCE)

    client = Recorder(script(play), config=Config(close_timeout=SHORT, compression=False), raise_errors=True)
    client.start(wait=True)
    sent = 0

    def send() -> None:
        nonlocal sent
        with contextlib.suppress(ConnectionClosed):
            for _ in range(1000):
                client.send_message(b"x" * 65536)
                sent += 1

    thread = threading.Thread(target=send)
    thread.start()
    before = -1
    while before != sent:  # it stands still
        before = sent
        threading.Event().wait(0.2)
    assert 0 < sent < 1000
    client.stop()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    go_on.set()
    ended(client)


# -- `stop` and `join` end, whatever the server does


def stops(client: WebSocketClient) -> None:
    client.stop()
    ended(client)


def test_when_it_never_answers_the_close(script: Callable[[Script], str]) -> None:
    """The close timeout cuts."""

    def play(sock: socket.socket) -> None:
        upgrade(sock)
        read_to_end(sock)

    client = Recorder(script(play), config=QUICK)
    client.start(wait=True)
    stops(client)
    assert (client.heard, client.close_code) == (["open", "close"], 1000)


def test_when_it_floods(script: Callable[[Script], str]) -> None:
    """What comes behind the own close is thrown away."""

    def play(sock: socket.socket) -> None:
        upgrade(sock)
        with contextlib.suppress(OSError):
            while True:
                sock.sendall(b"\x82\x7e\x40\x00" + bytes(0x4000))

    client = WebSocketClient(script(play), config=QUICK)
    client.start(wait=True)
    client.wait_for(100, PATIENCE)
    stops(client)


def test_when_it_ends_its_side_alone(script: Callable[[Script], str]) -> None:
    """An end of stream without a close frame is an error, and the end."""

    def play(sock: socket.socket) -> None:
        upgrade(sock)
        sock.sendall(b"\x81\x01a")
        sock.shutdown(socket.SHUT_WR)
        read_to_end(sock)

    client = Recorder(script(play), config=QUICK)
    client.start(wait=True)
    ended(client)
    assert client.heard == ["open", "a", ConnectionClosed, "close"]
    assert (client.close_code, client.close_reason) == (1006, "end of stream without a close frame")
    stops(client)


def test_when_it_resets(script: Callable[[Script], str]) -> None:
    """Likewise."""

    def play(sock: socket.socket) -> None:
        upgrade(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    client = Recorder(script(play))
    client.start(wait=True)
    ended(client)
    assert client.heard == ["open", ConnectionClosed, "close"]
    assert client.close_code == 1006
    stops(client)


def test_when_it_breaks_the_protocol(script: Callable[[Script], str]) -> None:
    """It is told so, and so is the test."""

    def play(sock: socket.socket) -> None:
        upgrade(sock)
        sock.sendall(b"\x81\x81\0\0\0\0a")  # masked
        read_to_end(sock)

    client = Recorder(script(play), config=QUICK)
    client.start(wait=True)
    ended(client)
    assert client.heard == ["open", ConnectionClosed, "close"]
    assert client.close_code == 1002


def test_when_it_accepts_and_says_nothing(script: Callable[[Script], str]) -> None:
    """A stop ends the waiting for the answer; nothing has gone wrong, and nothing was open."""
    asked = threading.Event()

    def play(sock: socket.socket) -> None:
        read_request(sock)
        asked.set()
        read_to_end(sock)

    client = Recorder(script(play), config=QUICK)
    client.start()
    assert asked.wait(PATIENCE)
    stops(client)
    assert client.heard == []
    with pytest.raises(HandshakeFailed, match="closed before the handshake was answered"):
        client.wait_open()


def test_when_it_does_not_even_accept() -> None:
    """A stop ends the connecting, where the system waits for an answer to its first packet."""
    with socket.socket() as listener, contextlib.ExitStack() as full:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        for _ in range(3):  # the queue is full: further packets get no answer
            waiting = full.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(address)
        client = Recorder(f"ws://127.0.0.1:{address[1]}/", config=QUICK)
        client.start()
        stops(client)
        assert client.heard == []
        overdue = WebSocketClient(f"ws://127.0.0.1:{address[1]}/", config=Config(handshake_timeout=SHORT))
        with pytest.raises(HandshakeTimeout):
            overdue.start(wait=True)
        ended(overdue)


def test_when_it_stops_at_any_moment(url: str) -> None:
    """Before, during and after the opening."""
    for delay in (0.0, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016):
        client = WebSocketClient(url)
        client.start()
        time.sleep(delay)
        stops(client)
        assert client.close_code in {1000, 1006}


def test_keepalive_finds_a_dead_server(script: Callable[[Script], str]) -> None:
    """Also while the test waits for nothing but messages."""

    def play(sock: socket.socket) -> None:
        upgrade(sock)
        read_to_end(sock)

    client = Recorder(script(play), config=Config(ping_interval=SHORT, ping_timeout=SHORT, close_timeout=SHORT))
    client.start(wait=True)
    with pytest.raises(ConnectionClosed, match="keepalive ping timeout"):
        client.wait_for(1, PATIENCE)
    ended(client)
    assert client.heard == ["open", ConnectionClosed, "close"]


# -- servers of others, and TLS


def test_servers_of_others() -> None:
    """The library websockets, and aiohttp; compressed where they agree."""
    for server in (websockets_server, aiohttp_server):
        with server() as port, WebSocketClient(f"ws://127.0.0.1:{port}/") as client:
            client.send_message("x" * 100_000)
            client.send_message(b"\x00")
            assert client.wait_for(2, PATIENCE) == ["x" * 100_000, b"\x00"]


def test_a_name_with_several_addresses_is_tried_at_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until one takes it; where none does, the first one's failure is told."""
    addresses: list[Any] = []

    def names(*_: Any, **__: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", address) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", names)
    with nobody_listens() as closed, websockets_server() as port:
        nobody = ("127.0.0.1", closed)
        addresses[:] = nobody, ("127.0.0.1", port)
        with WebSocketClient("ws://two.test/") as client:
            client.send_message("a")
            assert client.wait_for(1) == ["a"]
        addresses[:] = nobody, nobody
        client = WebSocketClient("ws://two.test/")
        with pytest.raises(HandshakeFailed, match=r"no connection to ws://two\.test/: .*refused"):
            client.start(wait=True)
        ended(client)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server_side(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def client_side(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def test_wss(backend: str, server_side: ssl.SSLContext, client_side: ssl.SSLContext) -> None:
    """Messages of any size, and a clean end from either side."""
    with serving(app, backend, ssl=server_side) as port:
        with WebSocketClient(f"wss://127.0.0.1:{port}/", ssl=client_side) as client:
            for message in ("a", b"x" * 3_000_000):
                client.send_message(message)
            assert client.wait_for(2, PATIENCE) == ["a", b"x" * 3_000_000]
        assert (client.close_code, client.error) == (1000, None)
        with WebSocketClient(f"wss://127.0.0.1:{port}/", ssl=client_side) as client:
            client.send_message("close")
            ended(client)
        assert (client.close_code, client.error) == (4001, None)


def test_a_certificate_that_nobody_vouches_for_is_refused(backend: str, server_side: ssl.SSLContext) -> None:
    """By default the system's authorities are asked."""
    with serving(app, backend, ssl=server_side) as port:
        client = WebSocketClient(f"wss://127.0.0.1:{port}/")
        with pytest.raises(HandshakeFailed, match="CERTIFICATE_VERIFY_FAILED"):
            client.start(wait=True)
        ended(client)


def test_a_server_without_tls_is_refused(url: str) -> None:
    """In one line."""
    client = WebSocketClient(url.replace("ws://", "wss://"))
    with pytest.raises(HandshakeFailed, match=r"(?i)ssl") as failed:
        client.start(wait=True)
    assert "\n" not in str(failed.value)
    ended(client)


def test_a_server_that_says_nothing_instead_of_tls_is_stopped(script: Callable[[Script], str]) -> None:
    """As without TLS."""
    client = WebSocketClient(script(read_to_end).replace("ws://", "wss://"))
    client.start()
    time.sleep(SHORT)
    stops(client)
