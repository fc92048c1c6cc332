"""What a typed line means."""

import pytest

from wscore._cli.connect.commands import Command, Help, InvalidLine, SendClose, SendMessage, SendPing, read


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        ("hello", SendMessage("hello")),
        ("", SendMessage("")),
        (" /ping", SendMessage(" /ping")),
        ("//ping", SendMessage("/ping")),
        ("///", SendMessage("//")),
        ("/binary 00ff", SendMessage(b"\x00\xff")),
        ("/binary 00 FF", SendMessage(b"\x00\xff")),
        ("/binary", SendMessage(b"")),
        ("/ping", SendPing(None)),
        ("/ping h\xe4", SendPing("h\xe4".encode())),
        ("/close", SendClose(1000, "")),
        ("/close 4000", SendClose(4000, "")),
        ("/close  4000 good bye", SendClose(4000, "good bye")),
        ("/close 99999999999999999999", SendClose(999999999, "")),
        ("/help", Help()),
    ],
)
def test_a_line(line: str, meaning: Command):
    """Text is sent, a slash begins a command, two send one."""
    assert read(line) == meaning


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("/binary 0", "two for a byte: /binary 00 ff"),
        ("/binary xy", "two for a byte"),
        ("/close bye", "/close 4000 bye"),
        ("/close -1", "/close 4000 bye"),
        ("/close \u0663", "/close 4000 bye"),
        ("/frobnicate x", "there is no /frobnicate: /help tells what there is, //frobnicate sends it as text"),
        ("/", "there is no /:"),
    ],
)
def test_a_wrong_line(line: str, why: str):
    """It says what was expected, and nothing is sent."""
    wrong = read(line)
    assert isinstance(wrong, InvalidLine)
    assert why in wrong.why
