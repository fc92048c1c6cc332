"""The benchmark still runs, finds wrong replies, counts what it says, and leaves no process behind."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from bench import load
from bench.accounting import Stopwatch, cpu_time, processes, resident
from bench.chart import SHOWN
from bench.clients import CLIENTS
from bench.connections import Target, WrongReply
from bench.contenders import CONTENDERS
from bench.frames import exchange, frame, payload
from bench.goals import GOALS, Goal, judge
from bench.load import Budget
from bench.measure import Figure, Results
from bench.modes import MODES

from ..real_time import TIMEOUT
from ..redis_server import needs_redis

pytestmark = pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="the scheduler keeps no books here")

ROOT = Path(__file__).parents[2]
RUN = [sys.executable, str(ROOT / "bench" / "run.py"), "--here", "--only", "wscore-asyncio"]


def test_a_minimal_run_measures_and_writes_what_it_found(tmp_path: Path) -> None:
    """One command measures, prints its tables, and writes JSON and a chart that is well-formed."""
    modes = ["one-1", "burst-32B-text", "burst-64KiB-binary", "deflate", "connect", "memory"]
    files = tmp_path / "figures.json", tmp_path / "chart.svg"
    options = ["--smoke", "--modes", ",".join(modes), "--json", str(files[0]), "--svg", str(files[1])]
    ran = subprocess.run([*RUN, *options], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = json.loads(files[0].read_text())
    assert [mode["name"] for mode in found["modes"]] == modes
    for mode in found["modes"]:
        figure = mode["servers"]["wscore-asyncio"]
        assert figure["best"] <= figure["median"]
        assert mode["name"] == "memory" or figure["best"] > 0
    assert found["skipped"] == {}
    assert f"CPython {sys.version.split()[0]}" in ran.stdout or found["python"] in ran.stdout
    ElementTree.parse(files[1])
    assert found["machine"]["cpu"] in files[1].read_text()


def test_a_server_that_is_not_installed_is_left_out_and_named(tmp_path: Path) -> None:
    """A peer whose packages are missing is skipped with the reason, and the others are measured."""
    file = tmp_path / "figures.json"
    only = ["--only", "tcp-asyncio,picows-asyncio", "--modes", "one-1,deflate", "--smoke", "--json", str(file)]
    ran = subprocess.run([*RUN, *only], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = json.loads(file.read_text())
    assert "tcp-asyncio" in found["modes"][0]["servers"]
    assert found["skipped"]["deflate"]["tcp-asyncio"] == "has no compression"
    if "picows" not in found["versions"]:
        assert found["skipped"][""] == {"picows-asyncio": "picows is not installed"}


@needs_redis
def test_a_room_across_processes_is_measured(tmp_path: Path) -> None:
    """Redis gets one PUBLISH for a broadcast, and nothing for its receivers; a peer that is missing is named."""
    file = tmp_path / "figures.json"
    command = [sys.executable, str(ROOT / "bench" / "rooms.py"), "--here", "--smoke", "--json", str(file)]
    ran = subprocess.run([*command, "--only", "wscore-asyncio,daphne"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = json.loads(file.read_text())
    assert found["figures"]["wscore-asyncio"]["commands"] == {"publish": 1}
    assert found["figures"]["wscore-asyncio, one process, no Redis"]["commands"] == {}
    assert min(found["figures"]["wscore-asyncio"]["cost"]) > 0
    if "daphne" not in found["versions"]:
        assert "daphne" in found["skipped"]["daphne, channels_redis.core"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_ends_its_servers(number: signal.Signals) -> None:
    """After Ctrl+C or SIGTERM nothing that the run started is left, and it says what it had measured."""
    with subprocess.Popen(
        [*RUN, "--modes", "one-1"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as run:
        assert run.stdout is not None
        while "one 32 B text in flight" not in run.stdout.readline():
            assert run.poll() is None
        while len(family := processes(run.pid)) < 2:
            assert run.poll() is None
            time.sleep(0.01)
        run.send_signal(number)
        said = run.stdout.read()
    assert run.returncode == 130, said
    assert "interrupted" in said
    assert [pid for pid in family if Path(f"/proc/{pid}").exists()] == []


class NoStopwatch(Stopwatch):
    """Measures nothing: a process cannot wait until it sleeps itself."""

    def __enter__(self) -> NoStopwatch:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@contextmanager
def _tcp_server(change: bytes) -> Iterator[Target]:
    """Echo, with the first byte of each read replaced."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            sock, _ = listener.accept()
            with sock:
                while data := sock.recv(65536):
                    sock.sendall(change + data[len(change) :])

        thread = threading.Thread(target=serve)
        thread.start()
        yield Target(listener.getsockname()[1], websocket=False)
        thread.join()


