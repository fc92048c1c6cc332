"""Carries out a policy: spawns, signals and reaps workers, and reads their messages.

The supervisor holds the listening sockets, which the workers share, so no connection is refused while a worker is
restarting. A worker is this command again, in a new process and session: no event loop state is forked, the code is
loaded afresh, and a terminal's signals (Ctrl+C) reach only the supervisor, which forwards them.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Final

from ..._logs import logger
from ..failure import Failure
from ..run.watchdog import SIGNALS
from .policy import Action, Command, SupervisorPolicy, Verdict
from .worker import DETAILS, FAILED, RETIRE, SERVES, InheritedSockets, ignore_signal

__all__ = ["Supervisor"]

_CHANGED: Final = b"\0"  # no signal has this number

_error_log = logger("wscore.error")
_server_log = logger("wscore.server")


class _Process:
    """A worker: its process and the control channel (`line`) to it."""

    def __init__(self, command: Sequence[str], sockets: Sequence[int]) -> None:
        """Start the process. Raises OSError."""
        self.line, theirs = socket.socketpair()
        try:
            with theirs:
                inheritance = InheritedSockets(theirs.fileno(), sockets)
                self.popen = subprocess.Popen(
                    [*command, "--worker", str(inheritance)],
                    stdin=subprocess.DEVNULL,
                    pass_fds=(inheritance.line, *inheritance.sockets),
                    start_new_session=True,
                )
        except BaseException:
            self.line.close()
            raise
        self.line.setblocking(False)
        self.served = False
        self.signalled = False
        self._failure: Failure | None = None
        self._details = ""  # of the failure message that follows
        self._heard = b""

    def hear(self) -> bool:
        """Read the worker's messages; return True at EOF."""
        while True:
            try:
                data = self.line.recv(65536)
            except BlockingIOError:
                return False
            except OSError:
                return True
            if not data:
                return True
            *lines, self._heard = (self._heard + data).split(b"\n")
            for line in lines:
                if line == SERVES:
                    self.served = True
                elif line.startswith(DETAILS):
                    self._details = line.partition(b" ")[2].decode("unicode_escape")
                elif line.startswith(FAILED):
                    _, status, text = line.split(b" ", 2)
                    self._failure = Failure(text.decode(), status=int(status), details=self._details)

    @property
    def why(self) -> Failure:
        """Why it exited: its own message, or else its exit status or signal."""
        return self._failure or Failure(_end_of(self.popen.returncode) + ("" if self.served else " before it served"))


