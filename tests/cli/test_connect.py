"""`wscore connect` as a user runs it: from a pipe, and in a terminal."""

import os
import pty
import re
import signal
import socket
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
from tests.client.servers import Proxy, read_request, read_to_end, scripted, upgrade
from tests.conformance.harness import TRANSPORTS, Running
from tests.conformance.wire import CLOSE, TEXT, frame

from wscore._cli.connect.terminal import shown

from ..real_time import PATIENCE, TIMEOUT, scaled

SILENCE = str(scaled(0.5))  # after which nothing more comes
UNTIL_IT_CLOSES = ["--wait", str(PATIENCE)]  # the server does
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
            await send({"type": "websocket.close", "code": 4001, "reason": "gone\x07\nclosed: 1000"})
            return
        if message.get("text") == "escapes":
            message = {"text": "\x1b]0;title\x07 a\tb"}
        if message.get("text") == "lines":
            message = {"text": "a\n< text, 1 byte: b\rc\u2028d\u202ee\x85f\x9b31m"}
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


@pytest.mark.realtime
def test_a_pipes_lines_are_sent_and_the_answers_printed(url: str) -> None:
    """Each with its kind and its size; after the last line the answers are waited for, then it closes."""
    ran = piped("hi\nh\xe4\n/binary 00ff\n//x\n\n", url, "--wait", SILENCE)
    assert ran.stdout.splitlines() == [
        "< text, 2 bytes: hi",
        "< text, 3 bytes: h\xe4",
        "< binary, 2 bytes: 00 ff",
        "< text, 2 bytes: /x",
        "< text, 0 bytes: ",
    ]
    assert ran.stderr.splitlines() == [f"connected to {url}/", "closed: 1000"]
    assert ran.returncode == 0


@pytest.mark.realtime
def test_a_last_line_without_an_end_is_a_line(url: str) -> None:
    """As `printf` writes it; `--raw` prints the messages alone."""
    ran = piped("a\r\n/binary 00ff\nb", url, "--wait", SILENCE, "--raw")
    assert ran.stdout.splitlines() == ["a", "00ff", "b"]


@pytest.mark.realtime
def test_commands(url: str) -> None:
    """A ping's time is told, a close ends it with its code, and nothing but messages is on stdout."""
    ran = piped("/ping\n/ping x\n/help\n/close 4000 bye\nnever\n", url, "--wait", SILENCE)
    assert len(re.findall(r"^pong after \d+\.\d ms$", ran.stderr, re.MULTILINE)) == 2
    assert ran.stderr.splitlines()[-1] == "closed: 4000 bye"
    assert (ran.returncode, ran.stdout) == (0, "")


@pytest.mark.realtime
def test_a_close_from_a_pipe_waits_for_the_answers_before_it(url: str) -> None:
    """As the end of the pipe does."""
    ran = piped("a\nb\n/close 4000\n", url, "--wait", SILENCE, "--raw")
    assert ran.stdout == "a\nb\n"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"/nothing", "there is no /nothing"),
        (b"/close 42", "code 42"),
        (b"/binary 0", "hexadecimal"),
        (b"/ping " + b"x" * 126, "125"),
        (b"\xff", "UTF-8"),
    ],
)
@pytest.mark.realtime
def test_a_line_of_a_pipe_that_cannot_be_sent(url: str, line: bytes, why: str) -> None:
    """It is explained on stderr, the others are sent, and the exit status says that it is missing."""
    command = [*CONNECT, url, "--raw", "--wait", SILENCE]
    ran = subprocess.run(command, input=line + b"\nb\n", capture_output=True, check=False, timeout=TIMEOUT)
    assert ran.stdout == b"b\n"
    assert why in ran.stderr.decode()
    assert ran.stderr.endswith(b"closed: 1000\nwscore: not all that was read could be sent: 1 line could not\n")
    assert ran.returncode == 1


@pytest.mark.realtime
def test_more_lines_than_fit_anywhere(url: str) -> None:
    """They are read no faster than the server takes them, and all of them are answered."""
    text = "".join(f"{n:06}\n" for n in range(20_000))
    assert piped(text, url, "--raw", "--wait", SILENCE).stdout == text


def test_nobody_reads_what_is_printed(url: str) -> None:
    """A pipe behind it that is closed is one line, and status 1."""
    read, write = os.pipe()
    os.close(read)
    try:
        ran = subprocess.run(
            [*CONNECT, url], input=b"hi\n", stdout=write, stderr=subprocess.PIPE, check=False, timeout=TIMEOUT
        )
    finally:
        os.close(write)
    assert ran.stderr.decode().splitlines() == [
        f"connected to {url}/",
        "closed: 1000",
        "wscore: nobody reads the output any more",
    ]
    assert ran.returncode == 1


