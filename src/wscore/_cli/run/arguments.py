"""The options of `wscore run`, with uvicorn's names where it has them, and the configuration that they make."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from ... import ServerConfig
from ..arguments import add_command, count, or_none, port, process_count, seconds, share
from ..output import LOG_LEVELS
from ..supervisor.worker import InheritedSockets
from .command import run
from .config_options import CONFIG_OPTIONS

__all__ = ["add_arguments"]


def add_arguments(commands: Any) -> None:
    """Declare `run` and its options."""
    parser = add_command(commands, "run", run, help="serve an ASGI application")
    parser.description = "Serve an ASGI application. The options have uvicorn's names where it has them."
    parser.set_defaults(workers=None)
    parser.add_argument("app", metavar="MODULE:APP", help="the module to import, and the application in it")
    parser.add_argument("--backend", choices=("asyncio", "trio"), default="asyncio", help="what the server runs on")
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio", help="the event loop of asyncio")
    parser.add_argument("--app-dir", default=".", metavar="PATH", help="the folder put first on the module search path")
    parser.add_argument("--factory", action="store_true", help="APP is a function that returns the application")
    processes = parser.add_argument_group("processes", "Without either, this process serves.")
    processes.add_argument(
        "--workers",
        type=process_count,
        default=argparse.SUPPRESS,
        metavar="N",
        help="serve in N processes, behind one that watches them; SIGHUP replaces them without refusing a connection",
    )
    processes.add_argument(
        "--reload", action="store_true", help="for development: start again when Python files below --app-dir change"
    )
    processes.add_argument("--worker", type=InheritedSockets.parse, help=argparse.SUPPRESS)  # what a supervisor adds

    parser.add_argument("--lifespan", choices=("auto", "on", "off"), default="auto", help="ASGI lifespan")

    where = parser.add_argument_group("where to listen")
    where.add_argument("--host", default="127.0.0.1", help="address or name to listen on")
    where.add_argument("--port", type=port, default=8000, help="port to listen on; 0 takes a free one")
    sockets = where.add_mutually_exclusive_group()
    sockets.add_argument("--uds", metavar="PATH", help="listen on a unix socket instead")
    sockets.add_argument("--fd", type=count, metavar="N", help="listen on an inherited, listening socket instead")
    where.add_argument("--ssl-certfile", metavar="FILE", help="serve wss with the certificate chain in this PEM file")
    where.add_argument("--ssl-keyfile", metavar="FILE", help="its private key, where that is another file")

    logs = parser.add_argument_group("logging")
    logs.add_argument("--log-level", choices=LOG_LEVELS, default="info", help="level of the root logger")
    logs.add_argument(
        "--access-log", action=argparse.BooleanOptionalAction, default=True, help="log connections to wscore.access"
    )

    records = parser.add_argument_group("recordings", "See `wscore replay`.")
    records.add_argument("--record", metavar="DIR", help="record connections into files in this folder")
    records.add_argument(
        "--record-sample", type=share, default=1.0, metavar="SHARE", help="the share of connections, 0 to 1"
    )
    records.add_argument(
        "--record-payloads",
        choices=("whole", "truncated", "hashed"),
        default="hashed",
        help="what is kept of messages: all, the first 64 bytes, or size and digest",
    )
    records.add_argument(
        "--record-credentials",
        action="store_true",
        help="keep what is redacted otherwise: headers with credentials, queries, tokens among subprotocols",
    )

    limits = parser.add_argument_group("limits and timeouts", "Sizes are bytes, times are seconds.")
    defaults = ServerConfig()

    def add(option: str, kind: Callable[[str], Any], metavar: str, description: str) -> None:
        field = CONFIG_OPTIONS[option]
        default = getattr(defaults, field)
        limits.add_argument(
            option,
            dest=field,
            type=kind,
            default=argparse.SUPPRESS if default is None else default,
            metavar=metavar,
            help=description,
        )
        limits.set_defaults(**{field: default})

    add("--root-path", str, "PATH", "where the application is mounted")
    add("--limit-concurrency", or_none(count), "N", "connections served at once, others get 503; 0 or none: no limit")
    add("--ws-max-size", count, "BYTES", "largest message, inclusive, after decompression")
    add("--ws-max-queue", count, "N", "messages held for an application that does not ask for them")
    add("--ws-ping-interval", or_none(seconds), "SECONDS", "between a pong and the next ping; 0 or none: no pings")
    add("--ws-ping-timeout", or_none(seconds), "SECONDS", "how long a pinged client may be silent; 0 or none: for ever")
    add("--ws-close-timeout", seconds, "SECONDS", "how long the closing of a connection may take")
    limits.add_argument(
        "--ws-per-message-deflate",
        dest="compression",
        action=argparse.BooleanOptionalAction,
        default=defaults.compression,
        help="accept compression where a client offers it",
    )
    add("--handshake-timeout", seconds, "SECONDS", "from the TCP accept to the end of the request's head")
    add("--accept-timeout", or_none(seconds), "SECONDS", "how long the application may decide; 0 or none: for ever")
    add("--timeout-graceful-shutdown", seconds, "SECONDS", "how long the application may go on after the first signal")
