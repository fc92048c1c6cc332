"""A worker's end of the line to its supervisor: it says that it serves, or why it cannot, and hears when to retire.

The line also tells that the supervisor is gone, however it went: then the other end is closed, and the worker ends
gracefully. It listens in a thread, from before the application is loaded, and needs no event loop.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Final

from ..failure import Failure

__all__ = ["DETAILS", "FAILED", "RETIRE", "SERVES", "ControlChannel", "InheritedSockets", "ignore_signal"]

SERVES: Final = b"serves"
DETAILS: Final = b"details"
FAILED: Final = b"failed"
RETIRE: Final = b"retire"


class InheritedSockets:
    """The descriptors that a supervisor hands to a worker, and their form on the command line: LINE:SOCKET,SOCKET."""

    def __init__(self, line: int, sockets: Sequence[int]) -> None:
        """Keep the descriptors of the line and of the listening sockets."""
        self.line = line
        self.sockets = tuple(sockets)

    @classmethod
    def parse(cls, text: str) -> InheritedSockets:
        """Read the form that `str` gives. Raises ValueError."""
        line, _, sockets = text.partition(":")
        return cls(int(line), [int(each) for each in sockets.split(",")])

    def __str__(self) -> str:
        return f"{self.line}:{','.join(map(str, self.sockets))}"

    def listening_sockets(self) -> list[socket.socket]:
        """Take over the listening sockets. Programs that the application starts do not get them."""
        for each in self.sockets:
            os.set_inheritable(each, False)
        return [socket.socket(fileno=each) for each in self.sockets]


class ControlChannel:
    """The worker's end. Once it is open, the process gets SIGTERM when the supervisor is gone."""

    def __init__(self, fd: int) -> None:
        """Take over the descriptor, and listen."""
        os.set_inheritable(fd, False)
        self._socket = socket.socket(fileno=fd)
        self._retire: Callable[[], object] | None = None
        # A hangup is the supervisor's affair. Not ignored, which the application's own children would inherit.
        signal.signal(signal.SIGHUP, ignore_signal)
        threading.Thread(target=self._listen, name="wscore-supervisor", daemon=True).start()

    def serves(self, stop_accepting: Callable[[], object]) -> None:
        """Say that connections are accepted; `stop_accepting` is called in another thread when that shall end."""
        self._retire = stop_accepting
        self._say(SERVES)

    def failed(self, failure: Failure) -> None:
        """Say why there is nothing to serve."""
        if failure.details:
            self._say(b"%s %s" % (DETAILS, failure.details.encode("unicode_escape")))  # one line
        self._say(b"%s %d %s" % (FAILED, failure.status, str(failure).encode(errors="backslashreplace")))

    def _say(self, what: bytes) -> None:
        with contextlib.suppress(OSError):  # the supervisor is gone, as the other thread knows by now
            self._socket.sendall(what + b"\n")

    def _listen(self) -> None:
        heard = b""
        while True:
            try:
                data = self._socket.recv(100)
            except OSError:
                data = b""
            if not data:
                break
            *lines, heard = (heard + data).split(b"\n")
            if RETIRE in lines and self._retire is not None:
                self._retire()
        # To the main thread: a process-wide signal may reach this one, and would not wake an application that blocks.
        main = threading.main_thread().ident
        assert main is not None  # it runs
        signal.pthread_kill(main, signal.SIGTERM)


def ignore_signal(number: int, frame: FrameType | None) -> None:
    """Handle a signal by waking up, if anything."""
    del number, frame
