"""Bytes that say what they are: their repr is a line of hex for each part, with a comment per field."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any, NamedTuple, Self

__all__ = ["AnnotatedBytes", "Line", "annotated"]

_SHOWN = 12
"""Bytes of a field that are shown; a longer one is cut short, and its comment has the length."""


class Line(NamedTuple):
    """One line of a repr: a frame, or a line of a request's head."""

    fields: tuple[bytes, ...]
    comment: str

    def __str__(self) -> str:
        """Return the fields in hex, and the comment."""
        shown = " ".join(_shown(field) for field in self.fields if field)
        return f"{shown or '(nothing)'}  # {self.comment}"


class AnnotatedBytes(bytes):
    """Bytes for a peer, which compare and hash as bytes, and are shown as lines of hex with comments.

        81 85 00000000 68656c6c6f  # FIN text, masked, 5 bytes: 'hello'

    `AnnotatedBytes(data)` has one line that says how long it is; `AnnotatedBytes.of(*lines)` has others.

    Args:
        data: The bytes.
        lines: What they are; the lines' fields, joined, have to be `data`.

    Raises:
        ValueError: They are not.
    """

    lines: tuple[Line, ...]
    """What is shown."""

    def __new__(cls, data: bytes = b"", lines: Iterable[Line] | None = None) -> Self:
        self = super().__new__(cls, data)
        self.lines = (Line((bytes(data),), _count(len(data))),) if lines is None else tuple(lines)
        if lines is not None and b"".join(field for line in self.lines for field in line.fields) != data:
            raise ValueError("the lines' fields are not the data")
        return self

    @classmethod
    def of(cls, *lines: Line) -> Self:
        """Return the bytes of these lines."""
        return cls(b"".join(field for line in lines for field in line.fields), lines)

    @staticmethod
    def concatenate(parts: Iterable[bytes]) -> AnnotatedBytes:
        """Return the parts one after the other, each shown as it was."""
        return AnnotatedBytes.of(*(line for part in parts for line in annotated(part).lines))

    def cut(self, places: Iterable[int]) -> list[AnnotatedBytes]:
        """Return the pieces between the places, none of them empty; a part that is cut says so in its comment.

        Args:
            places: Positions, in any order; those outside have no effect.

        Returns:
            Pieces that are the whole, joined. Of no bytes there are none.
        """
        ends = sorted({place for place in places if 0 < place < len(self)} | {0, len(self)})
        return [self._piece(start, stop) for start, stop in pairwise(ends)]

    def _piece(self, start: int, stop: int) -> AnnotatedBytes:
        lines: list[Line] = []
        position = 0
        for line in self.lines:
            length = sum(map(len, line.fields))
            first, last = max(start - position, 0), min(stop - position, length)
            if first < last:
                whole = first == 0 and last == length
                comment = line.comment if whole else f"bytes {first} to {last - 1} of {length}: {line.comment}"
                lines.append(Line(_between(line.fields, first, last), comment))
            position += length
        return AnnotatedBytes.of(*lines)

    def __add__(self, other: Any) -> AnnotatedBytes:
        """Return both, each shown as it was.

        There is no `__radd__`: it would take `buffer += data` away from a bytearray.
        """
        return AnnotatedBytes.concatenate([self, other if isinstance(other, bytes) else bytes(other)])

    def __repr__(self) -> str:
        """Return the lines."""
        return "\n".join(map(str, self.lines)) or "(nothing)  # no bytes"

    __str__ = __repr__

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Show the lines to IPython and Hypothesis, which would rather show the calls that made the value."""
        del cycle
        for number, line in enumerate(repr(self).split("\n")):
            if number:
                printer.break_()
            printer.text(line)


def annotated(data: bytes) -> AnnotatedBytes:
    """Return `data` itself if it is annotated already."""
    return data if isinstance(data, AnnotatedBytes) else AnnotatedBytes(data)


def _between(fields: tuple[bytes, ...], start: int, stop: int) -> tuple[bytes, ...]:
    found: list[bytes] = []
    position = 0
    for field in fields:
        found.append(field[max(start - position, 0) : max(stop - position, 0)])
        position += len(field)
    return tuple(found)


def _shown(field: bytes) -> str:
    return field.hex() if len(field) <= _SHOWN else f"{field[:_SHOWN].hex()}.."


def _count(size: int) -> str:
    return "1 byte" if size == 1 else f"{size} bytes"


for public in (AnnotatedBytes, Line):
    public.__module__ = "wscore.testing.frames"  # where it is imported from
