"""A conversation in the terminal, as a sequence diagram in ASCII."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ...recording import Recording
from ..escaping import escape_controls
from .conversation import Row

__all__ = ["diagram"]

_ARROWS: Final = {
    ("peer", "wscore"): "|-------->|         |",
    ("wscore", "peer"): "|<--------|         |",
    ("wscore", "application"): "|         |-------->|",
    ("application", "wscore"): "|         |<--------|",
    ("wscore", "wscore"): "|         *         |",
}
_INDENT: Final = " " * 13


def diagram(recording: Recording, rows: list[Row], *, width: int, differs: int | None) -> Iterator[str]:
    """Yield the lines. `width` is the terminal's; `differs` the line of the file where a replay differs."""
    header = recording.header
    peer = "client" if recording.server else "server"
    yield _cut(
        f"{recording.header['end']} of wscore {header.get('wscore', '?')}, {header.get('time', '?')}, "
        f"payloads {header['payloads']}",
        width,
    )
    yield ""
    yield f"{'seconds':>10} {peer:^7}{'wscore':^10} {'app':^10}".rstrip()
    for row in rows:
        mark = " <-- differs" if row.line == differs else ""
        title = escape_controls(row.title)
        yield _cut(f"{row.at:10.3f}   {_ARROWS[row.sender, row.receiver]} {title}", width - len(mark)) + mark
        if row.state is not None:
            yield f"{_INDENT}|---- {row.state} ".ljust(len(_INDENT) + 20, "-") + "|"
    if recording.cut is not None:
        yield f"{_INDENT}  cut: {escape_controls(recording.cut)}"
    yield ""


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else f"{line[: max(width - 3, 0)]}..."
