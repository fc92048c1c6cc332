"""The options of `wscore connect`, and what becomes of them."""

from __future__ import annotations

import argparse
from typing import Any

from ... import Config, InvalidConfig
from ..arguments import add_command, seconds
from ..failure import WRONG_USAGE, Failure
from ..output import configure_logging, escape_unencodable_output

__all__ = ["add_arguments"]


def add_arguments(commands: Any) -> None:
    """Declare `connect` and its options."""
    parser = add_command(commands, "connect", run, help="talk to a WebSocket server")
    parser.description = (
        "Talk to a WebSocket server: lines typed, or read from a pipe, are sent as text; what comes is "
        "printed with its kind and size. /help tells the commands. Exit status 1 where the handshake is refused or the "
        "connection is lost."
    )
    parser.add_argument("uri", metavar="URI", help="ws:// or wss://")
    handshake = parser.add_argument_group("the handshake")
    handshake.add_argument("--header", action="append", default=[], metavar="'NAME: VALUE'", help="add a header")
    handshake.add_argument("--subprotocol", action="append", default=[], metavar="NAME", help="offer a subprotocol")
    handshake.add_argument("--origin", metavar="ORIGIN", help="the Origin header")
    handshake.add_argument("--timeout", type=seconds, default=10.0, metavar="SECONDS", help="how long it may take")
    way = parser.add_argument_group("the way there")
    way.add_argument("--cafile", metavar="FILE", help="trust the authorities in this PEM file")
    way.add_argument("--insecure", action="store_true", help="trust any certificate")
    way.add_argument("--uds", metavar="PATH", help="connect to a unix socket instead of the URI's host and port")
    proxies = way.add_mutually_exclusive_group()
    proxies.add_argument("--proxy", default=True, metavar="URL", help="an HTTP proxy, instead of the environment's")
    proxies.add_argument("--no-proxy", dest="proxy", action="store_const", const=None, help="use no proxy")
    talk = parser.add_argument_group("the conversation")
    talk.add_argument(
        "--wait",
        type=seconds,
        default=1.0,
        metavar="SECONDS",
        help="close when a pipe has ended and so long nothing came",
    )
    talk.add_argument(
        "--raw",
        action="store_true",
        help="print messages alone, text as it is (on a terminal without controls) and binary in hexadecimal",
    )


def run(options: argparse.Namespace) -> None:
    """Connect, and talk until either end closes. Raises Failure."""
    from .session import ConnectCommand, tls_context

    headers: list[tuple[str, str]] = []
    for header in options.header:
        name, colon, value = header.partition(":")
        if not colon:
            raise Failure(f"--header {header!r}: expected 'Name: value'", status=WRONG_USAGE)
        headers.append((name.strip(), value.strip()))
    secure = options.uri.lower().startswith("wss:")
    if not secure and (options.insecure or options.cafile):
        raise Failure("--insecure and --cafile are for wss://", status=WRONG_USAGE)
    configure_logging("warning")
    escape_unencodable_output()
    try:
        config = Config(handshake_timeout=options.timeout)
    except InvalidConfig as error:
        raise Failure(f"--timeout {error.value}: expected {error.expected}", status=WRONG_USAGE) from None
    ConnectCommand(
        uri=options.uri,
        config=config,
        headers=headers,
        subprotocols=options.subprotocol,
        origin=options.origin,
        ssl=tls_context(options.cafile, insecure=options.insecure) if secure else None,
        proxy=options.proxy,
        unix_path=options.uds,
        wait=options.wait,
        raw=options.raw,
    ).run()
