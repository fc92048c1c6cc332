"""The options of `wscore replay`, and what becomes of them."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..arguments import add_command
from ..failure import WRONG_USAGE, Failure
from ..output import escape_unencodable_output

if TYPE_CHECKING:
    from ...recording import Difference

__all__ = ["add_arguments"]

_SHOWN: Final = 300  # characters of each value that differs


def add_arguments(commands: Any) -> None:
    """Declare `replay` and its options."""
    parser = add_command(commands, "replay", run, help="replay a recording of a connection")
    parser.description = (
        "Feed a recording's inputs to this version's core, and compare what comes with what was recorded. "
        "Exit status 1 at the first difference, 2 for a file that is no recording."
    )
    parser.add_argument("file", metavar="FILE", help="what `wscore run --record DIR` wrote")
    parser.add_argument("--show", action="store_true", help="draw the conversation as a sequence diagram")
    parser.add_argument("--html", metavar="OUT", help="write the conversation as one self-contained page")


def run(options: argparse.Namespace) -> None:
    """Replay, and draw what is asked for. Raises Failure."""
    from ...recording import RecordingError, read_recording, replay

    escape_unencodable_output()
    try:
        recording = read_recording(options.file)
        found = replay(recording)
        differs = None if found.difference is None else found.difference.line
        from .conversation import conversation

        rows = conversation(recording) if options.show or options.html else []
        if options.show:
            from .diagram import diagram

            width = shutil.get_terminal_size((100, 24)).columns
            for line in diagram(recording, rows, width=width, differs=differs):
                print(line)
        if options.html:
            from .page import page

            _write(Path(options.html), page(recording, rows, found))
    except RecordingError as error:
        raise Failure(str(error), status=WRONG_USAGE) from None
    if found.difference is not None:
        raise Failure(_told(options.file, found.difference))
    calls = "1 call" if found.same == 1 else f"{found.same} calls"
    if found.untold is not None:
        print(f"{options.file}: {calls} as recorded; {found.untold}")
        return
    end = "" if recording.cut is None else f", up to where the recording was cut: {recording.cut}"
    print(f"{options.file}: {calls} as recorded, no difference{end}")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failure(f"--html {path}: {error.strerror or error}") from None


def _told(name: str, difference: Difference) -> str:
    recorded, came = (_shown(value) for value in (difference.recorded, difference.came))
    return (
        f"{name}, line {difference.line}: {difference.call} at {difference.at:f} s: {difference.what}: "
        f"recorded {recorded}, came {came}"
    )


def _shown(value: Any) -> str:
    text = json.dumps(value, default=float)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
