"""One end of an in-memory connection: attributes in place of a socket, its buffers and a timer.

Nothing moves by itself. The code that joins two ends calls `take_bytes` and `take_end`, and `time_out` at `due`.
"""

from __future__ import annotations

from typing import Any, TypeVar

from wscore import ClientConnection, ClientDriver, Driver, ServerConnection

__all__ = ["MemoryClientEnd", "MemoryEnd"]

Core = TypeVar("Core", ServerConnection, ClientConnection)


class MemoryEnd(Driver[Core]):
    """The primitives of a driver, except those that wake tasks. Call `join` first."""

    other: MemoryEnd[Any]
    """The end that reads what this one writes."""
    on_way: bytearray
    """Bytes written that the other end has not read."""
    reading: bool
    write_ended: bool
    read_ended: bool
    due: float | None
    """When to call `time_out`."""

    def join(self, other: MemoryEnd[Any]) -> None:
        """Connect this end to `other`, which has to join this one too."""
        self.other = other
        self.on_way = bytearray()
        self.reading = True
        self.write_ended = self.read_ended = False
        self.due = None

    # -- called by the link

    def take_bytes(self, most: int | None = None) -> bool:
        """Read the bytes sent to this end, at most `most`. Return False if there are none, or reading is paused."""
        other = self.other
        if self.gone or not self.reading or not other.on_way:
            return False
        data = bytes(other.on_way[:most])
        del other.on_way[: len(data)]
        self.receive_data(data)
        if not other.writable and len(other.on_way) < other.core.config.max_output_size:
            other.output_drained()
        return True

    def take_end(self) -> bool:
        """Read the other end's EOF once all bytes before it are read. Return False if there is nothing to read."""
        other = self.other
        if self.gone or self.read_ended or not self.reading or other.on_way or not other.write_ended:
            return False
        self.read_ended = True
        self.receive_eof()
        return True

    def hear_of_reset(self) -> bool:
        """Fail with a broken pipe if bytes were written to an end that is gone. Return whether that happened."""
        if self.gone or not self.other.gone or not self.on_way:
            return False
        self.lost(BrokenPipeError("the other end has closed"))
        return True

    # -- primitives

    def write(self, data: bytes) -> None:
        """As in `Driver`."""
        assert not self.write_ended, "bytes behind the end of the stream"
        self.on_way += data
        self.writable = len(self.on_way) < self.core.config.max_output_size

    def unsent(self) -> int:
        """As in `Driver`."""
        return len(self.on_way)

    def set_deadline(self, at: float | None) -> None:
        """As in `Driver`."""
        self.due = at

    def time_out(self) -> None:
        """Clear the deadline and report that it is over."""
        self.due = None
        self.timed_out()

    def set_reading(self, on: bool) -> None:
        """As in `Driver`."""
        self.reading = on

    def shut_down_writing(self) -> None:
        """As in `Driver`."""
        self.write_ended = True

    def close(self) -> None:
        """As in `Driver`."""
        self.write_ended = True
        self.lost()

    def abort(self) -> None:
        """As in `Driver`."""
        self.on_way.clear()
        self.close()

    def lost(self, error: Exception | None = None) -> None:
        """As in `Driver`. The other end then reads EOF."""
        self.write_ended = True
        super().lost(error)


class MemoryClientEnd(MemoryEnd[ClientConnection], ClientDriver):
    """A client's end that wakes no task."""

    def wake(self) -> None:
        """As in `Driver`."""

    def wake_senders(self) -> None:
        """As in `Driver`."""

    def tell(self) -> None:
        """As in `ClientDriver`."""
