"""What others wrote, as it may stand on a terminal: none of it is obeyed, and none of it looks like a line of ours."""

from __future__ import annotations

from typing import Final

__all__ = ["escape_controls"]

# A server may not move the cursor, ring the bell or rename the window of who looks at its messages (C0, DEL, C1), begin
# a line, or turn the order of what stands in one (Unicode's bidirectional controls, and the separators of lines).
_CONTROLS: Final = (*range(32), *range(127, 160))
_FORMATS: Final = (0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x2070), *range(0xFFF9, 0xFFFC))
_SPELLED: Final = {code: f"\\x{code:02x}" for code in _CONTROLS if code not in (9, 10)} | {
    code: f"\\u{code:04x}" for code in _FORMATS
}
_SPELLED_WITH_LINES: Final = {10: "\\n", **_SPELLED}


def escape_controls(text: str, *, lines: bool = False) -> str:
    """Give a text whose control characters are spelled out, tabs apart; with `lines` line feeds stay as well."""
    return text.translate(_SPELLED if lines else _SPELLED_WITH_LINES)
