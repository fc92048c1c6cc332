"""A real redis-server, on a unix socket in a folder of its own, which can be killed and started again."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from .real_time import PATIENCE

needs_redis = pytest.mark.skipif(
    shutil.which("redis-server") is None or shutil.which("redis-cli") is None,
    reason="needs redis-server and redis-cli (Debian's packages redis-server and redis-tools), which are not installed",
)


class RedisServer:
    """`with RedisServer() as redis:` it runs; what it keeps is lost when it ends."""

    def __init__(self, *options: str) -> None:
        # Not the test's folder: the path of a unix socket has 107 characters at most.
        self._folder = tempfile.TemporaryDirectory(prefix="redis-")
        self._options = options
        self.path = Path(self._folder.name, "s")
        self.url = f"unix://{self.path}"

    def __enter__(self) -> RedisServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._folder.cleanup()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.path.unlink(missing_ok=True)
        arguments = ["--port", "0", "--unixsocket", str(self.path), "--save", "", "--dir", self._folder.name]
        self._process = subprocess.Popen(["redis-server", *arguments, *self._options], stdout=subprocess.DEVNULL)
        last = time.monotonic() + PATIENCE
        while not self._answers():
            assert time.monotonic() < last, "redis-server does not start"
            assert self._process.poll() is None, "redis-server does not start"
            time.sleep(0.01)

    def kill(self) -> None:
        """Kill it: no goodbye, to nobody."""
        self._process.send_signal(signal.SIGCONT)
        self._process.kill()
        self._process.wait(PATIENCE)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def __call__(self, *command: str | bytes) -> list[str]:
        """Let redis-cli send a command; gives the lines of the answer."""
        result = subprocess.run(
            ["redis-cli", "-s", str(self.path), *command], capture_output=True, timeout=PATIENCE, check=True
        )
        return result.stdout.decode(errors="backslashreplace").splitlines()

    def calls(self) -> dict[str, int]:
        """Give how often each command was called."""
        stats = (line.split(":calls=") for line in self("INFO", "commandstats") if line.startswith("cmdstat_"))
        return {name.removeprefix("cmdstat_"): int(rest.partition(",")[0]) for name, rest in stats}

    def _answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(PATIENCE)
                sock.connect(str(self.path))
                sock.sendall(b"PING\r\n")
                return sock.recv(100).startswith(b"+PONG")
        except OSError:
            return False
