"""Servers as processes, on a core of their own. Whatever was started here is ended here, by its process id."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Final

from bench.contenders import Contender

__all__ = ["ROOT", "DoesNotStart", "Fleet", "Server", "end_as_ctrl_c_does", "on_core", "share_cores", "undisturbed"]

ROOT: Final = Path(__file__).resolve().parents[1]
PATIENCE: Final = 20.0


class DoesNotStart(Exception):
    """A server ended, or does not answer; the message holds its last line of output."""


def share_cores() -> tuple[int | None, int | None]:
    """Take a core for the load, which runs in this process, and name the one for the servers: (servers, load).

    (None, None) where there is only one core, and the figures are worth less.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        return None, None
    os.sched_setaffinity(0, {cores[1]})
    return cores[0], cores[1]


@contextlib.contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """Let what is started meanwhile run on `core`: a process has its parent's, and so have all that it starts."""
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, own if core is None else {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Hold Ctrl+C and SIGTERM back until the block has ended: between a start and a list nothing may get lost."""
    held: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: held.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if held:
            signal.raise_signal(held[0])


def end_as_ctrl_c_does() -> None:
    """Let SIGTERM end the benchmark as Ctrl+C does, servers included."""

    def terminated(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, terminated)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class Server:
    """A process that serves a port of 127.0.0.1."""

    def __init__(self, contender: Contender, python: Sequence[str], environment: dict[str, str], core: int | None):
        self.contender = contender
        self.port = free_port()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        with on_core(core):
            self._process = subprocess.Popen(
                [*python, "-m", f"bench.{contender.package}.{contender.module}", str(self.port), *contender.arguments],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                start_new_session=True,  # Ctrl+C is for the benchmark, which then ends its servers
            )
        self.pid = self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def wait_until_it_serves(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while self.alive and time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.02)
        raise DoesNotStart(self.last_words())

    def last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").split("\n")
        said = next((line.strip() for line in reversed(lines) if line.strip()), "without a word")
        return f"ended with status {self._process.poll()}: {said}" if not self.alive else f"does not answer: {said}"

    def signal(self, number: signal.Signals) -> None:
        for pid in in_session(self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def end(self) -> None:
        """Wait for the end that SIGTERM asked for, and force it where it takes long."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(2)
        self.signal(signal.SIGKILL)
        self._process.wait()
        self._log.close()


def in_session(leader: int) -> list[int]:
    """Give the processes of the session that began with a server: what it started, also where it has ended itself."""
    found = []
    for entry in filter(str.isdecimal, os.listdir("/proc")):
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(int(entry)) == leader:
                found.append(int(entry))
    return found


class Fleet:
    """The servers that run, each started when first asked for: `with Fleet(...) as fleet`."""

    def __init__(self, python: Sequence[str], environment: dict[str, str], core: int | None) -> None:
        self._python = python
        self._environment = environment
        self._core = core
        self._servers: dict[Contender, Server] = {}

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_: object) -> None:
        with undisturbed():
            self.stop(*self._servers)

    def start(self, *contenders: Contender) -> None:
        """Start those that do not run, all at the same time; whether they serve is asked later."""
        for contender in contenders:
            if contender in self._servers and not self._servers[contender].alive:
                self.stop(contender)
            if contender not in self._servers:
                with undisturbed():
                    self._servers[contender] = Server(contender, self._python, self._environment, self._core)

    def serving(self, contender: Contender) -> Server:
        """Give a server that answers; DoesNotStart where it does not."""
        self.start(contender)
        server = self._servers[contender]
        server.wait_until_it_serves()
        return server

    def stop(self, *contenders: Contender) -> None:
        """End servers, by their process ids."""
        ending = [self._servers.pop(each) for each in contenders if each in self._servers]
        for server in ending:
            server.signal(signal.SIGTERM)
        for server in ending:
            server.end()
