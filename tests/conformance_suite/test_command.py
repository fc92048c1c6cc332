"""`wscore conformance` as a user runs it: what it prints, what it writes, and one line for what cannot be."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
import trustme
from docs.examples.echo import app as echo
from tests.real_time import TIMEOUT
from tests.serving import serving
from websockets.sync.client import connect

from wscore._cli.main import main

from .faulty import faulty


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving(echo, "asyncio", lifespan="off") as number:
        yield number


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    try:
        status = main(["conformance", *arguments])
    except SystemExit as ended:
        status = int(ended.code or 0)
    out, err = capsys.readouterr()
    return status, out, err


def test_a_server_that_keeps_every_must(capsys: pytest.CaptureFixture[str], port: int, tmp_path: Path) -> None:
    """The table goes to stdout, the reports to their files, and the status is 0."""
    files = [tmp_path / name for name in ("report.json", "report.xml", "report.html")]
    options = ["--only", "frames.length.1*", "--only", "close.empty", "--json", str(files[0])]
    options += ["--junit", str(files[1]), "--html", str(files[2]), "--name", "mine", "--strict"]
    status, out, err = _run(capsys, "server", f"ws://127.0.0.1:{port}/", *options)
    assert (status, err) == (0, "")
    assert re.search(r"^mine keeps every MUST and every SHOULD: 15 cases in ", out, re.MULTILINE)
    report = json.loads(files[0].read_text())
    assert report["name"] == "mine"
    assert len(report["cases"]) == 15
    assert {row["by"] for row in report["cases"][0]["conversation"]} == {"probe", "peer"}
    assert ElementTree.parse(files[1]).getroot()[0].attrib["failures"] == "0"
    assert "<title>WebSocket conformance: mine</title>" in files[2].read_text()
    page = tmp_path / "both.html"
    assert _run(capsys, "report", str(files[0]), str(files[0]), "--html", str(page)) == (0, "", "")
    assert "mine / mine" in page.read_text()


def test_a_server_that_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    """The status is 1, the case that failed is named, and stderr says how many did."""
    ready, over = threading.Event(), threading.Event()
    ports: list[int] = []

    async def serve() -> None:
        async with faulty("takes unmasked frames") as server:
            ports.append(server.port)
            ready.set()
            await asyncio.to_thread(over.wait, TIMEOUT)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(TIMEOUT)
    try:
        status, out, err = _run(capsys, "server", f"ws://127.0.0.1:{ports[0]}/", "--only", "frames.mask.unmasked-*")
    finally:
        over.set()
        thread.join(TIMEOUT)
    assert status == 1
    assert "frames.mask.unmasked-text: it took what it must not take: a text b'x' came back (RFC 6455 5.1)" in out
    assert err.startswith("wscore: ")
    assert err.endswith(" of 7 cases failed\n")


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    """Each case's id and what it says, without a server."""
    status, out, err = _run(capsys, "server", "--list", "--only", "close.*")
    assert (status, err) == (0, "")
    assert re.search(
        r"^close.code.1000 +A close frame with 1000 is answered by one with 1000. \(RFC 6455 7.4\)$", out, re.M
    )
    assert _run(capsys, "client", "--list")[1].count("\n") > 400


