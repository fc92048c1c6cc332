"""A Redis of the benchmark's own, on a unix socket, and what it says of itself."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from bench.processes import PATIENCE, DoesNotStart, on_core, undisturbed

__all__ = ["Redis"]


class Redis:
    """`with Redis(core) as redis`: it runs, on that core. FileNotFoundError where there is no redis-server."""

    def __init__(self, core: int | None) -> None:
        self._core = core

    def __enter__(self) -> Redis:
        self._folder = tempfile.TemporaryDirectory(prefix="bench-")
        path = str(Path(self._folder.name, "s"))
        self.url = f"unix://{path}"
        with undisturbed(), on_core(self._core):
            self._process = subprocess.Popen(
                ["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--dir", self._folder.name],
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.pid = self._process.pid
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE)
        deadline = time.monotonic() + PATIENCE
        while self._process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                self._socket.connect(path)
                return self
            time.sleep(0.02)
        self.__exit__()
        raise DoesNotStart("redis-server does not start")

    def __exit__(self, *_: object) -> None:
        with undisturbed():
            self._socket.close()
            self._process.kill()
            self._process.wait()
            self._folder.cleanup()

    @property
    def version(self) -> str:
        found = re.search(r"redis_version:(\S+)", self._ask("INFO server"))
        return found[1] if found else "?"

    def forget_calls(self) -> None:
        """Begin to count at 0."""
        self._socket.sendall(b"CONFIG RESETSTAT\r\n")
        self._socket.recv(100)

    def calls(self) -> dict[str, int]:
        """Give how often each command was called since, but for those of this class."""
        found = re.findall(r"^cmdstat_([^:]+):calls=(\d+)", self._ask("INFO commandstats"), re.MULTILINE)
        return {name: int(calls) for name, calls in found if name not in ("config|resetstat", "info")}

    def _ask(self, command: str) -> str:
        """Send a command whose answer is one string."""
        self._socket.sendall(command.encode() + b"\r\n")
        answer = b""
        while not (head := re.match(rb"\$(\d+)\r\n", answer)) or len(answer) < head.end() + int(head[1]) + 2:
            answer += self._socket.recv(65536)
        return answer[head.end() :].decode()
