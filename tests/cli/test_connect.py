"""`wscore connect` as a user runs it: from a pipe, and in a terminal."""

import os
import pty
import re
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.client.servers import Proxy
from tests.conformance.harness import TRANSPORTS, Running

from wscore._cli._terminal import shown

TIMEOUT = 60  # seconds; only a command that hangs gets there
CONNECT = [sys.executable, "-m", "wscore", "connect"]


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Echo; refuse on /no, close on "go", send escapes on "escapes"."""
    await receive()
    if scope["path"] == "/no":
        await send({"type": "websocket.http.response.start", "status": 403, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b"not\x1b[2J you\n"})
        return
    if scope["path"] == "/headers":
        await send({"type": "websocket.accept", "subprotocol": scope["subprotocols"][0]})
        for name, value in scope["headers"]:
            if name in (b"x-a", b"origin"):
                await send({"type": "websocket.send", "text": f"{name.decode()}={value.decode()}"})
        return
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        if message.get("text") == "go":
            await send({"type": "websocket.close", "code": 4001, "reason": "gone\x07"})
            return
        if message.get("text") == "escapes":
            message = {"text": "\x1b]0;title\x07 a\tb"}
        await send({**message, "type": "websocket.send"})


@contextmanager
def served(**options: Any) -> Iterator[int]:
    running = Running(TRANSPORTS["asyncio"], app, {"lifespan": "off", "access_log": False, **options}).start()
    try:
        yield running.port
    finally:
        running.close()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served() as port:
        yield f"ws://127.0.0.1:{port}"


def piped(text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CONNECT, *arguments], input=text, capture_output=True, text=True, check=False, timeout=TIMEOUT
    )


def test_a_pipes_lines_are_sent_and_the_answers_printed(url: str) -> None:
    """Each with its kind and its size; after the last line the answers are waited for, then it closes."""
    ran = piped("hi\nh\xe4\n/binary 00ff\n//x\n\n", url, "--wait", "0.3")
    assert ran.stdout.splitlines() == [
        "< text, 2 bytes: hi",
        "< text, 3 bytes: h\xe4",
        "< binary, 2 bytes: 00 ff",
        "< text, 2 bytes: /x",
        "< text, 0 bytes: ",
    ]
    assert ran.stderr.splitlines() == [f"connected to {url}/", "closed: 1000"]
    assert ran.returncode == 0


def test_a_last_line_without_an_end_is_a_line(url: str) -> None:
    """As `printf` writes it; `--raw` prints the messages alone."""
    ran = piped("a\r\n/binary 00ff\nb", url, "--wait", "0.3", "--raw")
    assert ran.stdout.splitlines() == ["a", "00ff", "b"]


def test_commands(url: str) -> None:
    """A ping's time is told, a wrong command is explained, a close ends it with its code."""
    ran = piped("/ping\n/ping x\n/nothing\n/close 42\n/close 4000 bye\nnever\n", url)
    first, second, nothing, wrong = ran.stdout.splitlines()
    for line in (first, second):
        assert re.fullmatch(r"pong after \d+\.\d ms", line)
    assert nothing.startswith("there is no /nothing")
    assert "close code 42" in wrong
    assert ran.stderr.splitlines()[-1] == "closed: 4000 bye"
    assert ran.returncode == 0


def test_help_names_every_command(url: str) -> None:
    """`/help` tells what can be typed."""
    ran = piped("/help\n", url, "--wait", "0.1")
    assert {"/binary", "/ping", "/close", "/help", "//TEXT"} <= set(ran.stdout.split())


def test_the_server_closes(url: str) -> None:
    """Its code and its reason are told, without what a terminal would obey."""
    ran = piped("go\n", url)
    assert ran.stderr.splitlines()[-1] == "closed: 4001 gone\\x07"
    assert ran.returncode == 0


def test_a_message_cannot_command_the_terminal(url: str) -> None:
    """Control characters are spelled out."""
    ran = piped("escapes\n", url, "--wait", "0.3")
    assert ran.stdout == "< text, 14 bytes: \\x1b]0;title\\x07 a\tb\n"


def test_what_is_shown_has_a_bound() -> None:
    """A megabyte would take the terminal away for a while."""
    assert shown("x" * 5000) == "x" * 4096 + " ... and 904 characters more"
    assert shown("a\nb\x9b\x7f") == "a\nb\\x9b\\x7f"


def test_the_handshakes_options(url: str) -> None:
    """Headers, origin and subprotocols are sent, and the one that was agreed on is told."""
    ran = piped(
        "", f"{url}/headers", "--header", "X-A: 1", "--header", "x-a:2", "--origin", "http://o", "--subprotocol", "chat"
    )
    assert [line.partition(": ")[2] for line in ran.stdout.splitlines()] == ["x-a=1", "x-a=2", "origin=http://o"]
    assert ran.stderr.splitlines() == [f"connected to {url}/headers, chat", "closed: 1000"]


