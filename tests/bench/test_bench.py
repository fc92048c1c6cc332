"""The benchmark still runs, finds wrong replies, counts what it says, and leaves no process behind."""

from __future__ import annotations

import ast
import dataclasses
import json
import random
import re
import resource
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import ClassVar, cast
from xml.etree import ElementTree

import pytest
from bench import load
from bench.accounting import Stopwatch, cpu_time, processes, resident
from bench.callers.orders import TEXT
from bench.chart import SHOWN
from bench.client_load import answer
from bench.command import chosen
from bench.connections import Declined, Target, WrongReply
from bench.contenders import BROADCAST, CLIENTS, CONTENDERS, MAIN, WORKERS, Contender
from bench.distribution import Quartiles, paired_ratios, percentile, quartiles
from bench.environment import Environment, here, preferred_python
from bench.frames import exchange, frame, payload
from bench.goals import GOALS, Goal, judge
from bench.load import Budget, Outcome
from bench.measure import Figure, Pace, Results, measure
from bench.modes import MODES, Mode
from bench.offered_rate import CONNECTIONS, messages_at
from bench.processes import Fleet

from ..real_time import TIMEOUT
from ..redis_server import needs_redis

pytestmark = pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="the scheduler keeps no books here")

ROOT = Path(__file__).parents[2]
RUN = [sys.executable, str(ROOT / "bench" / "run.py"), "--here", "--only", "wscore-asyncio"]


