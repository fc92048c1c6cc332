"""The files that a run leaves behind."""

from __future__ import annotations

from pathlib import Path

from ..failure import Failure

__all__ = ["write_file"]


def write_file(file: Path, text: str) -> None:
    """Write a file. Raises Failure."""
    try:
        file.write_text(text, "utf-8")
    except OSError as error:
        raise Failure(f"{file} cannot be written: {error.strerror}") from None