class Supervisor:
    """Runs `command` in workers that share `sockets`, as `policy` decides; calls `announce` once all of them serve."""

    def __init__(
        self,
        command: Sequence[str],
        sockets: Sequence[socket.socket],
        policy: SupervisorPolicy,
        *,
        announce: Callable[[], None],
    ) -> None:
        # -P, because the installed script does not have the current directory on its path either: files there may be
        # named like modules of the standard library. Not in the directory that contains wscore.
        path = [] if Path.cwd() == Path(__file__).resolve().parents[3] else ["-P"]
        self._command: Final = [sys.executable, *path, "-m", "wscore", *command]
        self._sockets = [each.fileno() for each in sockets]
        self._policy = policy
        self._announce = announce
        self._workers: dict[int, _Process] = {}
        self._forced = 0
        self._ends_with_terminal = False
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        self._selector = selectors.DefaultSelector()

    def changed(self) -> None:
        """Call when the code has changed. Thread-safe."""
        with contextlib.suppress(OSError):  # the supervisor has ended, or the buffer is full, so it wakes anyway
            self._wake.send(_CHANGED)

    def run(self) -> None:
        """Supervise until no worker is left. Raises Failure unless that was a graceful shutdown on request."""
        with self._woken_by_signals():
            try:
                while not self._policy.over:
                    self._turn()
            finally:
                for process in self._workers.values():  # only if the supervisor itself has failed
                    process.popen.kill()
                    process.popen.wait()
        if self._policy.failure is not None:
            raise self._policy.failure
        if self._policy.aborted:
            raise Failure("aborted by a second signal")
        if self._forced:
            raise Failure(f"{_count(self._forced, 'worker')} had to be ended by force")

    def _turn(self) -> None:
        while actions := self._policy.actions(now=time.monotonic()):
            for command in actions:
                self._do(command)
        if self._policy.over:
            return
        due = self._policy.next_timeout()
        for key, _ in self._selector.select(None if due is None else max(0.0, due - time.monotonic())):
            if key.data is None:
                self._hear_signals()
            elif key.data in self._workers:
                self._hear(key.data)

    # -- the plan's actions

    def _do(self, command: Command) -> None:
        match command.action:
            case Action.START:
                self._start(command.worker)
            case Action.ANNOUNCE:
                self._announce()
            case Action.RENEWED:
                _server_log.info("the code as it is now is served")
            case _ if command.worker not in self._workers:
                pass  # its process could not be started
            case Action.RETIRE:
                process = self._workers[command.worker]
                _server_log.info("worker %d retires", process.popen.pid)
                self._tell(process, RETIRE)
            case Action.END:
                process = self._workers[command.worker]
                # A different signal the second time: two pending signals of a kind are delivered as one.
                process.popen.send_signal(signal.SIGINT if process.signalled else signal.SIGTERM)
                process.signalled = True
            case Action.KILL:
                process = self._workers[command.worker]
                _error_log.error("worker %d does not end: it is killed", process.popen.pid)
                process.popen.kill()

    def _start(self, number: int) -> None:
        try:
            process = _Process(self._command, self._sockets)
        except OSError as error:
            why = Failure(f"the worker's process cannot be started: {error.strerror}")
            self._explain("a worker", why, self._policy.ended(number, why, now=time.monotonic()))
            return
        self._workers[number] = process
        self._selector.register(process.line, selectors.EVENT_READ, number)

    def _tell(self, process: _Process, what: bytes) -> None:
        with contextlib.suppress(OSError):  # the worker has exited: `_reap` will notice
            process.line.send(what + b"\n")

    # -- events

    def _hear_signals(self) -> None:
        now = time.monotonic()
        for number in self._woken.recv(4096):
            if number in SIGNALS:
                if not self._policy.ending:
                    _server_log.info("the workers shut down; a second signal aborts at once")
                self._policy.end(now=now)
            elif number == signal.SIGHUP and self._ends_with_terminal and not _has_terminal():
                _server_log.info("the terminal is gone: the workers shut down")
                if not self._policy.ending:
                    self._policy.end(now=now)
            elif number == signal.SIGHUP:
                _server_log.info("SIGHUP: the workers are replaced")
                self._policy.renew(now=now)
            elif number == _CHANGED[0]:
                self._policy.renew(now=now)
        self._reap()

    def _hear(self, number: int) -> None:
        process = self._workers[number]
        served = process.served
        if process.hear():
            self._selector.unregister(process.line)
        if process.served and not served:
            _server_log.info("worker %d serves", process.popen.pid)
            self._policy.serves(number, now=time.monotonic())

    def _reap(self) -> None:
        """Find workers that have exited. EOF on `line` does not show it: a program that a worker forked may hold it."""
        for number, process in list(self._workers.items()):
            if process.popen.poll() is None:
                continue
            if process.line in self._selector.get_map():
                self._hear(number)
            if process.line in self._selector.get_map():
                self._selector.unregister(process.line)
            process.line.close()
            del self._workers[number]
            if self._policy.ending and process.served and process.popen.returncode != 0:
                self._forced += 1
            self._over(number, process)

    def _over(self, number: int, process: _Process) -> None:
        verdict = self._policy.ended(number, process.why, now=time.monotonic())
        if verdict is not Verdict.EXPECTED:
            self._explain(f"worker {process.popen.pid}", process.why, verdict)
        elif process.served:
            _server_log.info("worker %d has ended", process.popen.pid)

    def _explain(self, name: str, why: Failure, verdict: Verdict) -> None:
        if verdict is not Verdict.FATAL:  # explained by the command's last line
            _error_log.error("%s: %s; %s%s", name, why, verdict.value, f"\n{why.details}" if why.details else "")

    @contextlib.contextmanager
    def _woken_by_signals(self) -> Generator[None]:
        numbers = (*SIGNALS, signal.SIGHUP, signal.SIGCHLD)
        # SIGHUP means both a lost terminal and a request for new workers. Under nohup it is ignored: do not end then.
        self._ends_with_terminal = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN and _has_terminal()
        before = {number: signal.signal(number, ignore_signal) for number in numbers}
        fd_before = signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        try:
            yield
        finally:
            signal.set_wakeup_fd(fd_before)
            for number, handler in before.items():
                signal.signal(number, handler)
            self._selector.close()
            self._wake.close()
            self._woken.close()


def _end_of(status: int) -> str:
    if status >= 0:
        return f"the worker's process ended with status {status}"
    try:
        return f"the worker's process was ended by {signal.Signals(-status).name}"
    except ValueError:  # a real-time signal has no name
        return f"the worker's process was ended by signal {-status}"


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
