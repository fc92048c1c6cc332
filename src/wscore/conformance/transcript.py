"""The conversation of a case: what went over the wire, in which direction, when, and what was read in it."""

from __future__ import annotations

from typing import Final, Literal, NotRequired, TypedDict

__all__ = ["Row", "Transcript"]

SHOWN: Final = 512
"""Bytes kept of each piece: a message of 16 MiB says no more than its beginning and its size."""
MAX_ROWS: Final = 200
"""Rows kept; the last ones push out those in the middle."""


class Row(TypedDict):
    """A row: seconds since the case began, and bytes in hexadecimal with their number, or a note, or both."""

    at: float
    by: Literal["probe", "peer"]
    note: str
    size: NotRequired[int]
    hex: NotRequired[str]


class Transcript:
    """Keeps the first and the last rows of a conversation."""

    def __init__(self) -> None:
        """Begin without a row."""
        self._rows: list[Row] = []
        self._left_out = 0

    def add(self, at: float, by: Literal["probe", "peer"], note: str, data: bytes | None = None) -> None:
        """Add a row."""
        row: Row = {"at": round(at, 6), "by": by, "note": note}
        if data is not None:
            row["size"], row["hex"] = len(data), data[:SHOWN].hex()
        self._rows.append(row)
        if len(self._rows) > MAX_ROWS:
            del self._rows[MAX_ROWS // 2]
            self._left_out += 1

    @property
    def rows(self) -> list[Row]:
        """Return the rows; one of them says how many were left out."""
        rows = list(self._rows)
        if self._left_out:
            at = rows[MAX_ROWS // 2]["at"]
            rows.insert(MAX_ROWS // 2, {"at": at, "by": "probe", "note": f"({self._left_out} rows are left out here)"})
        return rows
