"""`wscore run --record` writes recordings, and `wscore replay` replays them, draws them, and tells what is none."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.core import peer
from tests.real_time import TIMEOUT
from websockets.sync.client import connect

from wscore import Config
from wscore._cli.main import main
from wscore.recording import Recorder

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
HOSTILE = "\x1b[2J\x9b1m</pre><script>alert(1)</script>\u202e"


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A server's conversation with a ping, a hostile text, a timer and a close, whole."""
    recorder = Recorder(tmp_path / "recordings", payloads="whole")
    connection = recorder.server(Config(ping_interval=5), now=0)
    connection.receive_data(peer.head(line=b"GET /a%1b%5b2J<b> HTTP/1.1"), now=0)
    connection.next_message(now=0.1)
    connection.send({"type": "websocket.accept"}, now=0.2)
    connection.data_to_send()
    connection.receive_data(peer.text(HOSTILE) + peer.ping(b"x"), now=1)
    message = connection.next_message(now=1.1)
    assert message is not None
    connection.send({**message, "type": "websocket.send"}, now=1.2)
    connection.data_to_send()
    connection.handle_timeout(now=5.2)
    connection.data_to_send()
    connection.receive_data(peer.close(1000, HOSTILE), now=6)
    connection.next_message(now=6)
    connection.data_to_send()
    connection.application_returned(now=6.1)
    connection.receive_eof(now=6.2)
    connection.connection_lost(now=6.3)
    (file,) = (tmp_path / "recordings").iterdir()
    return file


@pytest.mark.parametrize(("backend", "payloads"), [("asyncio", "hashed"), ("trio", "whole")])
def test_what_run_records_is_replayed(command: Any, capsys: Any, backend: str, payloads: str):
    """The command's server records each connection into the folder; `replay` finds no difference."""
    server = command.run("app:echo", "--backend", backend, "--record", "recordings", "--record-payloads", payloads)
    with connect(server.url(), proxy=None) as client:
        client.send("a secret message")
        assert client.recv() == "a secret message"
    server.signal(signal.SIGTERM)
    assert server.ends() == 0
    (file,) = (command.folder / "recordings").iterdir()
    assert ("a secret message" in file.read_text()) is (payloads == "whole")
    assert main(["replay", str(file)]) == 0
    assert re.fullmatch(rf"{file}: \d+ calls as recorded, no difference\n", capsys.readouterr().out)


def test_a_difference_is_told_and_fails(recording: Path, capsys: pytest.CaptureFixture[str]):
    """Exit status 1, and one line that names the line, the call, what was recorded and what came."""
    text = recording.read_text()
    recording.write_text(text.replace('"code": 1000, "reason"', '"code": 1001, "reason"', 1))
    assert main(["replay", str(recording), "--show"]) == 1
    out, err = capsys.readouterr()
    assert err.count("\n") == 1
    assert re.search(r"line \d+: \w+ at \d[\d.]* s: \w+: recorded .*1001.*, came .*1000", err)
    assert out.count("<-- differs") >= 1


