"""`wscore demo` holds a real conversation with the example chat, and says so when it goes wrong."""

import signal
import socket
import threading
from contextlib import contextmanager

import pytest
from websockets.sync.client import connect

from wscore._cli.demo import conversation
from wscore._cli.demo.chat import app
from wscore._cli.demo.conversation import ConversationFailed, hold_conversation
from wscore.app import WebSocketDisconnect
from wscore.testing import TestClient, WebSocketDenialResponse

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
    assert lines[-1] == "All checks passed."


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
    with _server(b"") as address, pytest.raises(ConversationFailed, match="ada: nothing came"):
        hold_conversation(address, lambda _: None)


def test_a_wrong_answer_fails_the_conversation():
    """Another answer than the expected one is named."""
    answer = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
    with _server(answer) as address, pytest.raises(ConversationFailed, match=r"ada: .*404"):
        hold_conversation(address, lambda _: None)


def test_garbage_fails_the_conversation():
    """An answer that is no HTTP is a failure of the conversation, not an exception of the parser."""
    with _server(b"220 mail ready\r\n\r\n") as address, pytest.raises(ConversationFailed, match="ada: "):
        hold_conversation(address, lambda _: None)


def test_a_refused_connection_fails_the_conversation():
    """No server at all."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(ConversationFailed, match="ada: no connection"):
            hold_conversation(unused.getsockname()[:2], lambda _: None)


def test_a_member_without_a_name_is_denied(backend):
    """With HTTP 403, before anybody in the room sees it."""
    with TestClient(app, backend=backend) as client, client.websocket_connect("/lobby?name=ada") as ada:
        assert ada.receive_text() == "* ada joined, 1 here"
        with pytest.raises(WebSocketDenialResponse) as denied, client.websocket_connect("/lobby"):
            pass
        assert denied.value.status == 403
        ada.send_text("hello")
        assert ada.receive_text() == "ada: hello"


def test_rooms_are_apart(backend):
    """What is said in one room is not heard in another; bytes reach the others and not their sender."""
    with (
        TestClient(app, backend=backend) as client,
        client.websocket_connect("/red?name=ada") as ada,
        client.websocket_connect("/red?name=bob") as bob,
        client.websocket_connect("/blue?name=eve") as eve,
    ):
        assert [ada.receive_text(), ada.receive_text()] == ["* ada joined, 1 here", "* bob joined, 2 here"]
        assert bob.receive_text() == "* bob joined, 2 here"
        bob.send_bytes(b"x")
        bob.send_text("hi")
        assert (ada.receive_bytes(), ada.receive_text(), bob.receive_text()) == (b"x", "bob: hi", "bob: hi")
        assert eve.receive_text() == "* eve joined, 1 here"
        eve.send_text("/quit")
        with pytest.raises(WebSocketDisconnect) as left:
            eve.receive_text()
        assert (left.value.code, left.value.reason) == (4000, "goodbye, eve")
