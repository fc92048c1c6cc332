"""The options of `wscore demo`, and what it does."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from ... import ServerConfig
from ..arguments import add_command, port
from ..failure import Failure
from ..output import configure_logging, escape_unencodable_output
from ..run.binding import BindAddress, ListeningSocket
from ..run.serving import ServerRunner

__all__ = ["add_arguments"]


def add_arguments(commands: Any) -> None:
    """Declare `demo` and its options."""
    parser = add_command(commands, "demo", run, help="serve an example chat and hold a conversation with it")
    parser.description = "Serve an example chat on a free port of this machine and hold a conversation with it."
    parser.add_argument("--backend", choices=("asyncio", "trio"), default="asyncio", help="what the server runs on")
    parser.add_argument("--port", type=port, default=0, help="port to serve on; 0 takes a free one")
    parser.add_argument("--keep", action="store_true", help="go on serving after the conversation")


def run(options: argparse.Namespace) -> None:
    """Serve the chat, and hold the conversation. Raises Failure."""
    from .chat import app
    from .conversation import ConversationFailed, hold_conversation

    configure_logging("warning")
    escape_unencodable_output()
    place = BindAddress(port=options.port)

    def show(line: str) -> None:
        print(line, flush=True)

    def ready(sockets: Sequence[ListeningSocket], _: Callable[[], object]) -> None:
        show(
            f"The example chat is served on {place.addresses(sockets)[0]} ({options.backend}). Two clients talk in it:"
        )

    def beside(sockets: Sequence[ListeningSocket]) -> None:
        address = sockets[0].getsockname()[:2]
        try:
            hold_conversation(address, show)
        except ConversationFailed as error:
            raise Failure(f"the conversation failed: {error}") from error
        show("All checks passed.")
        if options.keep:
            url = f"{place.addresses(sockets)[0]}/lobby?name=you"
            show("\nThe chat goes on; Ctrl+C stops it. Talk to it from a browser's console (twice, to hear yourself):")
            show(f"  s = new WebSocket({url!r}); s.onmessage = e => console.log(e.data)")
            show("  s.send('hello')")

    ServerRunner(
        app=app,
        place=place,
        config=ServerConfig(shutdown_grace=1.0, close_timeout=2.0),
        backend=options.backend,
        access_log=False,
        ready=ready,
        beside=beside,
        keep=options.keep,
    ).run()
