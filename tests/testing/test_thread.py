"""An event loop in a thread: what it is asked for, its exceptions, and its end, whatever the loop does."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import pytest

from wscore.testing import _thread
from wscore.testing._thread import LoopThread

from ..real_time import scaled

SHORT = scaled(0.05)


async def add(a: int, b: int) -> int:
    await anyio.lowlevel.checkpoint()
    return a + b


async def raises(error: BaseException) -> None:
    raise error


def test_it_does_what_it_is_asked_for(backend: str) -> None:
    """One after another, in one loop."""
    with LoopThread(backend, {}) as loop:
        assert [loop.call(5, add, n, 1) for n in range(3)] == [1, 2, 3]


@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt, pytest.fail.Exception])
def test_exceptions_of_any_kind_come_to_who_asked(backend: str, kind: type[BaseException]) -> None:
    """And the loop goes on."""
    with LoopThread(backend, {}) as loop:
        error = kind("here")
        with pytest.raises(kind) as raised:
            loop.call(5, raises, error)
        assert raised.value is error
        assert loop.call(5, add, 1, 1) == 2


def test_a_context_is_entered_and_left_in_one_task(backend: str) -> None:
    """As cancel scopes want it; the block's exception goes through it."""
    tasks: list[int] = []
    seen: list[BaseException] = []

    @asynccontextmanager
    async def manager() -> AsyncIterator[str]:
        tasks.append(anyio.get_current_task().id)
        try:
            yield "value"
        except ValueError as error:
            seen.append(error)
            raise
        finally:
            tasks.append(anyio.get_current_task().id)

    with LoopThread(backend, {}) as loop:
        with loop.entered(5, manager) as value:
            assert value == "value"
        with pytest.raises(ValueError, match="mine"), loop.entered(5, manager):
            raise ValueError("mine")
    assert tasks[0] == tasks[1]
    assert tasks[2] == tasks[3]
    assert [str(error) for error in seen] == ["mine"]


def test_a_context_that_cannot_be_entered_raises(backend: str) -> None:
    """Its own exception."""

    @asynccontextmanager
    async def manager() -> AsyncIterator[None]:
        raise ValueError("no")
        yield

    with LoopThread(backend, {}) as loop, pytest.raises(ValueError, match="no"), loop.entered(5, manager):
        pytest.fail("it was entered")


def test_what_still_runs_is_cancelled_at_the_end(backend: str) -> None:
    """Nothing is left behind."""
    cancelled = threading.Event()

    async def forever() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.set()

    with LoopThread(backend, {}) as loop:
        future = loop._begin(forever)
        assert loop.call(5, add, 1, 1) == 2
    assert future.done()
    assert cancelled.is_set()


@pytest.mark.realtime
def test_a_blocked_loop_is_waited_for_once(backend: str) -> None:
    """The error says where it is; whatever is asked of the loop afterwards fails at once, and so does its end."""
    go_on = threading.Event()

    async def block() -> None:
        go_on.wait(60)

    def test() -> None:
        with LoopThread(backend, {}, patience=scaled(0.3)) as loop:
            threads.append(loop._thread)
            with pytest.raises(TimeoutError, match=r"(?s)blocks its event loop.*in block\n *go_on\.wait"):
                loop.call(SHORT, block)
            with pytest.raises(TimeoutError):
                loop.call(1000, add, 1, 1)

    threads: list[threading.Thread] = []
    with pytest.raises(TimeoutError):
        test()
    go_on.set()
    threads[0].join(20)
    assert not threads[0].is_alive()


def test_after_its_end_it_does_nothing(backend: str) -> None:
    """And says so."""
    with LoopThread(backend, {}) as loop:
        pass
    with pytest.raises(RuntimeError, match="the client was left"):
        loop.call(5, add, 1, 1)


def test_a_backend_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line, with what to install."""

    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(_thread.importlib, "import_module", missing)
    with pytest.raises(ImportError, match=r"backend='trio' needs trio: pip install 'wscore\[trio\]'"):
        LoopThread("trio", {})


def test_options_that_the_backend_refuses_are_refused_on_entering() -> None:
    """The thread's exception is the caller's."""
    with pytest.raises(TypeError), LoopThread("trio", {"no_such": 1}):
        pytest.fail("it has not started")


def test_what_refuses_to_be_cancelled_is_left(backend: str) -> None:
    """The test goes on without it."""
    go_on = threading.Event()

    async def stubborn() -> None:
        while not go_on.is_set():
            with contextlib.suppress(anyio.get_cancelled_exc_class()):
                await anyio.sleep(0.01)

    def test() -> None:
        with LoopThread(backend, {}, patience=SHORT) as loop:
            threads.append(loop._thread)
            loop._begin(stubborn)

    threads: list[threading.Thread] = []
    with pytest.raises(TimeoutError, match="does not end when cancelled"):
        test()
    go_on.set()
    threads[0].join(20)
    assert not threads[0].is_alive()