def test_tls(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A certificate that is not trusted is said so; --insecure and --cafile trust it."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    cafile = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(cafile))
    with serving(echo, "asyncio", lifespan="off", ssl=context) as number:
        uri = f"wss://localhost:{number}/"
        status, out, err = _run(capsys, "server", uri, "--only", "close.*")
        assert (status, out) == (1, "")
        assert err.startswith(f"wscore: localhost:{number} has a certificate that is not trusted: ")
        assert err.count("\n") == 1
        for trust in (["--insecure"], ["--cafile", str(cafile)]):
            status, out, err = _run(capsys, "server", uri, "--only", "close.e*", "--strict", *trust)
            assert (status, err) == (0, "")
        assert "close.eof: a TLS connection has no half-close" in out
    with serving(echo, "asyncio", lifespan="off") as number:
        status, _, err = _run(capsys, "server", f"wss://localhost:{number}/", "--insecure")
        assert status == 1
        assert "does not speak TLS" in err


@contextlib.contextmanager
def _answering(answer: bytes) -> Iterator[int]:
    """Answer whatever comes with the same bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError), listener.accept()[0] as connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(TIMEOUT)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "the handshake was refused: 'HTTP/1.1 404 Not Found'"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "it answered with 'SSH-2.0-OpenSSH_9.6' is no status line (RFC 9112 3, 4)"),
        (b"", "the end of the stream came in place of the response to the handshake"),
    ],
)
def test_no_websocket_server(capsys: pytest.CaptureFixture[str], answer: bytes, says: str) -> None:
    """What answers in another way is said in one line."""
    with _answering(answer) as number:
        status, out, err = _run(capsys, "server", f"ws://127.0.0.1:{number}/")
    assert (status, out) == (1, "")
    assert err == f"wscore: 127.0.0.1:{number} is no WebSocket server that echoes: {says}\n"


def test_nothing_listens(capsys: pytest.CaptureFixture[str]) -> None:
    """A port that is closed is said in one line."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        number = unused.getsockname()[1]
        for scheme in ("ws", "wss"):
            status, out, err = _run(capsys, "server", f"{scheme}://127.0.0.1:{number}/")
            assert (status, out) == (1, "")
            assert err == f"wscore: 127.0.0.1:{number} cannot be reached: Connection refused\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["server"], "the URI is missing"),
        (["server", "http://localhost/"], "'http://localhost/' is no URI of a WebSocket server"),
        (["server", "ws://localhost:port/"], "is no URI"),
        (["server", "ws://localhost/", "--insecure"], "--insecure and --cafile are for wss://"),
        (["server", "ws://localhost/", "--header", "nothing"], "--header 'nothing': expected 'Name: value'"),
        (["server", "ws://localhost/", "--only", "nothing.*"], "--only nothing.*: no case matches"),
        (["server", "ws://localhost/", "--jobs", "0"], "--jobs 0: expected 1 or more"),
        (["server", "ws://localhost/", "--timeout", "-1"], "--timeout -1: expected seconds above 0"),
        (["client", "--port", "70000"], "70000 is not a port"),
        (["report", "a.json"], "--html"),
    ],
)
def test_a_command_line_that_cannot_work(capsys: pytest.CaptureFixture[str], arguments: list[str], says: str) -> None:
    """It is said in one line, with status 2."""
    status, _, err = _run(capsys, *arguments)
    assert status == 2
    assert says in err
    assert err.count("\n") == 1


def test_a_client() -> None:
    """The command serves the cases, prints the table when the client has done them, and names the client."""
    command = [sys.executable, "-u", "-m", "wscore", "conformance", "client", "--port", "0"]
    command += ["--only", "frames.length.1-text", "--only", "frames.length.1-binary"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        try:
            found = re.match(r"(\d+) cases wait for a client at (ws://\S+)/$", running.stdout.readline())
            assert found
            with connect(f"{found[2]}/getCaseCount", proxy=None) as ws:
                count = int(ws.recv(TIMEOUT))
            with connect(f"{found[2]}/getCaseInfo?case=1", proxy=None) as ws:
                assert json.loads(ws.recv(TIMEOUT))["id"] == "frames.length.1-text"
            for case in ["frames.length.1-binary", *range(1, count)]:  # an id is as good as a number
                with connect(f"{found[2]}/runCase?case={case}&agent=websockets", proxy=None) as ws:
                    for message in ws:
                        ws.send(message)
            with connect(f"{found[2]}/updateReports?agent=websockets", proxy=None):
                pass
            out, err = running.communicate(timeout=TIMEOUT)
        finally:
            running.kill()
    assert count == int(found[1]) == 2
    assert (running.returncode, err) == (0, "")
    assert "websockets keeps every MUST and every SHOULD: 2 cases in " in out
