"""Parses a typed line: text to send, or a command. Pure; `session` carries it out."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["HELP", "Command", "Help", "InvalidLine", "SendClose", "SendMessage", "SendPing", "read"]

HELP: Final = """\
TEXT              send a text message
//TEXT            send a text message that begins with a slash
/binary 00 ff     send a binary message, in hexadecimal
/ping [TEXT]      send a ping, and tell how long its pong took
/close [4000] [bye]   close, with a code and a reason
/help             this"""


class SendMessage(NamedTuple):
    """Send a message."""

    message: str | bytes


class SendPing(NamedTuple):
    """Send a ping; None means a random payload."""

    payload: bytes | None


class SendClose(NamedTuple):
    """Close the connection."""

    code: int = 1000
    reason: str = ""


class Help(NamedTuple):
    """Show what can be typed."""


class InvalidLine(NamedTuple):
    """Show what was expected."""

    why: str


Command = SendMessage | SendPing | SendClose | Help | InvalidLine


def read(line: str) -> Command:
    """Parse a line, given without its newline."""
    if not line.startswith("/"):
        return SendMessage(line)
    if line.startswith("//"):
        return SendMessage(line[1:])
    command, _, rest = line[1:].partition(" ")
    match command:
        case "binary":
            try:
                return SendMessage(bytes.fromhex(rest))
            except ValueError:
                return InvalidLine("/binary takes hexadecimal digits, two for a byte: /binary 00 ff")
        case "ping":
            return SendPing(rest.encode(errors="surrogateescape") or None)
        case "close":
            code, _, reason = rest.strip().partition(" ")
            if not code:
                return SendClose()
            if not (code.isascii() and code.isdecimal()):
                return InvalidLine("/close takes a code and then a reason: /close 4000 bye")
            return SendClose(int(code[:9]), reason)
        case "help":
            return Help()
        case _:
            return InvalidLine(f"there is no /{command}: /help tells what there is, //{command} sends it as text")
