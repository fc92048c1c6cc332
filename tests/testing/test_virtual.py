"""The virtual clocks: what they jump over, what they wait for, and what they give up on."""

from __future__ import annotations

import random
import socket
import time
from types import ModuleType
from typing import Any

import anyio
import pytest

from wscore.testing import virtual_asyncio, virtual_trio
from wscore.testing.network import Hang

VIRTUAL = {"asyncio": virtual_asyncio, "trio": virtual_trio}


@pytest.fixture(params=VIRTUAL)
def virtual(request: pytest.FixtureRequest) -> ModuleType:
    return VIRTUAL[request.param]


def test_a_day_takes_no_time(virtual: Any) -> None:
    """A sleep ends at its exact moment, and takes none of ours."""

    async def main() -> float:
        before = anyio.current_time()
        await anyio.sleep(86_400)
        return anyio.current_time() - before

    began = time.monotonic()
    assert virtual.run(main) == 86_400
    assert time.monotonic() - began < 5


def test_who_waits_for_less_is_first(virtual: Any) -> None:
    """Waits end in the order of their moments, whichever began first."""
    order: list[float] = []

    async def wait(seconds: float) -> None:
        await anyio.sleep(seconds)
        order.append(seconds)

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for seconds in (3.0, 1.0, 2.5, 0.0):
                tasks.start_soon(wait, seconds)

    virtual.run(main)
    assert order == [0.0, 1.0, 2.5, 3.0]


def test_bytes_that_are_there_come_before_time_passes(virtual: Any) -> None:
    """The clock stands still while a socket is readable, through any number of hands."""
    ends = [socket.socketpair() for _ in range(3)]
    for pair in ends:
        for end in pair:
            end.setblocking(False)
    came: list[tuple[bytes, float]] = []

    async def pass_on(source: socket.socket, target: socket.socket | None) -> None:
        await anyio.wait_readable(source)
        came.append((source.recv(100), anyio.current_time()))
        if target is not None:
            target.send(b"on")

    async def main() -> float:
        async with anyio.create_task_group() as tasks:
            for index, (_, source) in enumerate(ends):
                tasks.start_soon(pass_on, source, ends[index + 1][0] if index + 1 < len(ends) else None)
            await anyio.sleep(7)
            sent_at = anyio.current_time()
            ends[0][0].send(b"go")
            await anyio.sleep(5)
        return sent_at

    try:
        sent_at = virtual.run(main)
    finally:
        for pair in ends:
            for end in pair:
                end.close()
    assert came == [(b"go", sent_at), (b"on", sent_at), (b"on", sent_at)]


def test_settled_is_before_time_passes(virtual: Any) -> None:
    """`settled` waits for all that can happen now, and for nothing that takes time."""
    done: list[str] = []

    async def steps() -> None:
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        done.append("steps")

    async def later() -> None:
        await anyio.sleep(0.001)
        done.append("later")

    async def main() -> tuple[list[str], float]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(steps)
            tasks.start_soon(later)
            before = anyio.current_time()
            await virtual.settled()
            return list(done), anyio.current_time() - before

    assert virtual.run(main) == (["steps"], 0)
    assert done == ["steps", "later"]


def test_a_busy_loop_is_late(virtual: Any) -> None:
    """What is due while the loop is kept busy comes after."""

    async def main() -> float:
        before = anyio.current_time()
        with anyio.move_on_after(1):
            virtual.jump(3)
            await anyio.sleep(2)
        return anyio.current_time() - before

    assert virtual.run(main) == 3


def test_a_hang_is_found(virtual: Any) -> None:
    """A run in which nobody waits for anything that can come ends with an error that says who waits."""

    async def waits_for_ever() -> None:
        await anyio.Event().wait()

    began = time.monotonic()
    with pytest.raises(Hang, match="waits_for_ever"):
        virtual.run(waits_for_ever)
    assert time.monotonic() - began < 10


def test_a_loop_without_end_is_found(virtual: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that goes on and on at one moment ends with an error as well."""
    monkeypatch.setattr(virtual, "TURNS", 1000)

    async def spins() -> None:
        while True:
            await anyio.lowlevel.checkpoint()

    with pytest.raises(Hang, match="spins"):
        virtual.run(spins)


def test_the_same_chance_is_the_same_run(virtual: Any) -> None:
    """Tasks that are ready at once run in the same order where `random` was seeded the same."""

    async def main() -> list[int]:
        order: list[int] = []

        async def steps(number: int) -> None:
            for _ in range(10):
                order.append(number)
                await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as tasks:
            for number in range(5):
                tasks.start_soon(steps, number)
        return order

    runs: list[list[int]] = []
    for seed in (1, 1, 2, 2, 3, 3):
        random.seed(seed)
        runs.append(virtual.run(main))
    assert runs[0::2] == runs[1::2]


def test_what_is_raised_comes_out(virtual: Any) -> None:
    """An exception is its own, in no group."""

    async def main() -> None:
        await anyio.sleep(1)
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        virtual.run(main)