def test_a_minimal_run_measures_and_writes_what_it_found(tmp_path: Path) -> None:
    """One command measures, prints its tables, and writes JSON and a chart that is well-formed."""
    modes = ["one-1", "burst-32B-text", "burst-64KiB-binary", "burst8-64KiB-binary", "connect", "memory"]
    modes += ["rate-1000", "workers-2", "deflate", "mostly-idle"]
    files = tmp_path / "figures.json", tmp_path / "chart.svg"
    options = ["--smoke", "--modes", ",".join(modes), "--json", str(files[0]), "--svg", str(files[1])]
    ran = subprocess.run([*RUN, *options], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = json.loads(files[0].read_text())
    assert [mode["name"] for mode in found["modes"]] == modes
    for mode in found["modes"]:
        figure = mode["servers"]["wscore-asyncio"]
        assert figure["lower"] <= figure["median"] <= figure["upper"]
        assert mode["name"] == "memory" or figure["lower"] > 0
    assert found["skipped"] == {}
    assert f"CPython {sys.version.split()[0]}" in ran.stdout or found["python"] in ran.stdout
    assert found["others"]["cores"] >= 0
    assert re.search(r"^load average at the end .* other programs kept ", ran.stdout, re.MULTILINE)
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
                return load.bursts(target, budget, watch, exchanges[0], frames=1).done
            return load.one_in_flight(target, budget, watch, exchanges, connections=1).done

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
    """Each goal is about a mode and those that are measured in it; so is each panel of the chart."""
    modes = {mode.name: mode for mode in MODES}
    assert set(SHOWN) <= set(modes)
    for goal in GOALS:
        taking_part = {each.name for each in modes[goal.mode].contenders}
        assert {goal.ours, goal.against} - {""} <= taking_part
        if goal.in_mode:
            assert modes[goal.in_mode].together == modes[goal.mode].together != ""


def test_on_each_loop_wscore_is_measured_beside_the_same_peers() -> None:
    """The main servers are those that the goals name, on asyncio as on uvloop."""
    names = {each.name for each in MAIN}
    assert {name + "-uvloop" for name in ("uvicorn-sansio", "aiohttp", "picows", "wscore")} <= names
    assert {goal.against for goal in GOALS if not goal.mode.startswith("client-")} - {""} <= names


def test_every_package_of_a_peer_is_pinned() -> None:
    """requirements.txt names each package that a server or a client needs, with its version."""
    pinned = re.findall(r"^([\w-]+)==[\d.]+$", (ROOT / "bench" / "requirements.txt").read_text(), re.MULTILINE)
    needed = {package for each in (*CONTENDERS, *BROADCAST, *WORKERS, *CLIENTS) for package in each.packages}
    assert needed - {"wscore"} <= set(pinned)


def test_clients_are_measured_alike(tmp_path: Path) -> None:
    """One command has every client ask and read its replies, and writes what that cost."""
    file = tmp_path / "figures.json"
    command = [sys.executable, str(ROOT / "bench" / "clients.py"), "--here", "--smoke", "--json", str(file)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for mode in json.loads(file.read_text())["modes"]:
        assert set(mode["servers"]) == {each.name for each in CLIENTS}
        assert all(cost > 0 for figure in mode["servers"].values() for cost in figure["rounds"])


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


def test_the_quartiles_are_those_of_what_was_measured() -> None:
    """The middle half of the rounds lies between them, whatever a single round was; one round is all three."""
    assert quartiles([3.0, 1.0, 2.0, 1000.0, 4.0]) == Quartiles(2.0, 3.0, 4.0)
    assert quartiles([7.0]) == Quartiles(7.0, 7.0, 7.0)


def test_a_percentile_was_measured() -> None:
    """Of a thousand values the 99.9th percentile is the second largest, of one that one."""
    values = [float(each) for each in range(1000, 0, -1)]
    assert [percentile(values, share) for share in (0.5, 0.99, 0.999, 1.0)] == [500.0, 990.0, 999.0, 1000.0]
    assert percentile([5.0], 0.5) == 5.0


def test_ratios_are_those_of_rounds_that_belong_together() -> None:
    """A machine that is slow for a while is slow for both; a round without its pair is left out."""
    assert paired_ratios([1.0, 10.0, 3.0], [2.0, 20.0]) == [0.5, 0.5]
    assert paired_ratios([1.0], [0.0]) == []


def _figures(**modes: dict[str, list[float]]) -> dict[str, dict[str, Figure]]:
    return {mode: {name: Figure(costs) for name, costs in of.items()} for mode, of in modes.items()}


def test_a_ratio_is_the_median_of_pairs_and_not_best_against_best() -> None:
    """A peer's luckiest round counts as one of many."""
    results = Results(_figures(connect={"ours": [4.0, 4.0, 4.0, 4.0], "theirs": [8.0, 8.0, 8.0, 1.0]}))
    assert results.ratio("connect", "ours", "theirs") == Quartiles(0.5, 0.5, 1.375)
    assert results.ratio("connect", "ours", "nobody") is None
    assert results.ratio("memory", "ours", "theirs") is None


def _verdict(goal: Goal, results: Results) -> tuple[float | None, bool | None]:
    one = next(each for each in judge(results) if each.goal == goal)
    return one.reached and one.reached.median, one.met


def _goal(mode: str, against: str) -> Goal:
    return next(each for each in GOALS if (each.mode, each.against) == (mode, against))


def test_a_goal_is_judged_by_the_median_of_paired_rounds() -> None:
    """It is met up to its limit, missed above it, and open where one side was not measured."""
    goal = _goal("one-32", "uvicorn-sansio")
    peer = [10.0, 30.0, 20.0]

    def ratios(*each: float) -> Results:
        ours = [ratio * cost for ratio, cost in zip(each, peer, strict=True)]
        return Results(_figures(**{goal.mode: {goal.ours: ours, goal.against: peer}}))

    assert _verdict(goal, ratios(0.01, goal.limit / 2, 5.0)) == (goal.limit / 2, True)
    assert _verdict(goal, ratios(0.01, goal.limit * 2, 5.0)) == (goal.limit * 2, False)
    assert _verdict(goal, Results(_figures(**{goal.mode: {goal.ours: peer}}))) == (None, None)


def test_a_goal_for_memory_is_judged_at_its_number_of_connections_only() -> None:
    """A quick run, which has fewer, leaves it open."""
    goal = _goal("memory", "")
    figures = _figures(memory={goal.ours: [goal.limit, 1.0, 100.0]})
    assert _verdict(goal, Results(figures, idle={"memory": 5000})) == (goal.limit, True)
    assert _verdict(goal, Results(figures, idle={"memory": 1000})) == (None, None)


def test_a_broadcast_is_judged_beside_single_sends_of_the_same_server() -> None:
    """The other side is the same server in another mode, whose rounds take turns with its own."""
    goal = _goal("broadcast", "wscore-asyncio")
    figures = _figures(broadcast={goal.ours: [2.0, 4.0]}, sends={goal.ours: [8.0, 16.0]})
    assert _verdict(goal, Results(figures)) == (0.25, True)


def test_a_client_and_a_latency_have_goals_like_a_server() -> None:
    """Clients are compared with clients, and the offered rate by the median of its messages."""
    client = _goal("client-one", "aiohttp-asyncio")
    figures = _figures(**{"client-one": {client.ours: [1.0], client.against: [2.0]}})
    assert _verdict(client, Results(figures)) == (0.5, True)
    mode = next(each for each in MODES if each.name == _goal("rate-10000", "picows-asyncio").mode)
    figure = Figure()
    watch = NoStopwatch(0)
    watch.wall, watch.cpu = 0.5, 2_000_000
    figure.add(mode, Outcome(100, {"p50": 40.0, "p99": 100.0}), watch)
    assert (figure.cost, figure.rate) == ([40.0], [200.0])
    assert figure.also == {"p99": [100.0], "CPU us per message": [20.0]}


class NoEnvironment:
    """An environment that nothing has to be installed in."""

    python = (sys.executable,)
    variables: ClassVar[dict[str, str]] = {}
    versions: ClassVar[dict[str, str]] = {}
    missing: ClassVar[dict[str, str]] = {}


def test_each_round_has_all_servers_in_an_order_of_its_own() -> None:
    """Nobody is measured twice before everybody was once, and nobody always after the same one."""
    order: list[int] = []

    def round_(target: Target, budget: Budget, watch: Stopwatch) -> Outcome:
        order.append(target.port)
        watch.wall, watch.cpu = 1.0, 1000
        return Outcome(1)

    floor = [each for each in CONTENDERS if each.name == "tcp-asyncio"]
    servers = tuple(dataclasses.replace(floor[0], name=f"tcp-{number}") for number in range(3))
    mode = Mode("m", "M", round_, 1, contenders=servers)
    environment = cast("Environment", NoEnvironment())
    steps = measure([mode], servers, environment, Pace(8, 0.01, 10, 10), core=None, chance=random.Random(1))
    results = next(steps)
    for _ in steps:
        pass
    rounds = [tuple(order[start : start + 3]) for start in range(0, len(order), 3)]
    assert len(rounds) == 1 + 8
    assert len({frozenset(each) for each in rounds}) == 1
    assert len(set(rounds)) > 1
    assert {name: len(figure.cost) for name, figure in results.figures["m"].items()} == dict.fromkeys(
        ("tcp-0", "tcp-1", "tcp-2"), 8
    )


def test_when_the_time_is_up_what_is_left_is_named() -> None:
    """First every mode that is left gets one round only; after the end no round begins at all."""
    floor = tuple(each for each in CONTENDERS if each.name == "tcp-asyncio")

    def round_(target: Target, budget: Budget, watch: Stopwatch) -> Outcome:
        watch.wall = 1.0
        return Outcome(1)

    mode = Mode("m", "M", round_, 1, contenders=floor)
    for end, rounds in ((1.0, 1), (-1.0, 0)):
        pace = Pace(8, 0.01, minutes=-1.0, end=end)
        environment = cast("Environment", NoEnvironment())
        steps = measure([mode], floor, environment, pace, core=None, chance=random.Random(1))
        results = next(steps)
        for _ in steps:
            pass
        assert sum(len(figure.cost) for figure in results.figures.get("m", {}).values()) == rounds
        assert results.hurried == ["M"]
        assert results.skipped == ({} if rounds else {"m": {"tcp-asyncio": "the time was up"}})


def test_a_quick_run_is_about_the_goals() -> None:
    """It leaves out servers and modes that no goal names, unless they are asked for."""

    def given(**options: object) -> tuple[set[str], set[Contender]]:
        what, who = chosen(Namespace(**{"only": [], "modes": [], "quick": True} | options), MODES)
        return {mode.name for mode in what}, who

    modes, contenders = given()
    assert {goal.mode for goal in GOALS} <= modes < {mode.name for mode in MODES}
    assert contenders == {*MAIN, *BROADCAST, *WORKERS, *CLIENTS}
    assert given(modes=["deflate"]) == ({"deflate"}, set(MAIN))
    assert {each.name for each in given(only=["hypercorn-trio"])[1]} == {"hypercorn-trio"}
    modes, contenders = given(quick=False)
    assert modes == {mode.name for mode in MODES}
    assert contenders == {*CONTENDERS, *BROADCAST, *WORKERS, *CLIENTS}


@pytest.mark.parametrize("says", ["3.12", "3.1", ""])
def test_the_python_that_the_goals_are_for_is_taken_where_there_is_one(
    says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command of that name has to run and to be it; else the benchmark's own Python has to do."""
    command = tmp_path / "python3.12"
    command.write_text(f"#!/bin/sh\necho '{says}'\n" if says else "#!/bin/sh\nexit 127\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    ours = sys.version_info[:2] == (3, 12)
    assert preferred_python() == (str(command) if says == "3.12" and not ours else sys.executable)


@contextmanager
def _tcp_echo(reply: Callable[[bytes], bytes]) -> Iterator[Target]:
    """Answer each read on any of many connections."""
    with socket.create_server(("127.0.0.1", 0), backlog=CONNECTIONS) as listener:

        def serve() -> None:
            with selectors.DefaultSelector() as selector, ExitStack() as stack:
                for _ in range(CONNECTIONS):
                    selector.register(stack.enter_context(listener.accept()[0]), selectors.EVENT_READ)
                while selector.get_map():
                    for key, _ in selector.select():
                        sock = cast("socket.socket", key.fileobj)
                        with suppress(OSError):
                            if data := sock.recv(65536):
                                sock.sendall(reply(data))
                                continue
                        selector.unregister(sock)

        thread = threading.Thread(target=serve)
        thread.start()
        yield Target(listener.getsockname()[1], websocket=False)
        thread.join()


def _at_rate(reply: Callable[[bytes], bytes]) -> Outcome:
    exchanges = [exchange("text", payload("text", 32, each), websocket=False) for each in range(2 * CONNECTIONS)]
    with _tcp_echo(reply) as target:
        return messages_at(2000, target, Budget(200, 10.0), NoStopwatch(0), exchanges)


def test_messages_at_a_rate_are_timed_from_when_they_were_due() -> None:
    """All that is offered is answered, and the percentiles are in order."""
    outcome = _at_rate(lambda data: data)
    assert outcome.done == 200
    assert 0 < outcome.also["p50"] <= outcome.also["p99"] <= outcome.also["p99.9"]


@pytest.mark.parametrize("reply", [lambda data: data[:-1] + b"x", lambda data: data + data, lambda data: b"x" + data])
def test_replies_at_a_rate_are_compared(reply: Callable[[bytes], bytes]) -> None:
    """One wrong byte ends the round; so does one too many."""
    with pytest.raises(WrongReply):
        _at_rate(reply)


def test_the_other_end_of_clients_reads_what_it_answers() -> None:
    """Each message has to be the one that was ordered, and masked."""
    right = frame(TEXT.encode(), 0x81, masked=True)
    for sent, fine in [
        (right * 3, True),
        (right * 2 + frame(TEXT.encode()[:-1] + b"!", 0x81, masked=True), False),
        (right * 2 + frame(TEXT.encode(), 0x82, masked=True), False),
        (right * 4, False),
    ]:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.sendall(sent)
            with nullcontext() if fine else pytest.raises(WrongReply):
                answer(ours, 3)
            assert not fine or theirs.recv(4096) == frame(TEXT.encode(), 0x81, masked=False) * 3


def test_the_memory_of_a_connection_is_that_of_a_browser_that_has_said_something() -> None:
    """Its request head has twelve fields."""
    head = Target(1, websocket=True).request(browser=True)
    assert head.endswith(b"\r\n\r\n")
    assert head.count(b"\r\n") - 2 == 12


@pytest.mark.parametrize("file", sorted((ROOT / "bench" / "servers").glob("*.py")), ids=lambda file: file.stem)
def test_wscore_is_served_without_an_access_log(file: Path) -> None:
    """What a log costs would be a part of the figure, and its peers have none."""
    for call in ast.walk(ast.parse(file.read_text())):
        if isinstance(call, ast.Call):
            named = [ast.unparse(each) for each in (call.func, *call.args)]
            if any(re.fullmatch(r"wscore_(asyncio|trio)\.serve", name) for name in named):
                given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
                assert given.get("access_log") == "False", ast.unparse(call)


def test_more_connections_than_files_may_be_open_are_not_tried() -> None:
    """That is no failure of the server's: the mode is left out, with the reason."""
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    with pytest.raises(Declined, match="more open files than the limit"):
        load.mostly_idle(Target(1, websocket=True), Budget(1, 1.0, idle=limit), NoStopwatch(0), [], connections=1)


def test_workers_log_no_connections() -> None:
    """The command line that starts them says so; else each connection would be a line."""
    contender = next(each for each in WORKERS if each.name == "wscore-asyncio")
    environment = here()
    with Fleet(environment.python, environment.variables, None) as fleet:
        server = fleet.serving(contender)
        load.connects(Target(server.port, websocket=True), Budget(32, 1.0), Stopwatch(server.pid))
        assert server.last_words().endswith(("without a word", "Ctrl+C stops it"))
