"""What the commands' arguments have in common: one line for a mistake, helpful defaults, kinds of values."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NoReturn

from .failure import WRONG_USAGE

__all__ = [
    "ArgumentParser",
    "VersionAction",
    "add_command",
    "count",
    "or_none",
    "port",
    "process_count",
    "seconds",
    "share",
]


class ArgumentParser(argparse.ArgumentParser):
    """Reports a mistake in one line: argparse puts the usage before it, twenty lines for `run`."""

    def error(self, message: str) -> NoReturn:
        """Print the mistake and exit."""
        self.exit(WRONG_USAGE, f"{self.prog}: {message} ({self.prog} --help explains)\n")


class _HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows defaults that say something: numbers and names, but no None, no empty list, no flag that is off."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        switch = isinstance(action, argparse.BooleanOptionalAction)
        if action.default in (None, "", []) or (isinstance(action.default, bool) and not switch):
            return action.help
        return super()._get_help_string(action)


class VersionAction(argparse.Action):
    """`--version`, which looks the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib.metadata import PackageNotFoundError, version

        try:
            found = version("wscore")
        except PackageNotFoundError:
            found = "(a source folder that is not installed)"
        print(f"wscore {found}")
        parser.exit()


def add_command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], None] | None = None, *, help: str
) -> argparse.ArgumentParser:
    """Declare a command, and return its parser, which has no description and no arguments yet.

    Args:
        commands: The subparsers of the command it belongs to.
        name: What the user types.
        run: What the command does with its options; None if it has commands of its own.
        help: Its line in the list of commands.
    """
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=help, formatter_class=_HelpFormatter, allow_abbrev=False
    )
    if run is not None:
        parser.set_defaults(command=run)
    return parser


# -- kinds of values; argparse prints their ArgumentTypeError after the option's name


def count(text: str) -> int:
    """Read a whole number."""
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def process_count(text: str) -> int:
    """Read a number of processes, 1 or more."""
    number = count(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number of processes: 1 or more")
    return number


def port(text: str) -> int:
    """Read a TCP port."""
    number = count(text)
    if number > 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port: 0 to 65535")
    return number


def seconds(text: str) -> float:
    """Read a number of seconds."""
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from None
    return number


def share(text: str) -> float:
    """Read a share, 0 to 1."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share: 0 to 1")
    return number


def or_none(kind: Callable[[str], float]) -> Callable[[str], float | None]:
    """Return `kind`, but with 0 and "none" read as None, which switches a limit off."""

    def read(text: str) -> float | None:
        return None if text.lower() == "none" else kind(text) or None

    return read
