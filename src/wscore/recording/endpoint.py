"""What a recorded server's and a recorded client's connection have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from .._core.endpoint import Endpoint
from .._core.errors import InvalidMessage
from .._core.frames.codec import FrameCodec
from .._core.lifecycle import CLOSED
from .._core.loss import describe_loss
from .tape import Line, Tape

__all__ = ["RecordedEndpoint", "done", "refuse"]

Codec = TypeVar("Codec", bound=FrameCodec)
Result = TypeVar("Result")

_ARGUMENTS: Final = ("message", "payload", "final", "ping", "code", "reason")


class RecordedEndpoint(Endpoint[Codec]):
    """An `Endpoint` that puts each call on a tape.

    It is chosen when a connection is made, so a connection that is not recorded has nothing to ask. Every input has to
    come through the methods that are overridden here and in the two subclasses, so the lane around them stays shut.
    """

    __slots__ = ()

    _tape: Tape

    def _outputs(self) -> dict[str, Any]:
        """Return the outputs that seldom change."""
        raise NotImplementedError

    def _call(
        self, line: Line, now: float | None, call: Callable[[], Result], *, told: Callable[[Result], Any] | None = None
    ) -> Result:
        """Make a call and add its line; `told` describes the result."""
        try:
            result = call()
            if told is not None:
                line["result"] = told(result)
            return result
        except Exception as error:
            line["raised"] = type(error).__name__
            if isinstance(error, InvalidMessage):
                refuse(line)
            raise
        finally:
            self._tape.add(line, now, self._outputs(), self.next_timeout(), over=self._state is CLOSED)

    # -- inputs

    def receive_eof(self, *, now: float) -> None:
        """As in `Endpoint`."""
        self._call({"in": "receive_eof"}, now, lambda: super(RecordedEndpoint, self).receive_eof(now=now))

    def connection_lost(self, *, now: float, error: BaseException | None = None) -> None:
        """As in `Endpoint`."""
        line: Line = {"in": "connection_lost"}
        if error is not None:
            line["error"] = describe_loss(error)
        self._call(line, now, lambda: super(RecordedEndpoint, self).connection_lost(now=now, error=error))

    def report_unsent(self, size: int, *, now: float) -> None:
        """As in `Endpoint`."""
        line: Line = {"in": "report_unsent", "size": size}
        self._call(line, now, lambda: super(RecordedEndpoint, self).report_unsent(size, now=now))

    def handle_timeout(self, *, now: float) -> None:
        """As in `Endpoint`."""
        self._call({"in": "handle_timeout"}, now, lambda: super(RecordedEndpoint, self).handle_timeout(now=now))

    # -- outputs that are taken

    def data_to_send(self) -> bytes:
        """As in `Endpoint`."""
        data = super().data_to_send()
        if data:
            self._call({"out": "data_to_send", "data": self._tape.sent(data)}, None, done)
        return data

    def take_output(self, *, now: float) -> None:
        """Take output for a replay, which records it even if there is none."""
        self._call({"out": "data_to_send", "data": self._tape.sent(super().data_to_send())}, now, done)

    def finish(self) -> None:
        """Release what waits for the end of a head."""
        self._tape.finish()

    # -- what happens inside

    def _steer(self) -> None:
        """Leave the lane shut."""

    def _keep(self, messages: list[str | bytes], size: int) -> None:
        self._tape.parsed(messages)
        super()._keep(messages, size)


def done() -> None:
    """Stand in for a call that was made already."""


def refuse(line: Line) -> None:
    """Mark a call whose argument is nothing that a core takes: it may be anything, and changes nothing."""
    for name in _ARGUMENTS:
        line.pop(name, None)
    line["refused"] = True
