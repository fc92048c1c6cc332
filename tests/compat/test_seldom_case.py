"""seldom's test case and its `main`, and document 002's program against three servers."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from wscore.compat import seldom

from ..real_time import TIMEOUT
from ..serving import BACKENDS, serving

PROGRAMS = Path(__file__).parent / "programs"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Do what the document's server does."""
    if scope["type"] != "websocket":
        raise NotImplementedError
    assert (await receive())["type"] == "websocket.connect"
    assert scope["path"] == "/ws"
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        if message["text"] == "close":
            return await send({"type": "websocket.close"})
        await send({"type": "websocket.send", "text": f"Message text was: {message['text']}"})
    return None


@contextmanager
def documents_server(tmp_path: Path) -> Iterator[int]:
    """The document's own, in a process of its own, on a port that the system chose."""
    source = (PROGRAMS / "seldom_server.py").read_text().replace("port=8765", "port=0, host='127.0.0.1'")
    program = tmp_path / "websocket_server.py"
    program.write_text(source)
    process = subprocess.Popen(
        [sys.executable, "-u", program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                yield int(found[1])
                break
        else:
            pytest.fail("the document's server did not start")
    finally:
        process.kill()
        process.communicate(timeout=TIMEOUT)


# It waits for three seconds each time, as the document does.
@pytest.mark.parametrize("server", ["document", *(pytest.param(name, marks=pytest.mark.long) for name in BACKENDS)])
def test_the_documents_test_case_runs(server: str, tmp_path: Path) -> None:
    """Only its import lines differ, and the port; it passes, and its log has the lines that the document prints."""
    with documents_server(tmp_path) if server == "document" else serving(echo, server) as port:
        program = tmp_path / "test_websocket.py"
        program.write_text((PROGRAMS / "seldom_case.py").read_text().replace("8765", str(port)))
        done = subprocess.run(
            [sys.executable, program], capture_output=True, text=True, timeout=TIMEOUT, check=False, encoding="utf-8"
        )
    assert done.returncode == 0, done.stderr
    lines = [line.partition(" | ")[2] for line in done.stderr.splitlines() if " | " in line]
    assert sorted(lines[:2]) == [
        "INFO     | _case.py | \U0001f4a4\ufe0f sleep: 1s.",
        "INFO     | _client.py | WebSocket connection opened.",
    ]
    assert lines[2:] == [
        "INFO     | test_websocket.py | ['Message text was: Hello, WebSocket!', 'Message text was: How are you?']",
        "INFO     | _client.py | WebSocket connection closed.",
    ]
    assert "ERROR" not in done.stderr
    assert "Ran 1 test in" in done.stderr
    assert done.stderr.rstrip().splitlines()[-1] == "OK"


def test_the_hooks_run_around_each_test() -> None:
    """`start` before, `end` behind, also where the test fails."""
    log: list[str] = []

    class Case(seldom.TestCase):
        def start(self) -> None:
            log.append("start")

        def end(self) -> None:
            log.append("end")

        def test_a(self) -> None:
            log.append("a")

        def test_b(self) -> None:
            log.append("b")
            self.fail()

    for name in ("test_a", "test_b"):
        Case(name).run()
    assert log == ["start", "a", "end", "start", "b", "end"]


def test_a_test_case_without_hooks_needs_none() -> None:
    """They do nothing by themselves."""

    class Case(seldom.TestCase):
        def test(self) -> None:
            pass

    result = Case("test").run()
    assert result is not None
    assert result.wasSuccessful()


def test_sleep_leaves_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """With the seconds."""
    with caplog.at_level(logging.INFO, "wscore.seldom"):
        seldom.TestCase.sleep(0.01)
    assert caplog.messages == ["\U0001f4a4\ufe0f sleep: 0.01s."]


CASES = """
from wscore.compat import seldom


class Case(seldom.TestCase):
    def test_passes(self):
        pass

    def test_{name}(self):
        seldom.log.info("in the test")
        assert {value}


if __name__ == "__main__":
    seldom.main({arguments})
    print("and went on")
"""


def run(folder: Path, name: str, value: bool, arguments: str = "") -> subprocess.CompletedProcess[str]:
    program = folder / "test_it.py"
    program.write_text(CASES.format(name=name, value=value, arguments=arguments))
    return subprocess.run(
        [sys.executable, program], capture_output=True, text=True, timeout=TIMEOUT, check=False, cwd=folder
    )


def test_main_runs_the_tests_of_its_file(tmp_path: Path) -> None:
    """The program goes on after tests that passed."""
    done = run(tmp_path, "too", True)
    assert (done.returncode, done.stdout) == (0, "and went on\n")
    assert "Ran 2 tests" in done.stderr
    assert "| INFO     | test_it.py | in the test" in done.stderr


def test_main_ends_with_1_where_a_test_failed(tmp_path: Path) -> None:
    """So that a pipeline notices."""
    done = run(tmp_path, "not", False, "debug=True")
    assert (done.returncode, done.stdout) == (1, "")
    assert "test_not (__main__.Case.test_not) ... " in done.stderr


@pytest.mark.parametrize(
    ("arguments", "count"),
    [("case='test_it.Case.test_passes'", 1), ("path='test_it.py'", 2), ("path='.'", 2), ("'./test_it.py'", 2)],
)
def test_main_runs_what_is_named(tmp_path: Path, arguments: str, count: int) -> None:
    """A test, a file, or a folder of tests."""
    done = run(tmp_path, "too", True, arguments)
    assert done.returncode == 0
    assert f"Ran {count} test" in done.stderr
