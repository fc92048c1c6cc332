"""The `wscore` command: `run` serves an application, `connect` talks to a server, `replay` replays a recording,
`conformance` tests a server or a client in any language, `demo` shows a conversation.

A transport is imported only when it is asked for. Every
failure is reported as one actionable line on stderr. Exit status: 0 the server ended as it was asked to, by a signal
too; 1 it could not start or had to be ended by force; 2 the command line itself cannot work; 130 interrupted before
there was a server.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from .arguments import ArgumentParser, VersionAction
from .conformance.command import add_arguments as add_conformance
from .connect.command import add_arguments as add_connect
from .demo.command import add_arguments as add_demo
from .failure import Failure
from .replay.command import add_arguments as add_replay
from .run.arguments import add_arguments as add_run

__all__ = ["exit_status", "main", "parser"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with `arguments` (those of the process by default) and return the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parser().parse_args(arguments)
    options.arguments = arguments  # a supervisor's workers get the same
    return exit_status(lambda: options.command(options))


def exit_status(work: Callable[[], None]) -> int:
    """Call `work`, print its Failure if it raises one, and return the exit status."""
    try:
        work()
    except Failure as failure:
        print(f"wscore: {failure.text}", file=sys.stderr)
        return failure.status
    except KeyboardInterrupt:
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line, with the arguments that each command declares."""
    top = ArgumentParser(prog="wscore", description="A WebSocket server for ASGI applications.", allow_abbrev=False)
    top.add_argument("--version", action=VersionAction, nargs=0, help="print the version and exit")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for add_arguments in (add_run, add_connect, add_replay, add_conformance, add_demo):
        add_arguments(commands)
    return top
