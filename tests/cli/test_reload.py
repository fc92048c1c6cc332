"""`wscore run --reload`: the worker is started again when the code changes, whatever became of the last one."""

import signal

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from ..real_time import TIMEOUT

APPLICATION = """
async def app(scope, receive, send):
    if scope["type"] != "websocket":
        raise NotImplementedError
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": "first"})
"""


@pytest.fixture
def code(command):
    """The file with the code."""
    path = command.folder / "code_of_mine.py"
    path.write_text(APPLICATION)
    return path


def told(url: str) -> str:
    with connect(url, open_timeout=TIMEOUT) as client:
        client.send("what")
        return client.recv(TIMEOUT)


def test_a_change_is_served(command, code, backend):
    """Clients get 1012 and connect again to the new code; the address stays."""
    running = command.run("code_of_mine:app", "--reload", "--backend", backend)
    url = running.url()
    with connect(url) as client:
        client.send("what")
        assert client.recv(TIMEOUT) == "first"
        code.write_text(APPLICATION.replace("first", "the second"))
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(TIMEOUT)
    assert closed.value.rcvd.code == 1012
    assert told(url) == "the second"
    assert running.logs("(code_of_mine.py) changed")
    running.signal(signal.SIGINT)
    assert running.ends() == 0
    assert running.line() == ""


def test_a_mistake_waits_for_the_next_change(command, code, backend):
    """From the start on, or later: one line says what is wrong, and it is served once it is mended."""
    code.write_text("def\n")
    running = command.run("code_of_mine:app", "--reload", "--backend", backend)
    running.logs("SyntaxError.*; waiting for a change of the code")
    code.write_text(APPLICATION)
    url = running.url()
    assert told(url) == "first"
    code.write_text("import absent_package\n")
    running.logs("absent_package.*; waiting for a change of the code")
    code.write_text(APPLICATION.replace("first", "the second"))
    assert told(url) == "the second"  # who connects meanwhile waits
    running.signal(signal.SIGTERM)
    assert running.ends() == 0


def test_a_signal_ends_it_while_it_waits(command, code):
    """There is no worker to wait for."""
    code.write_text("def\n")
    running = command.run("code_of_mine:app", "--reload")
    running.logs("waiting for a change")
    running.signal(signal.SIGINT)
    assert running.ends() == 0


def test_other_files_change_nothing(command, code):
    """What is not Python is not code: the change that follows it is the first that counts."""
    running = command.run("code_of_mine:app", "--reload")
    url = running.url()
    with connect(url) as client:
        (command.folder / "notes.txt").write_text("hello")
        code.write_text(APPLICATION.replace("first", "the second"))
        with pytest.raises(ConnectionClosed):  # only then has the old worker stopped accepting
            client.recv(TIMEOUT)
    assert told(url) == "the second"
    assert "notes.txt" not in running.stderr


def test_a_missing_watchfiles_is_named_with_the_command_that_installs_it(command, one_line):
    """Without the extra the line says what to type."""
    (command.folder / "sitecustomize.py").write_text("import sys\nsys.modules['watchfiles'] = None\n")
    command.finds_modules_in_its_folder()
    result = command("run", "app:echo", "--reload", "--port", "0")
    assert "pip install 'wscore[reload]'" in one_line(result)
    assert result.returncode == 1


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["app"], 2, "'app' names no application"),
        (["app:echo", "--app-dir", "absent"], 1, "'absent' is not a directory"),
    ],
)
def test_what_no_change_of_the_code_mends_is_not_waited_for(command, one_line, arguments, status, says):
    """One line, as without --reload."""
    result = command("run", *arguments, "--reload", "--port", "0")
    assert says in one_line(result)
    assert result.returncode == status


def test_a_folder_that_cannot_be_watched_is_served_all_the_same(command, code):
    """The system may have no watch left: that is said, and SIGHUP starts the worker again."""
    (command.folder / "sitecustomize.py").write_text(
        "import watchfiles\ndef watch(*_, **__):\n    raise OSError('no watch is left')\nwatchfiles.watch = watch\n"
    )
    command.finds_modules_in_its_folder()
    running = command.run("code_of_mine:app", "--reload")
    url = running.url()
    running.logs("is not watched any more: (no watch is left); SIGHUP")
    code.write_text(APPLICATION.replace("first", "the second"))
    running.signal(signal.SIGHUP)
    running.logs("the code as it is now is served")
    assert told(url) == "the second"
