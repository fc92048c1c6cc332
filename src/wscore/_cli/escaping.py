"""Escapes a peer's text for the terminal: it can neither control the terminal nor imitate a line of our own output."""

from __future__ import annotations

from typing import Final

__all__ = ["escape_controls"]

# A server must not be able to move the cursor, ring the bell or rename the window (C0, DEL, C1), to begin a line (line
# separators), or to reorder the text of one (Unicode's bidirectional controls).
_CONTROLS: Final = (*range(32), *range(127, 160))
_FORMATS: Final = (0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x2070), *range(0xFFF9, 0xFFFC))
_SPELLED: Final = {code: f"\\x{code:02x}" for code in _CONTROLS if code not in (9, 10)} | {
    code: f"\\u{code:04x}" for code in _FORMATS
}
_SPELLED_WITH_LINES: Final = {10: "\\n", **_SPELLED}


def escape_controls(text: str, *, lines: bool = False) -> str:
    """Return `text` with control characters except tabs spelled out; with `lines`, line feeds are kept too."""
    return text.translate(_SPELLED if lines else _SPELLED_WITH_LINES)