def test_a_refusal(url: str) -> None:
    """Exit status 1; the status line and the beginning of the body are told, in one line."""
    ran = piped("hi\n", f"{url}/no")
    assert ran.stderr == f"wscore: no connection to {url}/no: the server answered 403 Forbidden: not\\x1b[2J you\n"
    assert (ran.returncode, ran.stdout) == (1, "")


@pytest.mark.parametrize(
    ("arguments", "status", "why"),
    [
        (["http://x"], 2, "expected ws:// or wss://"),
        (["ws://127.0.0.1:1/"], 1, "no connection to ws://127.0.0.1:1/: .*refused|Connect call failed"),
        (["ws://x", "--header", "X"], 2, "expected 'Name: value'"),
        (["ws://x", "--insecure"], 2, "are for wss://"),
        (["wss://x", "--cafile", "/nowhere"], 2, "--cafile /nowhere: No such file"),
        (["ws://x", "--timeout", "-1"], 2, "--timeout -1.0: "),
        (["ws://x", "--timeout", "soon"], 2, "'soon' is not a number of seconds"),
        (["ws://x", "--proxy", "socks5://y"], 2, "not supported"),
        (["ws://x", "--header", "X: a\rb"], 2, "X"),
        ([], 2, "URI"),
    ],
)
def test_what_cannot_be_done_is_one_line(arguments: list[str], status: int, why: str) -> None:
    """On stderr, with what was expected."""
    ran = piped("", *arguments)
    assert re.search(why, ran.stderr), ran.stderr
    assert ran.stderr.count("\n") == 1
    assert ran.returncode == status


def test_certificates(tmp_path: Path) -> None:
    """A bad one is one line that says what to do; --cafile and --insecure do it."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with served(ssl=context) as port:
        uri = f"wss://localhost:{port}/"
        refused = piped("", uri)
        assert re.search(r"certificate.*\(--cafile FILE trusts an authority, --insecure anybody\)", refused.stderr)
        assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
        for option in (["--insecure"], ["--cafile", str(tmp_path / "ca.pem")]):
            assert piped("hi\n", uri, *option, "--wait", "0.2").stdout == "< text, 2 bytes: hi\n"


def test_a_proxy(url: str) -> None:
    """--proxy takes the way through one."""
    with Proxy() as proxy:
        ran = piped("hi\n", url, "--proxy", f"http://127.0.0.1:{proxy.port}", "--wait", "0.2")
    assert ran.stdout == "< text, 2 bytes: hi\n"
    assert len(proxy.asked) == 1


# -- in a terminal


class Typing:
    """The command in a terminal of its own."""

    def __init__(self, *arguments: str) -> None:
        self._terminal, theirs = pty.openpty()
        environment = {**os.environ, "TERM": "xterm", "HOME": "/nonexistent"}
        self.process = subprocess.Popen(
            [*CONNECT, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
        )
        os.close(theirs)
        os.set_blocking(self._terminal, False)
        self.screen = ""

    def types(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def sees(self, text: str) -> None:
        deadline = time.monotonic() + TIMEOUT
        while text not in self.screen:
            assert time.monotonic() < deadline, self.screen
            try:
                self.screen += os.read(self._terminal, 4096).decode()
            except BlockingIOError:
                time.sleep(0.01)  # no clock can be given to another process

    def ends(self) -> int:
        try:
            return self.process.wait(TIMEOUT)
        finally:
            self.process.kill()
            self.process.wait()
            os.close(self._terminal)


def test_a_conversation_in_a_terminal(url: str) -> None:
    """Lines are sent as they are typed, answers stand above what is being typed, and Ctrl+D closes."""
    typing = Typing(url)
    typing.sees("/help tells what can be typed; Ctrl+D closes")
    typing.sees("> ")
    typing.types("hello\r")
    typing.sees("< text, 5 bytes: hello")
    typing.types("/ping\r")
    typing.sees("pong after")
    typing.types("\x04")
    typing.sees("closed: 1000")
    assert typing.ends() == 0


def test_what_is_being_typed_stays(url: str) -> None:
    """A message that comes meanwhile is printed above it, and the line goes on where it was."""
    typing = Typing(url)
    typing.sees("> ")
    typing.types("first\rsec")
    typing.sees("< text, 5 bytes: first")
    typing.types("ond\r")
    typing.sees("< text, 6 bytes: second")
    typing.types("/close 4000 bye\r")
    typing.sees("closed: 4000 bye")
    assert typing.ends() == 0


def test_the_server_closes_while_somebody_types(url: str) -> None:
    """The command ends, though nobody presses return."""
    typing = Typing(url)
    typing.sees("> ")
    typing.types("go\r")
    typing.types("half a li")
    typing.sees("closed: 4001")
    assert typing.ends() == 0


def test_ctrl_c_closes(url: str) -> None:
    """With a close frame; the exit status is the shell's for it."""
    typing = Typing(url)
    typing.sees("> ")
    typing.process.send_signal(signal.SIGINT)
    assert typing.ends() == 130
