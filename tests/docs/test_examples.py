"""The examples in the documentation run, and do what the text beside them says."""

import re
import runpy
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

DOCS = Path(__file__).parents[2] / "docs"
PROGRAMS = {
    page.relative_to(DOCS).as_posix(): "\n".join(blocks)
    for page in sorted(DOCS.rglob("*.md"))
    if (blocks := re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE))
}


@pytest.mark.parametrize("page", PROGRAMS)
def test_the_python_on_each_page_runs(page: str) -> None:
    """All Python blocks of a page, one after the other, are a program that runs; its assertions hold."""
    exec(compile(PROGRAMS[page], page, "exec"), {"__name__": "example", "__file__": page})


async def _application(scope: Any, receive: Any, send: Any) -> None:
    assert (await receive())["type"] == "websocket.connect"
    if scope["path"] == "/refused":
        await send({"type": "websocket.close"})
        return
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        if message.get("text") == "fail":
            raise ValueError("as the client asked")
        if message.get("text") == "enough":
            return
        await send({**message, "type": "websocket.send"})
    scope["state"]["ends"].append((message["code"], message["reason"]))


@pytest.fixture
def blocking_server() -> Iterator[tuple[str, list[tuple[int, str]]]]:
    ends: list[tuple[int, str]] = []
    serve = runpy.run_path(str(DOCS / "examples" / "blocking_transport.py"))["serve"]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["state"]["ends"] = ends
        await _application(scope, receive, send)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(app, listener))
        thread.start()
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}", ends
        listener.close()
        thread.join(10)
        assert not thread.is_alive(), "closing the listening socket ends `serve`"


def test_the_blocking_transport_carries_messages_of_any_size(blocking_server: Any) -> None:
    """What an independent client sends comes back, compressed, large or with a ping beside it."""
    url, ends = blocking_server
    with connect(url, proxy=None, max_size=None) as client:
        for message in ("h\xe4llo", "", b"\x00\xff", "x" * 1_000_000):
            client.send(message)
            client.ping().wait()
            assert client.recv() == message
        client.close(4000, "done")
    assert client.close_code == 4000
    while not ends:
        threading.Event().wait(0.01)  # the application's thread is still to hear of it
    assert ends == [(4000, "done")]


@pytest.mark.parametrize(("text", "code"), [("enough", 1000), ("fail", 1011)])
def test_the_blocking_transport_closes_when_the_application_ends(blocking_server: Any, text: str, code: int) -> None:
    """An application that returns closes with 1000, one that raises with 1011."""
    with connect(blocking_server[0], proxy=None) as client:
        client.send(text)
        with pytest.raises(ConnectionClosed):
            client.recv()
    assert client.close_code == code


def test_the_blocking_transport_writes_a_refusal(blocking_server: Any) -> None:
    """A close before the accept is a 403 that arrives."""
    with pytest.raises(InvalidStatus) as refused:
        connect(blocking_server[0] + "/refused", proxy=None)
    assert refused.value.response.status_code == 403
