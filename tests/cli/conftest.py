"""The real command in a process of its own, in a folder that holds the applications of `app.py`."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from ..real_time import TIMEOUT

# The command runs in another folder, where a relative entry would point elsewhere.
PYTHONPATH = [os.path.abspath(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]

APPLICATIONS = '''
import logging
import sys

import sniffio


async def echo(scope, receive, send):
    """Echo; "who" is answered with what the application runs on, "raise" raises."""
    if scope["type"] != "websocket":
        raise NotImplementedError
    await receive()
    await send({"type": "websocket.accept"})
    logging.getLogger("app").info("accepted %s", scope["path"])
    while (event := await receive())["type"] == "websocket.receive":
        if event.get("text") == "who":
            library = sniffio.current_async_library()
            if library == "asyncio":
                import asyncio
                library = type(asyncio.get_running_loop()).__module__.partition(".")[0]
            event = {"text": f"{library} {scope.get('scheme')} {scope.get('root_path')}"}
        await send({"type": "websocket.send", "text": event.get("text"), "bytes": event.get("bytes")})


class Namespace:
    inner = echo


def make():
    return echo


async def make_slowly():
    return echo


def make_nothing():
    return None


def make_fails():
    raise LookupError("no settings\\nwere found")


NOT_CALLABLE = 3


def plain(scope, receive, send):
    pass


def wsgi(environ, start_response):
    return []


class Double:
    def __init__(self, scope):
        self.scope = scope

    async def __call__(self, receive, send):
        await echo(self.scope, receive, send)


async def crashes_at_startup(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        raise RuntimeError("database is down")
    await echo(scope, receive, send)


async def exits_at_startup(scope, receive, send):
    await receive()
    sys.exit("--dsn is missing")


async def interrupts_at_startup(scope, receive, send):
    await receive()
    raise KeyboardInterrupt


def framework():
    import contextlib
    from fastapi import FastAPI

    @contextlib.asynccontextmanager
    async def lifespan(app):
        raise RuntimeError("database is down")
        yield

    return FastAPI(lifespan=lifespan)


async def refuses_to_start(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "the database\\nis away"})


async def starts_for_ever(scope, receive, send):
    if scope["type"] == "lifespan":
        import anyio
        print("starting", flush=True)
        await anyio.sleep_forever()


async def ends_for_ever(scope, receive, send):
    if scope["type"] == "lifespan":
        import anyio
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        with anyio.CancelScope(shield=True):
            await anyio.sleep_forever()


async def blocks(scope, receive, send):
    import time
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        print("blocking", flush=True)
        while True:
            time.sleep(1)
    raise NotImplementedError


async def computes(scope, receive, send):
    """Let threads run deep and shallow while the event loop is held up."""
    import threading

    def down(depth):
        if depth:
            down(depth - 1)

    def up_and_down():
        while True:
            down(50)

    if scope["type"] == "websocket":
        for _ in range(4):
            threading.Thread(target=up_and_down, daemon=True).start()
    await blocks(scope, receive, send)


async def holds_the_interpreter(scope, receive, send):
    """Once the end has begun, let no other thread run."""
    if scope["type"] != "websocket":
        raise NotImplementedError
    import ctypes
    await receive()
    await send({"type": "websocket.accept"})
    await receive()
    ctypes.PyDLL(None).sleep(3600)


async def stays(scope, receive, send):
    """Hold on to the connection whatever happens, cancellation included."""
    if scope["type"] != "websocket":
        raise NotImplementedError
    import anyio
    await receive()
    await send({"type": "websocket.accept"})
    with anyio.CancelScope(shield=True):
        await anyio.sleep_forever()
'''


class Running:
    """A command that runs: its stdout line by line, its stderr once it has ended."""

    def __init__(self, process: subprocess.Popen[str], stderr: Path) -> None:
        self.process = process
        self._stderr = stderr

    def line(self) -> str:
        """Wait for the next line on stdout; "" when the command has ended."""
        assert self.process.stdout is not None
        watchdog = threading.Timer(TIMEOUT, self.process.kill)
        watchdog.start()
        try:
            return self.process.stdout.readline().rstrip("\n")
        finally:
            watchdog.cancel()

    def url(self) -> str:
        """Wait for the line with the address, and give the address."""
        line = self.line()
        assert " on " in line, self.stderr
        return line.partition(" on ")[2].partition(" (")[0]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def ends(self) -> int:
        """Wait for the end, and give the exit status."""
        return self.process.wait(TIMEOUT)

    def logs(self, pattern: str, times: int = 1) -> list[str]:
        """Wait until `pattern` stands so often on stderr, and give what its first group matched each time."""
        last = time.monotonic() + TIMEOUT
        while len(found := re.findall(pattern, self.stderr)) < times:
            assert self.process.poll() is None, self.stderr
            assert time.monotonic() < last, self.stderr
            time.sleep(0.01)  # a file tells nobody that it has grown
        return found

    @property
    def stderr(self) -> str:
        """What stands on stderr by now."""
        return self._stderr.read_text()


class Command:
    """`wscore` with a folder of its own."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self._stack = stack
        self._count = 0
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(PYTHONPATH),
            "PYTHONUNBUFFERED": "1",
            "NO_COLOR": "1",
        }

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "wscore", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )

    def finds_modules_in_its_folder(self) -> None:
        """Let Python find modules there from its start on, `sitecustomize` among them."""
        self.environment["PYTHONPATH"] = os.pathsep.join([*PYTHONPATH, str(self.folder)])

    def start(self, *arguments: str, pass_fds: tuple[int, ...] = ()) -> Running:
        """Start the command; it is killed at the test's end if it still runs then."""
        return self._stack.enter_context(self._started(arguments, pass_fds))

    def run(self, app: str, *arguments: str, pass_fds: tuple[int, ...] = ()) -> Running:
        """Start `wscore run app` on a free port."""
        return self.start("run", app, "--port", "0", *arguments, pass_fds=pass_fds)

    @contextmanager
    def _started(self, arguments: tuple[str, ...], pass_fds: tuple[int, ...]) -> Iterator[Running]:
        self._count += 1
        stderr = self.folder / f"stderr-{self._count}"
        with (
            stderr.open("w") as file,
            subprocess.Popen(
                [sys.executable, "-m", "wscore", *arguments],
                cwd=self.folder,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
                pass_fds=pass_fds,
                process_group=0,  # as a shell does it: what a terminal sends goes to the group
            ) as process,
        ):
            try:
                yield Running(process, stderr)
            finally:
                process.kill()


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    """The command, in a folder with the applications as `app.py`."""
    (tmp_path / "app.py").write_text(APPLICATIONS)
    with ExitStack() as stack:
        yield Command(tmp_path, stack)


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    """What the server runs on."""
    return str(request.param)


@pytest.fixture
def one_line() -> Callable[[subprocess.CompletedProcess[str]], str]:
    """Check that a failed command said what to do in one line on stderr and nothing else, and give the line."""

    def check(result: subprocess.CompletedProcess[str]) -> str:
        assert result.stdout == ""
        assert "Traceback" not in result.stderr
        lines = result.stderr.splitlines()
        assert len(lines) == 1, result.stderr
        assert lines[0].startswith("wscore")
        return lines[0]

    return check
