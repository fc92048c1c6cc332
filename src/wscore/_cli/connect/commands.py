"""What a line that was typed means: text to send, or a command. Pure; `_connecting` does it."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["HELP", "CloseIt", "Help", "PingIt", "Say", "Typed", "Wrong", "read"]

HELP: Final = """\
TEXT              send a text message
//TEXT            send a text message that begins with a slash
/binary 00 ff     send a binary message, in hexadecimal
/ping [TEXT]      send a ping, and tell how long its pong took
/close [4000] [bye]   close, with a code and a reason
/help             this"""


class Say(NamedTuple):
    """Send a message."""

    message: str | bytes


class PingIt(NamedTuple):
    """Send a ping; None: with a payload of wscore's own."""

    payload: bytes | None


class CloseIt(NamedTuple):
    """Close the connection."""

    code: int = 1000
    reason: str = ""


class Help(NamedTuple):
    """Tell what can be typed."""


class Wrong(NamedTuple):
    """Tell what was expected."""

    why: str


Typed = Say | PingIt | CloseIt | Help | Wrong


def read(line: str) -> Typed:
    """Read a line, without its end."""
    if not line.startswith("/"):
        return Say(line)
    if line.startswith("//"):
        return Say(line[1:])
    command, _, rest = line[1:].partition(" ")
    match command:
        case "binary":
            try:
                return Say(bytes.fromhex(rest))
            except ValueError:
                return Wrong("/binary takes hexadecimal digits, two for a byte: /binary 00 ff")
        case "ping":
            return PingIt(rest.encode(errors="surrogateescape") or None)
        case "close":
            code, _, reason = rest.strip().partition(" ")
            if not code:
                return CloseIt()
            if not (code.isascii() and code.isdecimal()):
                return Wrong("/close takes a code and then a reason: /close 4000 bye")
            return CloseIt(int(code[:9]), reason)
        case "help":
            return Help()
        case _:
            return Wrong(f"there is no /{command}: /help tells what there is, //{command} sends it as text")
