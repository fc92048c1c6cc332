"""`wscore demo` holds a real conversation with the example chat, and says so when it goes wrong."""

import signal
import socket
import threading
from contextlib import contextmanager

import anyio
import pytest
from websockets.sync.client import connect

from wscore._cli.demo import conversation
from wscore._cli.demo.chat import QUEUE, TOO_SLOW, chat, rooms
from wscore._cli.demo.conversation import ConversationFailed, hold_conversation

from ..real_time import TIMEOUT


def test_the_conversation_is_printed(command, backend):
    """Handshake, text, binary, ping and pong, a close from either side and a denial: all of it is shown, status 0."""
    result = command("demo", "--backend", backend)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert f"({backend})" in lines[0]
    for shown in (
        "  ada <- handshake  101 Switching Protocols, permessage-deflate",
        "  bob <- handshake  101 Switching Protocols",
        "  ada <- text       '* bob joined, 2 here'",
        "  ada -> text       'hello, bob! ☕'",
        "  bob <- text       'ada: hello, bob! ☕'",
        "  ada <- binary     00 01 fe ff",
        "  bob -> ping       'still there?'",
        "  bob <- pong       'still there?'",
        "  bob -> close      3001 'dinner'",
        "  bob <- close      3001 'dinner'",
        "  ada <- text       '* bob left (3001 dinner)'",
        "  ada <- close      4000 'goodbye, ada'",
        "  eve <- handshake  HTTP 403: the application denied it",
    ):
        assert shown in lines
    assert lines[-1] == "All of it was heard as it should be."


def test_a_terminal_without_unicode_gets_escapes(command):
    """Where stdout is ASCII the cup of coffee is escaped, and nothing fails."""
    command.environment["PYTHONIOENCODING"] = "ascii"
    result = command("demo")
    assert result.returncode == 0, result.stderr
    assert r"hello, bob! \u2615" in result.stdout


def test_keep_leaves_the_chat_serving(command, backend):
    """With --keep the chat can be talked to afterwards, until a signal."""
    running = command.start("demo", "--backend", backend, "--keep")
    url = running.url()
    while "goes on" not in (line := running.line()):
        assert line or running.process.poll() is None, running.stderr
    with connect(f"{url}/lobby?name=you") as client:
        assert client.recv(TIMEOUT) == "* you joined, 1 here"
        client.send("hello")
        assert client.recv(TIMEOUT) == "you: hello"
    running.signal(signal.SIGINT)
    assert running.ends() == 0


@contextmanager
def _server(answer: bytes):
    """A server that answers whatever comes with `answer`, and then says nothing more."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = threading.Event()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)
                done.wait()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[:2]
        finally:
            done.set()
            if not thread.is_alive():
                thread.join()


def test_a_silent_server_fails_the_conversation(monkeypatch):
    """Every wait has an end: nobody hangs where a server says nothing."""
    monkeypatch.setattr(conversation, "TIMEOUT", 0.05)
    with _server(b"") as address, pytest.raises(ConversationFailed, match="ada: heard nothing"):
        hold_conversation(address, lambda _: None)


def test_a_wrong_answer_fails_the_conversation():
    """Another answer than the expected one is named."""
    answer = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
    with _server(answer) as address, pytest.raises(ConversationFailed, match=r"ada: .*HTTP 404"):
        hold_conversation(address, lambda _: None)


def test_garbage_fails_the_conversation():
    """An answer that is no HTTP is a failure of the conversation, not an exception of the parser."""
    with _server(b"220 mail ready\r\n\r\n") as address, pytest.raises(ConversationFailed, match="ada: "):
        hold_conversation(address, lambda _: None)


def test_a_refused_connection_fails_the_conversation():
    """No server at all."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(ConversationFailed, match=r"ada: .*refused"):
            hold_conversation(unused.getsockname()[:2], lambda _: None)


class _Client:
    """One client of the chat without a server: what it sends, and what it was sent."""

    def __init__(self, name: str) -> None:
        self.scope = {"type": "websocket", "path": "/room", "query_string": f"name={name}".encode()}
        self.says, self._said = anyio.create_memory_object_stream[dict](100)
        self.heard: list[dict] = []
        self.reads = anyio.Event()
        self.reads.set()
        self.changed = anyio.Event()

    def close(self) -> None:
        self.says.close()
        self._said.close()

    async def receive(self) -> dict:
        return await self._said.receive()

    async def send(self, message) -> None:
        await self.reads.wait()
        self.heard.append(message)
        self.changed.set()

    async def hears(self, message: dict) -> None:
        with anyio.fail_after(60):
            while message not in self.heard:
                self.changed = anyio.Event()
                await self.changed.wait()


def _text(text: str) -> dict:
    return {"type": "websocket.send", "text": text}


def test_a_slow_member_delays_nobody_and_is_closed(backend):
    """Whoever lets the queue fill up is closed with 1013, and the others hear everything meanwhile."""

    async def main() -> None:
        slow, quick = _Client("slow"), _Client("quick")
        for client in (slow, quick):
            client.says.send_nowait({"type": "websocket.connect"})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(chat, slow.scope, slow.receive, slow.send)
            await slow.hears(_text("* slow joined, 1 here"))
            slow.reads = anyio.Event()
            tasks.start_soon(chat, quick.scope, quick.receive, quick.send)
            await quick.hears(_text("* quick joined, 2 here"))
            for number in range(QUEUE + 10):
                quick.says.send_nowait({"type": "websocket.receive", "text": str(number)})
                await quick.hears(_text(f"quick: {number}"))
            slow.reads.set()
            await slow.hears({"type": "websocket.close", "code": TOO_SLOW, "reason": "too slow"})
            for client, code in ((slow, TOO_SLOW), (quick, 1000)):
                client.says.send_nowait({"type": "websocket.disconnect", "code": code, "reason": ""})
        for client in (slow, quick):
            client.close()
        assert not rooms

    anyio.run(main, backend=backend)


def test_a_member_whose_client_is_gone_hurts_nobody(backend):
    """A write that fails with OSError, as ASGI says of a client that left, ends that member's writing alone."""

    async def main() -> None:
        gone, other = _Client("gone"), _Client("other")

        async def fail(message) -> None:
            if message["type"] == "websocket.send":
                raise OSError
            await gone_send(message)

        gone_send, gone.send = gone.send, fail
        for client in (gone, other):
            client.says.send_nowait({"type": "websocket.connect"})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(chat, gone.scope, gone.receive, gone.send)
            await gone.hears({"type": "websocket.accept"})
            tasks.start_soon(chat, other.scope, other.receive, other.send)
            other.says.send_nowait({"type": "websocket.receive", "text": "hello"})
            await other.hears(_text("other: hello"))
            gone.says.send_nowait({"type": "websocket.disconnect", "code": 1006})
            await other.hears(_text("* gone left (1006)"))
            other.says.send_nowait({"type": "websocket.disconnect", "code": 1001, "reason": ""})
        for client in (gone, other):
            client.close()
        assert not rooms

    anyio.run(main, backend=backend)
