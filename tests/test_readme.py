"""What the README shows works as it stands there."""

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.sync.client import connect

README = (Path(__file__).parents[1] / "README.md").read_text()
FIRST_SCREEN = README.partition("\n## ")[0]


def _blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def _run(code: str) -> str:
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_first_screen_has_two_commands_of_one_line_each():
    """One installs and runs the demo, one the tests; each makes its own virtual environment."""
    demo, tests = _blocks("sh", FIRST_SCREEN)
    for command, ends in ((demo, "bin/wscore demo"), (tests, "bin/pytest -q -n 4")):
        assert command.count("\n") == 1
        environment = command.split()[3]
        assert command.startswith(f"python3 -m venv {environment} && {environment}/bin/pip install ")
        assert command.strip().endswith(f"{environment}/{ends}")
    assert demo.split()[3] != tests.split()[3]


def test_the_embedding_example_prints_what_it_says():
    """Each print has its output beside it, as a comment."""
    (example,) = _blocks("python", FIRST_SCREEN)
    promised = re.findall(r"^print\(.*?\)  # (.*)$", example, re.MULTILINE)
    assert len(promised) == example.count("print(") > 0
    assert _run(example).splitlines() == promised


@contextlib.contextmanager
def _served(program: str, file: Path) -> Iterator[str]:
    """Serve a program's `app` with `wscore run`, and give its address."""
    file.write_text(program)
    arguments = ["run", f"{file.stem}:app", "--port", "0", "--app-dir", str(file.parent)]
    process = subprocess.Popen(
        [sys.executable, "-m", "wscore", *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    with process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().partition(" on ")[2].partition(" (")[0]
        finally:
            process.kill()


def test_the_application_serves(tmp_path):
    """The application that the README shows echoes, with the command the README shows."""
    (app,) = [block for block in _blocks("python") if block.startswith("async def app(")]
    assert "wscore run app:app\n" in _blocks("sh")
    with _served(app, tmp_path / "app.py") as url, connect(url) as client:
        client.send("hello")
        assert client.recv(60) == "hello"


def test_the_rooms_serve(tmp_path):
    """What one client of the README's chat says, everybody in its room hears, and nobody elsewhere."""
    (rooms,) = [block for block in _blocks("python") if "class Chat" in block]
    assert "`wscore run rooms:app`" in README
    with (
        _served(rooms, tmp_path / "rooms.py") as url,
        connect(f"{url}/chat/a") as first,
        connect(f"{url}/chat/a") as second,
        connect(f"{url}/chat/b") as elsewhere,
    ):
        first.send("hello")
        assert first.recv(60) == second.recv(60) == "hello"
        elsewhere.send("alone")
        assert elsewhere.recv(60) == "alone"


def test_the_rooms_are_tested(tmp_path):
    """The test that the README shows passes with the rooms that it shows."""
    (rooms,) = [block for block in _blocks("python") if "class Chat" in block]
    (test,) = [block for block in _blocks("python") if "TestClient" in block]
    (tmp_path / "rooms.py").write_text(rooms)
    assert _run(f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{test}") == ""


@pytest.mark.parametrize("library", ["asyncio", "trio"])
def test_the_programs_serve(tmp_path, library):
    """The two programs with `serve` call the application. Their port is replaced by a free one."""
    (program,) = [block for block in _blocks("python") if f"{library}.run(" in block]
    assert ", 8000)" in program
    (tmp_path / "app.py").write_text(
        "import os\nasync def app(scope, receive, send):\n    print(scope['type'], flush=True)\n    os._exit(0)\n"
    )
    # Lifespan is the first thing an application is called with, so the program ends there.
    finds_app = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
    assert _run(finds_app + program.replace(", 8000)", ", 0)")) == "lifespan\n"


def test_every_option_that_is_named_exists():
    """The README names no option that `wscore run` lacks."""
    result = subprocess.run(
        [sys.executable, "-m", "wscore", "run", "--help"], capture_output=True, text=True, check=True
    )
    for option in set(re.findall(r"`(--[a-z-]+)", README)):
        assert option in result.stdout
