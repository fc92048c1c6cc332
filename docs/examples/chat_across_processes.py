"""The tutorial's chat over two workers and a Redis: `python docs/examples/chat_across_processes.py`.

It needs `pip install 'wscore[redis]'` and the program redis-server. It starts a Redis on a unix socket, and
`wscore run` with two workers, which find it in REDIS_URL; Ctrl+C ends them all. Other options on the command line are
passed on: `--port 9000`, `--backend trio`, `--workers 4`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from wscore.app import App, Member, RedisBackplane, Registry

app = App(registry=Registry(backplane=RedisBackplane(os.environ.get("REDIS_URL", "redis://localhost"))))


@app.websocket("/chat/{room}")
class Chat:
    def __init__(self, member: Member, registry: Registry) -> None:
        self.member = member
        self.registry = registry

    async def connect(self, room: str) -> None:
        self.member.enter(room)
        self.registry.broadcast(room, f"{self.member.id[:6]} comes in")

    async def receive(self, message: str, room: str) -> str | None:
        if message == "/who":
            return f"{await self.registry.count(room)} are here; process {os.getpid()} serves you"
        self.registry.broadcast(room, f"{self.member.id[:6]}: {message}", exclude=[self.member.id])
        return None

    async def disconnect(self, code: int, room: str) -> None:
        self.registry.broadcast(room, f"{self.member.id[:6]} leaves ({code})", exclude=[self.member.id])


def main() -> int:
    """Start Redis and the workers, wait for the workers to exit, and return their exit status."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "redis")
        redis = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", folder],
            stdout=subprocess.DEVNULL,
            process_group=0,  # Ctrl+C must not reach Redis before the workers have sent their last messages
        )
        try:
            while not path.exists() and redis.poll() is None:
                time.sleep(0.01)
            here = Path(__file__).resolve()
            run = ["run", f"{here.stem}:app", "--app-dir", str(here.parent), "--workers", "2", *sys.argv[1:]]
            environment = {**os.environ, "REDIS_URL": f"unix://{path}"}
            # A separate process group: a Ctrl+C reaches them once, from here.
            command = [sys.executable, "-m", "wscore", *run]
            with subprocess.Popen(command, env=environment, process_group=0) as workers:
                for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                    signal.signal(number, lambda number, _: workers.send_signal(number))
                return workers.wait()
        finally:
            redis.terminate()
            redis.wait()


if __name__ == "__main__":
    sys.exit(main())