@pytest.mark.parametrize("change", [b"", b"x"], ids=["right", "wrong"])
@pytest.mark.parametrize("way", ["one in flight", "bursts"])
def test_replies_are_compared(way: str, change: bytes) -> None:
    """A reply that differs in one byte ends the round with WrongReply; without that the messages are counted."""
    exchanges = [exchange("text", payload("text", 32, number), websocket=False) for number in range(2)]
    budget = Budget(5, 10.0)
    with _tcp_server(change) as target:
        watch = NoStopwatch(0)

        def measure() -> int:
            if way == "bursts":
                return load.bursts(target, budget, watch, exchanges[0], frames=1)
            return load.one_in_flight(target, budget, watch, exchanges, connections=1)

        if change:
            with pytest.raises(WrongReply):
                measure()
        else:
            assert measure() == 5


def test_cpu_time_is_that_of_a_process_and_its_children() -> None:
    """What a child of the server computes is counted, in nanoseconds; so is the memory that it has."""
    burn = "import time\nwhile time.process_time() < 0.2: pass\nprint(flush=True); input()"
    middle = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", middle], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert len(processes(process.pid)) == 2
        assert cpu_time(process.pid) >= 0.2e9
        assert resident(process.pid) > resident(processes(process.pid)[1])
        process.communicate("\n")


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_a_masked_frame_holds_its_payload(size: int) -> None:
    """Frames have the three lengths of RFC 6455 (5.2), and unmask to what went in."""
    data = payload("binary", size, 0)
    encoded = frame(data, 0x82, masked=True)
    head = 2 if size < 126 else 4 if size < 65536 else 10
    assert encoded[1] == 0x80 | (size if size < 126 else 126 if size < 65536 else 127)
    assert size < 126 or int.from_bytes(encoded[2:head]) == size
    key, masked = encoded[head : head + 4], encoded[head + 4 :]
    assert bytes(byte ^ key[index % 4] for index, byte in enumerate(masked)) == data


def test_goals_and_the_chart_name_what_there_is() -> None:
    """Each goal is about a mode and servers that are measured; so is each panel of the chart."""
    modes, servers = {mode.name for mode in MODES}, {each.name for each in CONTENDERS}
    assert {goal.mode for goal in GOALS} | set(SHOWN) <= modes
    assert {goal.ours for goal in GOALS} | {goal.against for goal in GOALS} - {"", "sends"} <= servers


def test_every_package_of_a_peer_is_pinned() -> None:
    """requirements.txt names each package that a server or a client needs, with its version."""
    pinned = re.findall(r"^([\w-]+)==[\d.]+$", (ROOT / "bench" / "requirements.txt").read_text(), re.MULTILINE)
    servers = {package for each in CONTENDERS for package in each.packages}
    clients = {package for _, packages in CLIENTS.values() for package in packages}
    assert (servers | clients) - {"wscore"} <= set(pinned)


def test_clients_are_measured_alike(tmp_path: Path) -> None:
    """One command has every client ask and read its replies, and writes what that cost."""
    file = tmp_path / "figures.json"
    command = [sys.executable, str(ROOT / "bench" / "clients.py"), "--here", "--smoke", "--json", str(file)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    figures = json.loads(file.read_text())["us"]
    assert set(figures) == set(CLIENTS)
    assert all(cost > 0 for costs in figures.values() for each in costs.values() for cost in each)


def test_latency_is_measured_beside_attackers(tmp_path: Path) -> None:
    """A server is attacked in one way after the other, and how long its echoes took meanwhile is written down."""
    file = tmp_path / "figures.json"
    command = [sys.executable, str(ROOT / "bench" / "latency.py"), "--here", "--smoke", "--json", str(file)]
    options = ["--only", "wscore-trio", "--attacks", "none,tiny"]
    ran = subprocess.run([*command, *options], capture_output=True, text=True, check=False, timeout=TIMEOUT)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    figures = json.loads(file.read_text())["figures"]
    assert set(figures) == {"none", "tiny"}
    assert all(echo > 0 for each in figures.values() for echo in each["wscore-trio"]["echoes"])


def test_a_goal_is_judged_by_the_best_rounds() -> None:
    """A ratio is met up to its limit, is open where one side was not measured; memory counts at 5,000 only."""

    def verdict(goal: Goal, **results: Any) -> tuple[float | None, bool | None]:
        one = next(each for each in judge(Results(**results)) if each.goal == goal)
        return one.reached, one.met

    goal = next(each for each in GOALS if (each.mode, each.against) == ("one-32", "uvicorn-sansio"))
    ours, peer = Figure([9.0, 5.0]), Figure([10.0, 30.0])
    assert verdict(goal, figures={"one-32": {goal.ours: ours, goal.against: peer}}) == (0.5, True)
    assert verdict(goal, figures={"one-32": {goal.ours: peer, goal.against: ours}}) == (2.0, False)
    assert verdict(goal, figures={"one-32": {goal.ours: ours}}) == (None, None)
    memory = next(each for each in GOALS if each.mode == "memory")
    figures = {"memory": {memory.ours: Figure([memory.limit])}}
    assert verdict(memory, figures=figures, idle_connections=5000) == (memory.limit, True)
    assert verdict(memory, figures=figures, idle_connections=1000) == (None, None)
    broadcast = next(each for each in GOALS if each.mode == "broadcast")
    figures = {"broadcast": {broadcast.ours: Figure([2.0])}, "sends": {broadcast.ours: Figure([8.0])}}
    assert verdict(broadcast, figures=figures) == (0.25, True)