def test_no_standard_input(url: str) -> None:
    """Where there is none, it has ended before it began."""
    script = f"exec {' '.join(CONNECT)} {url} --wait 0.1 <&-"
    ran = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=False, timeout=TIMEOUT)
    assert ran.stderr.splitlines() == [f"connected to {url}/", "closed: 1000"]
    assert ran.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_closes(url: str, number: signal.Signals) -> None:
    """With a close frame, and what it said is told."""
    with subprocess.Popen([*CONNECT, url], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        assert process.stderr.readline() == f"connected to {url}/\n"
        process.send_signal(number)
        assert process.stderr.read() == "closed: 1000\n"
        assert process.wait(TIMEOUT) == 130


def test_sigterm_ends_a_background_command(url: str) -> None:
    """A shell starts background commands with SIGINT ignored; SIGTERM closes those as well."""
    script = f"trap '' INT; exec {' '.join(CONNECT)} {url}"
    with subprocess.Popen(["/bin/sh", "-c", script], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as ran:
        assert ran.stderr is not None
        assert ran.stderr.readline() == f"connected to {url}/\n"
        ran.terminate()
        try:
            assert ran.wait(TIMEOUT) == 130
        finally:
            ran.kill()
        assert ran.stderr.read() == "closed: 1000\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_waits_for_nothing(number: signal.Signals) -> None:
    """A server that does not answer the close delays nobody who insists."""

    def play(sock: socket.socket) -> None:
        upgrade(sock)
        sock.recv(1, socket.MSG_PEEK)  # the close frame
        process.send_signal(number)
        read_to_end(sock)

    with (
        scripted(play) as port,
        subprocess.Popen(
            [*CONNECT, f"ws://127.0.0.1:{port}/"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process,
    ):
        assert process.stderr is not None
        assert process.stderr.readline().startswith("connected")
        process.send_signal(number)
        assert process.wait(5) == 130  # of the ten seconds that it would wait
        assert process.stderr.read() == "closed: 1000\n"


def test_a_ping_that_is_not_answered_delays_no_line() -> None:
    """The next one is sent meanwhile."""

    def play(sock: socket.socket) -> None:
        upgrade(sock)
        ping = sock.recv(14, socket.MSG_WAITALL)
        assert ping[0] == 0x89
        assert sock.recv(1, socket.MSG_WAITALL) == b"\x81"  # a text
        sock.sendall(frame(TEXT, "heard", mask=None) + frame(CLOSE, b"\x03\xe8", mask=None))
        sock.shutdown(socket.SHUT_WR)
        read_to_end(sock)

    with scripted(play) as port:
        ran = piped("/ping\nhello\n", f"ws://127.0.0.1:{port}/", "--raw", *UNTIL_IT_CLOSES)
    assert (ran.stdout, ran.returncode) == ("heard\n", 0)


def test_a_redirection() -> None:
    """It is not followed; where it points is told."""

    def play(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(b"HTTP/1.1 301 Moved\r\nLocation: https://elsewhere.example/ws\r\nContent-Length: 0\r\n\r\n")
        read_to_end(sock)

    with scripted(play) as port:
        ran = piped("", f"ws://127.0.0.1:{port}/")
    assert ran.stderr.endswith("answered 301 Moved Permanently, which points at wss://elsewhere.example/ws\n")
    assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)


def test_help_names_every_command(url: str) -> None:
    """`/help` tells what can be typed."""
    ran = piped("/help\n", url, "--wait", "0.1")
    assert {"/binary", "/ping", "/close", "/help", "//TEXT"} <= set(ran.stderr.split())


def test_the_server_closes(url: str) -> None:
    """Its code and its reason are told, without what a terminal would obey."""
    ran = piped("go\n", url)
    assert ran.stderr.splitlines()[-1] == "closed: 4001 gone\\x07\\nclosed: 1000"
    assert ran.returncode == 0


def test_a_message_cannot_command_the_terminal(url: str) -> None:
    """Control characters are spelled out."""
    ran = piped("escapes\ngo\n", url, *UNTIL_IT_CLOSES)
    assert ran.stdout == "< text, 14 bytes: \\x1b]0;title\\x07 a\tb\n"


def test_a_message_cannot_forge_a_line(url: str) -> None:
    """Whatever ends a line somewhere, or turns its direction, is spelled out: a message is one line."""
    ran = piped("lines\n", url, "--wait", "0.3")
    assert ran.stdout == ("< text, 37 bytes: a\\n< text, 1 byte: b\\x0dc\\u2028d\\u202ee\\x85f\\x9b31m\n")


def test_what_is_raw_is_as_it_is(url: str) -> None:
    """For a pipe, `--raw` changes nothing."""
    ran = subprocess.run(
        [*CONNECT, url, "--wait", "0.3", "--raw"], input=b"lines\n", capture_output=True, check=False, timeout=TIMEOUT
    )
    assert ran.stdout.decode() == "a\n< text, 1 byte: b\rc\u2028d\u202ee\x85f\x9b31m\n"


def test_a_proxy_cannot_command_the_terminal() -> None:
    """The reason that it gives is spelled out."""

    def play(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(b"HTTP/1.1 407 no\x9b31m\x9d0;x\r\nContent-Length: 0\r\n\r\n")
        read_to_end(sock)

    with scripted(play) as port:
        ran = piped("", "ws://far.example/", "--proxy", f"http://127.0.0.1:{port}")
    assert ran.stderr.endswith("refused: 407 no\\x9b31m\\x9d0;x\n")


def test_what_is_shown_has_a_bound() -> None:
    """A megabyte would take the terminal away for a while."""
    assert shown("x" * 5000) == "x" * 4096 + " ... and 904 characters more"
    assert shown("a\nb\x9b\x7f") == "a\\nb\\x9b\\x7f"
    assert shown("\U0001f469\u200d\U0001f4bb käse") == "\U0001f469\u200d\U0001f4bb käse"


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
            assert piped("hi\ngo\n", uri, *option, *UNTIL_IT_CLOSES).stdout == "< text, 2 bytes: hi\n"


def test_a_proxy(url: str) -> None:
    """--proxy takes the way through one."""
    with Proxy() as proxy:
        ran = piped("hi\ngo\n", url, "--proxy", f"http://127.0.0.1:{proxy.port}", *UNTIL_IT_CLOSES)
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


def test_raw_messages_in_a_terminal(url: str) -> None:
    """Even they cannot command it; their lines stay lines."""
    typing = Typing(url, "--raw")
    typing.sees("> ")
    typing.types("lines\r")
    typing.sees("< text, 1 byte: b\\x0dc\\u2028d\\u202ee\\x85f\\x9b31m")
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
