"""A worker's end of the control channel: reports that it serves, or why it cannot, and learns when to retire.

EOF on the channel means that the supervisor is gone, for whatever reason; the worker then shuts down gracefully. The
channel is read in a thread, started before the application is loaded, and needs no event loop.
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
    """The descriptors that a worker inherits, written on its command line as LINE:SOCKET,SOCKET."""

    def __init__(self, line: int, sockets: Sequence[int]) -> None:
        """Store the descriptors of the control channel and of the listening sockets."""
        self.line = line
        self.sockets = tuple(sockets)

    @classmethod
    def parse(cls, text: str) -> InheritedSockets:
        """Parse the output of `str`. Raises ValueError."""
        line, _, sockets = text.partition(":")
        return cls(int(line), [int(each) for each in sockets.split(",")])

    def __str__(self) -> str:
        return f"{self.line}:{','.join(map(str, self.sockets))}"

    def listening_sockets(self) -> list[socket.socket]:
        """Return the listening sockets, not inheritable by programs that the application starts."""
        for each in self.sockets:
            os.set_inheritable(each, False)
        return [socket.socket(fileno=each) for each in self.sockets]


class ControlChannel:
    """The worker's end. While it is open, the process gets SIGTERM if the supervisor is gone."""

    def __init__(self, fd: int) -> None:
        """Own the descriptor, and start reading."""
        os.set_inheritable(fd, False)
        self._socket = socket.socket(fileno=fd)
        self._retire: Callable[[], object] | None = None
        # The supervisor handles SIGHUP. A handler, not SIG_IGN, which the application's child processes would inherit.
        signal.signal(signal.SIGHUP, ignore_signal)
        threading.Thread(target=self._listen, name="wscore-supervisor", daemon=True).start()

    def serves(self, stop_accepting: Callable[[], object]) -> None:
        """Report that connections are accepted. To retire the worker, `stop_accepting` is called in another thread."""
        self._retire = stop_accepting
        self._say(SERVES)

    def failed(self, failure: Failure) -> None:
        """Report why the worker cannot serve."""
        if failure.details:
            self._say(b"%s %s" % (DETAILS, failure.details.encode("unicode_escape")))  # one line
        self._say(b"%s %d %s" % (FAILED, failure.status, str(failure).encode(errors="backslashreplace")))

    def _say(self, what: bytes) -> None:
        with contextlib.suppress(OSError):  # the supervisor is gone: the reading thread sees EOF
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
        # To the main thread: a process-wide signal may be delivered to this one, and would not interrupt a blocking
        # call of the application.
        main = threading.main_thread().ident
        assert main is not None  # it runs
        signal.pthread_kill(main, signal.SIGTERM)


def ignore_signal(number: int, frame: FrameType | None) -> None:
    """Do nothing: a handler that lets the signal wake a blocking call."""
    del number, frame
