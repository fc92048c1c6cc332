"""The simulation holds for what is right, finds what is wrong, and is the same run each time."""

from __future__ import annotations

import functools
import hashlib
import importlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from wscore import Driver
from wscore._core.endpoint import Endpoint
from wscore.app._deliveries import Deliveries

from ..real_time import TIMEOUT

ROOT = Path(__file__).parents[2]

DIGEST = "177ac1d10d50e3eff9b06c5026f33dcf433ed623ed6b36c9659a9be2798c6865"
"""Of some conversations without compression (zlib's implementations differ), on every machine and every Python."""


@pytest.fixture(autouse=True)
def _root_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))


def simulation() -> Any:
    return importlib.import_module("fuzz.simulate")


def conversations() -> str:
    """Play some, and return the digest of all that happened."""
    simulate = simulation()
    digest = hashlib.sha256()
    for run in range(20):
        plan = simulate.draw(f"digest:{run}")
        plan = replace(plan, server={**plan.server, "compression": False}, client={**plan.client, "compression": False})
        events: list[Any] = []
        assert simulate.failure_of(plan, events) is None
        digest.update(repr([tuple(event) for event in events]).encode())
    return digest.hexdigest()


def test_a_seed_is_the_same_run_everywhere() -> None:
    """Every event of some conversations, its time to the last bit and its bytes, is what it was elsewhere."""
    assert conversations() == DIGEST


def test_hashes_have_no_part_in_a_run() -> None:
    """A room's events are the same whatever strings hash to, and in another process."""
    simulate = simulation()
    log: list[Any] = []
    assert simulate.failure_of(simulate.draw_room("1:0", 12, 2), log) is None
    assert len(log) > 100
    program = (
        "import fuzz.simulate as s; log = [];"
        "assert s.failure_of(s.draw_room('1:0', 12, 2), log) is None;"
        "print(repr(log))"
    )
    other = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), *sys.path])},
        capture_output=True,
        text=True,
        check=True,
        timeout=TIMEOUT,
    ).stdout
    assert other.strip() == repr(log)


@pytest.mark.parametrize(
    "runs",
    [range(50), range(249, 250), pytest.param(range(5_000), marks=pytest.mark.long)],
    ids=lambda runs: f"{runs.start}-{runs.stop}",
)
def test_nothing_is_found(runs: range) -> None:
    """Conversations, and a room: all invariants hold."""
    assert simulation().play_chunk("test", runs).failures == []


# -- faults that are planted


def _first_finding(runs: range) -> str:
    simulate = simulation()
    for run in runs:
        what: str | None = simulate.failure_of(simulate.plan_of("6", run))
        if what is not None:
            return what
    return "nothing"


def _no_echo(endpoint: Any, write_close: Any = Endpoint._write_close) -> None:
    if endpoint._close_received is None:
        write_close(endpoint)


def _timed_out_unarmed(driver: Any) -> None:
    driver._armed = None
    driver.core.report_unsent(driver.unsent(), now=driver.time())
    driver.core.handle_timeout(now=driver.time())
    driver.sync()


def _armed_once(driver: Any) -> None:
    deadline = driver.core.next_timeout()
    if deadline is not None and driver._armed is None and not driver.gone:
        driver._armed = deadline
        driver.set_deadline(deadline)


def _sync_without_wake(driver: Any) -> None:
    if driver.core.output_size and not driver.gone:
        driver.plan_flush()
    if driver.core.generation != driver._generation:
        driver._sync_state()


def _drained_without_wake(driver: Any) -> None:
    driver.writable = True
    driver.flush()


def _nothing(*_: Any) -> None:
    pass


def _newest_first(deliveries: Any, call_soon: Any, run: object) -> None:
    if run is deliveries._run:
        deliveries._unfinished[-1].hand_over(deliveries._slice_size)
        deliveries._unfinished.rotate(1)
        deliveries._drop_finished()
        if deliveries._unfinished:
            call_soon(functools.partial(deliveries._turn, call_soon, run))


