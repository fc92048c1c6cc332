"""What `wscore connect` does to the screen of a terminal in which somebody is typing."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from wscore._cli.connect.terminal import _folded

from ..client.servers import echo, read_to_end, scripted, upgrade
from ..conformance.harness import TRANSPORTS, Gate, Running, quick
from ..conformance.wire import TEXT, frame
from .terminal import InputReader

pytest.importorskip("readline")

HINT = "/help tells what can be typed; Ctrl+D closes"


@pytest.fixture
def typist(command: Any) -> Iterator[Callable[..., InputReader]]:
    """Somebody in front of a terminal that runs `wscore connect`."""
    typists: list[InputReader] = []

    def sit_down(*arguments: str, **options: Any) -> InputReader:
        typists.append(InputReader(["connect", *arguments], command.folder, command.environment, **options))
        return typists[-1]

    yield sit_down
    for one in typists:
        one.close()


@pytest.fixture
def url() -> Iterator[str]:
    """Where an echo is served."""
    options = {"config": quick(), "lifespan": "off", "access_log": False}
    server = Running(TRANSPORTS["asyncio"], echo, options).start()
    yield f"ws://127.0.0.1:{server.port}/"
    server.close()


def _says(*texts: str) -> tuple[Gate, Callable[[socket.socket], None]]:
    gate = Gate()

    def play(sock: socket.socket) -> None:
        upgrade(sock)
        gate.reached()
        sock.sendall(b"".join(frame(TEXT, text.encode(), mask=None) for text in texts))
        read_to_end(sock)

    return gate, play


def test_lines_can_be_edited_and_come_back(typist, url):
    """Cursor keys, and the lines typed before; each answer stands between a line and the next."""
    user = typist(url)
    user.sees(">")
    user.types("/x")
    user.sees("> /x")
    user.types("\x01/\r")  # Ctrl+A: to the start
    user.sees("> //x", "< text, 2 bytes: /x", ">")
    user.types("\x1b[A\x7fy")  # up, backspace
    user.sees("> //y")
    user.types("\r")
    user.sees("> //y", "< text, 2 bytes: /y", ">")


@pytest.mark.parametrize("size", [(100, 24), (100, 4)], ids=["room", "at the bottom"])
def test_messages_come_above_the_line_and_its_cursor(typist, size):
    """However many rows they have, the line and the place in it where somebody types stay as they are."""
    gate, play = _says("one", "two\nlines", "\xe9" * 40, "x" * 90)
    with scripted(play) as port:
        user = typist(f"ws://127.0.0.1:{port}", size=size)
        user.finds(HINT)
        user.types("half a ine")
        user.types("\x1b[D\x1b[D\x1b[D")
        user.sees("> half a ine")
        gate.open()
        user.sees("< text, 90 bytes: " + "x" * 82, "x" * 8, "> half a ine")
        user.types("l")
        user.sees("> half a line")
        if size == (100, 24):
            assert user.screen.rows[2:4] == ["< text, 3 bytes: one", r"< text, 9 bytes: two\nlines"]
        user.process.kill()


def test_a_long_line_keeps_to_its_row(typist):
    """It is scrolled, so that a message cannot come into its midst."""
    gate, play = _says("hello")
    with scripted(play) as port:
        user = typist(f"ws://127.0.0.1:{port}", size=(60, 24))
        user.finds(HINT)
        user.types("." * 100 + "end")
        user.waits(lambda rows: rows[-1].endswith("end"))
        gate.open()
        user.waits(lambda rows: rows[-2] == "< text, 5 bytes: hello" and rows[-1].endswith("end"))
        user.process.kill()


def test_the_end_takes_the_prompt_away(typist, url):
    """And gives the terminal back as it was."""
    user = typist(url)
    user.sees(">")
    user.types("\x04")
    assert user.ends() == 0
    assert user.screen.rows[-2:] == [HINT, "closed: 1000"]
    assert user.settings() == user.before


def test_rows_are_broken_where_a_terminal_breaks_them():
    """Wide characters take two cells, and combining ones none."""
    assert _folded("", 4) == [""]
    assert _folded("abcd", 4) == ["abcd"]
    assert _folded("abcde", 4) == ["abcd", "e"]
    assert _folded("ab\u4e2d\u6587", 5) == ["ab\u4e2d", "\u6587"]
    assert _folded("abc\u0301d", 4) == ["abc\u0301d"]