def test_the_diagram(recording: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Time, three life lines, arrows, states; no control character and no line wider than the terminal."""
    monkeypatch.setenv("COLUMNS", "90")
    assert main(["replay", "--show", str(recording)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.isprintable() for line in lines)
    assert all(len(line) <= 90 for line in lines[:-1])
    drawn = "\n".join(lines)
    for part in (
        "0.000   |-------->|         | GET /a%1b%5b2J<b> HTTP/1.1",
        "---- OPEN ----",
        "1.000   |-------->|         | ping, 1 byte",
        "1.100   |         |-------->| websocket.receive, text",
        "5.200   |         *         | clock: a deadline has passed",
        "5.200   |<--------|         | ping",
        "6.000   |-------->|         | close, 1000",
        "---- CLOSED ----",
    ):
        assert part in drawn


def test_the_page(recording: Path, tmp_path: Path):
    """One page that needs nothing else; whatever a peer said is text in it, and controls are spelled out."""
    assert main(["replay", "--html", str(tmp_path / "out.html"), str(recording)]) == 0
    page = (tmp_path / "out.html").read_text()
    assert page.count("<script>") == 1, "the page's own"
    assert not re.search(r"(?i)(?:src|href|action)=|url\(|@import|https?://", page)
    assert "default-src &#x27;none&#x27;" in page
    assert all(character.isprintable() or character == "\n" for character in page)
    for part in ("RFC 6455 5.5.1", 'data-state="OPEN"', "prefers-color-scheme: dark", "edge taken", "ping_interval"):
        assert part in page


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_the_page_in_a_browser(recording: Path, tmp_path: Path):
    """At 390 px nothing is wider than the page; each row unfolds its bytes, and marks its state in the drawing; the
    browser refuses to load anything, and no script of a peer's runs."""
    assert CHROMIUM is not None
    page = tmp_path / "out.html"
    assert main(["replay", "--html", str(page), str(recording)]) == 0
    look = """<script>
    const rows = [...document.querySelectorAll('details.row')];
    rows.forEach(row => { row.open = true; });
    let violations = 0;
    document.addEventListener('securitypolicyviolation', () => { violations += 1; });
    new Image().src = 'http://127.0.0.1:9/';
    setTimeout(() => {
      document.title = JSON.stringify({
        wide: document.documentElement.scrollWidth - window.innerWidth, width: window.innerWidth, rows: rows.length,
        bytes: document.querySelectorAll('details[open] pre').length, violations,
        now: document.querySelectorAll('.states .now').length, entered: document.querySelectorAll('.entered').length,
        dark: getComputedStyle(document.body).backgroundColor });
    }, 50);
    </script></body>"""
    page.write_text(page.read_text().replace("</body>", look))
    result = subprocess.run(
        [
            *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-extensions", "--no-first-run"),
            *(
                f"--user-data-dir={tmp_path / 'profile'}",
                "--window-size=390,800",
                "--blink-settings=preferredColorScheme=0",
            ),
            *("--virtual-time-budget=2000", "--dump-dom", page.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=True,
    )
    title = re.search(r"<title>(\{.*?\})</title>", result.stdout)
    assert title is not None, result.stdout[-500:]
    seen = json.loads(title[1])
    assert seen["wide"] <= 0, seen
    assert seen["rows"] > 10
    assert seen["bytes"] > 5
    assert (seen["now"], seen["violations"]) == (1, 1)
    assert seen["entered"] == 5
    assert seen["dark"] == "rgb(21, 24, 28)"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (None, "No such file or directory"),
        (lambda text: "hello", "is not a recording"),
        (lambda text: text.replace('"wscore_recording": 1', '"wscore_recording": 9'), "version 9 of the format"),
        (lambda text: text[:-20], "the line is cut"),
        (lambda text: text.replace('"in":', '"on": 1, "in":', 1), "unknown field 'on'"),
    ],
    ids=["no file", "something else", "newer", "cut", "unknown field"],
)
def test_bad_input_is_one_line(
    recording: Path, capsys: pytest.CaptureFixture[str], change: Callable[[str], str] | None, says: str
):
    """And the exit status is 2."""
    if change is None:
        recording.unlink()
    else:
        recording.write_text(change(recording.read_text()))
    assert main(["replay", str(recording)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert says in err


def test_a_page_that_cannot_be_written(recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Exit status 1, and the reason."""
    assert main(["replay", str(recording), "--html", str(tmp_path / "nowhere" / "out.html")]) == 1
    assert "No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--record-sample", "2"], "'2' is not a share: 0 to 1"),
        (["--record-sample", "some"], "'some' is not a share: 0 to 1"),
        (["--record-sample", "0.5"], "need --record"),
        (["--record-payloads", "whole"], "need --record"),
    ],
)
def test_options_that_say_nothing(capsys: pytest.CaptureFixture[str], options: list[str], says: str):
    """What cannot be, or needs a folder, ends the command before it loads anything."""
    try:
        status = main(["run", "nowhere:app", *options])
    except SystemExit as ended:
        status = int(ended.code or 0)
    err = capsys.readouterr().err
    assert (status, err.count("\n")) == (2, 1)
    assert says in err


def test_a_folder_that_cannot_be_made(command: Any, one_line: Any):
    """It ends the command before it listens."""
    result = command("run", "app:echo", "--port", "0", "--record", "app.py")
    assert "--record app.py: File exists" in one_line(result)
    assert result.returncode == 1


def test_the_page_of_a_difference(recording: Path, tmp_path: Path):
    """The verdict and the row are marked."""
    recording.write_text(recording.read_text().replace('"code": 1000, "reason"', '"code": 1001, "reason"', 1))
    out = tmp_path / "out.html"
    assert main(["replay", "--html", str(out), str(recording)]) == 1
    assert '<p class="verdict differs">A replay differs at line ' in out.read_text()
    assert out.read_text().count('class="row differs"') >= 1


def test_what_cannot_be_told_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A recording without payloads whose content mattered: one line, and no failure; the page says so as well."""
    connection = Recorder(tmp_path / "recordings").server(Config(), now=0)
    connection.receive_data(peer.head(), now=0)
    connection.send({"type": "websocket.accept"}, now=0)
    connection.next_message(now=0)
    connection.receive_data(peer.frame(1, b"\xff"), now=0)
    connection.connection_lost(now=1)
    (file,) = (tmp_path / "recordings").iterdir()
    out = tmp_path / "out.html"
    assert main(["replay", "--html", str(out), str(file)]) == 0
    assert "it cannot be told from a recording without payloads" in capsys.readouterr().out
    assert "it cannot be told" in out.read_text()


def test_a_long_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """One that was cut says so; a page leaves rows out before a browser could not show it, and bytes of a row."""
    connection = Recorder(tmp_path / "recordings", payloads="whole", max_size=600_000).server(Config(), now=0)
    connection.receive_data(peer.head(), now=0)
    connection.send({"type": "websocket.accept"}, now=0)
    connection.receive_data(peer.binary(b"x" * 10_000), now=0)
    for _ in range(20):
        connection.receive_data(peer.ping() * 350, now=0)
        connection.data_to_send()
    connection.receive_data(peer.binary(bytes(500_000)), now=0)
    connection.connection_lost(now=1)
    (file,) = (tmp_path / "recordings").iterdir()
    out = tmp_path / "out.html"
    assert main(["replay", "--show", "--html", str(out), str(file)]) == 0
    assert "up to where the recording was cut: a recording's largest size is reached" in capsys.readouterr().out
    text = out.read_text()
    assert text.count('<details class="row"') == 6000
    assert "rows are left out here" in text
    assert "bytes more</pre>" in text