@pytest.mark.parametrize(
    ("owner", "name", "fault", "runs", "said"),
    [
        (Endpoint, "_write_close", _no_echo, range(100), "was not answered"),
        (Driver, "timed_out", _timed_out_unarmed, range(100), "the core's deadline is"),
        (Driver, "_arm_timer", _armed_once, range(100), "the core's deadline is"),
        (Driver, "sync", _sync_without_wake, range(100), "was not woken"),
        (Driver, "output_drained", _drained_without_wake, range(100), "was not woken"),
        (Endpoint, "_pause", _nothing, range(100), "are queued, and more are read"),
        (Deliveries, "_turn", _newest_first, range(499, 500), "out of order"),
        (Deliveries, "settle", _nothing, range(499, 500), "out of order"),
    ],
    ids=[
        "close echo missing",
        "deadline not armed again",
        "earlier deadline not armed",
        "lost wake-up of a reader",
        "lost wake-up of a sender",
        "inbox without a limit",
        "broadcasts out of order",
        "a message overtakes a broadcast",
    ],
)
def test_a_planted_fault_is_found(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, fault: Any, runs: range, said: str
) -> None:
    """Within a hundred conversations, or in one large room; and it is said what is wrong."""
    monkeypatch.setattr(owner, name, fault)
    assert said in _first_finding(runs)


# -- the command


def test_a_finding_is_made_smaller_and_written_down(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is printed with what repeats it, and what happened is in a file, a line for each event."""
    monkeypatch.setattr(Driver, "output_drained", _drained_without_wake)
    simulate = simulation()
    monkeypatch.setattr(simulate, "_TRIES", 60)
    assert simulate.main(["--runs", "5", "--seed", "6", "--found", str(tmp_path)]) == 1
    out, progress = capsys.readouterr()
    assert "was not woken" in out
    assert "again: python -m fuzz.simulate --seed 6 --run " in out
    assert progress.splitlines()[-1].startswith("5 of 5 runs, 5 connections, ")
    path = min(tmp_path.iterdir())
    first, *events = [json.loads(line) for line in path.read_text().splitlines()]
    assert "was not woken" in first["finding"]
    assert not first["plan"]["faults"], "what has no part in it was left out"
    assert {"at", "socket", "what", "data"} >= events[0].keys()
    run = int(path.stem.partition("-")[2])
    assert simulate.main(["--seed", "6", "--run", str(run), "--found", str(tmp_path)]) == 1


@pytest.mark.long
def test_runs_are_divided_among_processes(capsys: pytest.CaptureFixture[str]) -> None:
    """Which does not change what comes of them."""
    assert simulation().main(["--runs", "60", "--jobs", "2"]) == 0
    assert "60 of 60 runs" in capsys.readouterr().err


def test_a_terminal_has_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Which is drawn over itself, and ends with its line."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    simulate = simulation()
    show = simulate.progress(4)
    show(simulate.Chunk(1, 1, []))
    show(simulate.Chunk(3, 3, []))
    first, second = capsys.readouterr().err.removeprefix("\r").split("\r")
    assert first.startswith("[#######                       ] 1 of 4 runs")
    assert second.startswith("[" + "#" * 30 + "] 4 of 4 runs")
    assert second.endswith("\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--runs", "many"], "argument --runs: expected a number, 1 or more, and not 'many'"),
        (["--runs", "0"], "argument --runs: expected a number, 1 or more, and not '0'"),
        (["--jobs", "-1"], "argument --jobs: expected a number, 1 or more, and not '-1'"),
        (["--run", "x"], "argument --run: expected a number, 0 or more, and not 'x'"),
        (["--seed", "../x"], "argument --seed: '../x' has more than letters, digits, - and _"),
        (["--fast"], "unrecognized arguments: --fast"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_bad_argument_is_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """That names it, and exit status 2."""
    with pytest.raises(SystemExit) as exited:
        simulation().main(arguments)
    assert exited.value.code == 2
    assert capsys.readouterr().err == f"python -m fuzz.simulate: {said}\n"


def test_where_nothing_can_be_written_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A finding that cannot be kept is said nevertheless."""
    monkeypatch.setattr(Driver, "output_drained", _drained_without_wake)
    monkeypatch.setattr(simulation(), "_TRIES", 0)
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit):
        simulation().main(["--runs", "5", "--seed", "6", "--found", str(tmp_path / "file" / "found")])
    assert capsys.readouterr().err.splitlines()[-1].startswith("python -m fuzz.simulate: cannot write what was found: ")
