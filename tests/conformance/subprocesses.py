"""Starts `server_process.py`, and reads off the system what its process costs."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from wscore import Config

from .wire import PATIENCE, Wire


class ServerProcess:
    """A server that runs in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], log: IO[str]) -> None:
        self._process = process
        self._log = log
        self.clients = contextlib.ExitStack()
        assert process.stdout is not None
        self.port = int(process.stdout.readline())

    def connect(self) -> Wire:
        wire = Wire(socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE))
        self.clients.callback(wire.close)
        return wire

    def open(self, *more: tuple[str, str] | bytes, target: str = "/") -> Wire:
        wire = self.connect()
        wire.upgrade(*more, target=target)
        return wire

    def memory(self) -> float:
        """Resident memory in MiB."""
        return self._status("VmRSS")

    def peak(self) -> float:
        """The most it ever was since the start, or since `forget_peak`."""
        return self._status("VmHWM")

    def forget_peak(self) -> None:
        Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")

    def _status(self, name: str) -> float:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        match = re.search(rf"{name}:\s+(\d+) kB", status)
        assert match
        return int(match[1]) / 1024

    def end(self) -> str:
        """End the server, and give what it wrote on standard error."""
        self.clients.close()
        self._process.communicate("", timeout=PATIENCE)
        self._log.seek(0)
        log = self._log.read()
        assert self._process.returncode == 0, log
        return log


@contextlib.contextmanager
def server_process(transport: str, app: str, **options: Any) -> Iterator[ServerProcess]:
    """Run a server; a test that wants its standard error calls `end`."""
    with contextlib.ExitStack() as stack:
        script = Path(__file__).with_name("server_process.py")
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        options = {"engine": Config().engine} | options  # as in the tests' own process: tests/conftest.py
        log = stack.enter_context(tempfile.TemporaryFile("w+"))  # not a pipe, which a flood of errors could fill
        process = subprocess.Popen(
            [sys.executable, str(script), transport, app, json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environment,
        )
        with process:
            server = ServerProcess(process, log)
            try:
                yield server
                if process.returncode is None:
                    server.end()
            finally:
                server.clients.close()
                if process.poll() is None:
                    process.kill()
