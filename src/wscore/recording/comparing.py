"""What of two lines must be the same: the one that was recorded, and the one that the replay's core gave.

Of a hashed recording the content is not there, so neither are digests compared, nor the size of what was compressed:
of a compressed frame of ours, that it is one.
"""

from __future__ import annotations

import zlib
from typing import Any, Literal

from .filling import bytes_of
from .payloads import Description, size_of
from .reading import Recording
from .tape import Line, Pieces
from .wire import WireReader

__all__ = ["Comparison"]

_GIVEN = ("in", "out", "at", "message", "payload", "random")
"""What the replay gave to its core as it was recorded."""


class Comparison:
    """Compares the lines of a recording, in order, with a replay's."""

    def __init__(self, recording: Recording) -> None:
        kind: Literal["request", "response"] = "response" if recording.server else "request"
        self._whole = recording.whole
        self._same_zlib = recording.header["zlib"] == zlib.ZLIB_RUNTIME_VERSION
        self._readers = WireReader(kind), WireReader(kind)
        self.compressed = False
        """Whether something compressed was sent."""

    def difference(self, recorded: Line, came: Line) -> tuple[str, Any, Any] | None:
        """Return what differs first: its name, what was recorded, and what came."""
        for name in sorted({*recorded, *came} - {*_GIVEN}, key=_importance):
            before, after = recorded.get(name), came.get(name)
            if name == "data":
                if "in" not in recorded and (unequal := self._sent(before or [], after or [])):
                    return name, *unequal
            elif name == "messages" and not self._whole:
                before, after = _sizes(before), _sizes(after)
                if before != after:
                    return name, before, after
            elif name == "then" and not self._whole:
                before, after = _without_body(before), _without_body(after)
                if before != after:
                    return name, *_changed(before, after)
            elif before != after:
                if name == "then":
                    before, after = _changed(before, after)
                return name, before, after
        if recorded.get("random") != came.get("random"):
            return "random", recorded.get("random"), came.get("random")
        return None

    def _sent(self, recorded: Pieces, came: Pieces) -> tuple[Any, Any] | None:
        before, after = (
            self._structure(reader, pieces) for reader, pieces in zip(self._readers, (recorded, came), strict=True)
        )
        if self._whole and self._same_zlib:
            return None if recorded == came else (recorded, came)
        for one, other in zip([*before, None], [*after, None], strict=False):
            if one != other:
                return one, other
        return None

    def _structure(self, reader: WireReader, pieces: Pieces) -> list[str]:
        """Return what was sent, with sizes in the place of payloads, and neither size nor key of what is compressed."""
        structure: list[str] = []
        size = 0
        for kind, piece, frame in reader.read(bytes_of(pieces)):
            if kind in {"payload", "body"}:
                if frame is None or not frame.compressed:
                    size += len(piece)
                continue
            if size:
                structure.append(f"{size} bytes")
                size = 0
            if kind == "header" and frame is not None and frame.compressed and frame.message >= 0:
                self.compressed = True
                structure.append(f"{frame.first:02x}, compressed")
            else:
                structure.append(piece.decode("latin-1") if kind == "head" else piece.hex())
        return [*structure, f"{size} bytes"] if size else structure


def _importance(name: str) -> tuple[bool, str]:
    """Order what is compared: what a caller sees comes before the state behind it."""
    return name not in {"raised", "result", "messages"}, name


def _sizes(messages: list[Description] | None) -> list[str]:
    return [f"{'text' if 'text' in each else 'bytes'} {size_of(each)}" for each in messages or ()]


def _without_body(then: Line | None) -> Line | None:
    """Leave a refusal's body out, whose digest is of other content."""
    if then is None or not then.get("response"):
        return then
    response = dict(then["response"])
    if body := response.pop("body", None):
        response["body"] = size_of(body)
    return {**then, "response": response}


def _changed(before: Line | None, after: Line | None) -> tuple[Line, Line]:
    before, after = before or {}, after or {}
    names = [name for name in {**before, **after} if before.get(name, ...) != after.get(name, ...)]
    return {name: before.get(name, "unchanged") for name in names}, {
        name: after.get(name, "unchanged") for name in names
    }
