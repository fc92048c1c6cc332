"""When a shutdown is over: what a server has to do, and by when."""

from __future__ import annotations

import pytest

from wscore import Config, ServerConfig, Shutdown, ShutdownAction

Act = ShutdownAction
CONFIG = ServerConfig(shutdown_grace=5, close_timeout=10)  # the defaults' proportions, which are what they are


def begun(config: Config = CONFIG) -> Shutdown:
    shutdown = Shutdown(config)
    shutdown.begin(100)
    assert shutdown.actions() == [Act.ASK]
    return shutdown


def test_nothing_happens_while_the_server_serves() -> None:
    """News of connections and of the lifespan, and the time, mean nothing before the shutdown has begun."""
    shutdown = Shutdown(CONFIG)
    shutdown.connections_gone(1)
    shutdown.lifespan_over()
    shutdown.handle_timeout(1000)
    assert shutdown.actions() == []
    assert shutdown.next_timeout() is None
    assert not shutdown.begun
    assert not shutdown.over


def test_a_shutdown_without_trouble() -> None:
    """Connections end when they are asked to, then the lifespan: nobody is cancelled."""
    shutdown = begun()
    assert shutdown.begun
    assert shutdown.next_timeout() == 105
    shutdown.connections_gone(101)
    assert shutdown.actions() == [Act.STOP_LIFESPAN]
    assert shutdown.next_timeout() == 115
    shutdown.lifespan_over()
    assert shutdown.actions() == [Act.END]
    assert shutdown.over
    assert shutdown.next_timeout() is None


def test_every_deadline_passes() -> None:
    """The grace, the close timeout and the lifespan's share follow one another, and nothing else is waited for."""
    shutdown = begun()
    seen = []
    while (now := shutdown.next_timeout()) is not None:
        shutdown.handle_timeout(now - 0.01)
        assert shutdown.actions() == []
        shutdown.handle_timeout(now)
        seen.append((now, shutdown.actions()))
    assert seen == [
        (105, [Act.CANCEL]),
        (115, [Act.ABORT, Act.STOP_LIFESPAN]),
        (116, [Act.GIVE_UP_LIFESPAN, Act.END]),
    ]
    assert shutdown.over
    assert now is None
    assert Shutdown.longest(CONFIG) == 16


@pytest.mark.parametrize("gone", [100.0, 104.0, 114.0, 114.9])
def test_the_lifespan_always_has_its_share(gone: float) -> None:
    """However late the last connection went, the lifespan's shutdown has a second, or else what they left over."""
    shutdown = begun()
    if gone > 105:
        shutdown.handle_timeout(105)
    shutdown.connections_gone(gone)
    assert shutdown.next_timeout() == max(115, gone + 1)


def test_no_grace_at_all() -> None:
    """Without a grace applications are cancelled at once, and the lifespan has its share all the same."""
    shutdown = begun(ServerConfig(shutdown_grace=0, close_timeout=0.1))
    shutdown.handle_timeout(100)
    assert shutdown.actions() == [Act.CANCEL]
    shutdown.handle_timeout(100.2)
    assert shutdown.actions() == [Act.ABORT, Act.STOP_LIFESPAN]
    assert shutdown.next_timeout() == pytest.approx(101.2)


def test_a_loop_that_was_held_up() -> None:
    """Far too late, each step is still one of its own: those who were held up get a turn between them."""
    shutdown = begun()
    shutdown.handle_timeout(200)
    assert shutdown.actions() == [Act.CANCEL]
    shutdown.handle_timeout(200)
    assert shutdown.actions() == [Act.ABORT, Act.STOP_LIFESPAN]
    shutdown.handle_timeout(200)
    assert shutdown.actions() == []
    assert shutdown.next_timeout() == 201


def test_everything_twice() -> None:
    """Whatever is told twice has its effect once, and moves no deadline."""
    shutdown = begun()
    shutdown.begin(103)
    assert shutdown.next_timeout() == 105
    for now in (101, 102):
        shutdown.connections_gone(now)
    assert shutdown.actions() == [Act.STOP_LIFESPAN]
    shutdown.lifespan_over()
    shutdown.lifespan_over()
    shutdown.begin(110)
    shutdown.abort()
    assert shutdown.actions() == [Act.END]


@pytest.mark.parametrize("when", ["serving", "asking", "cancelling", "stopping"])
def test_an_abort(when: str) -> None:
    """At any time it cuts off what is left, and is the end."""
    shutdown = Shutdown(CONFIG)
    if when != "serving":
        shutdown.begin(100)
    if when == "cancelling":
        shutdown.handle_timeout(105)
    if when == "stopping":
        shutdown.connections_gone(101)
    shutdown.actions()
    shutdown.abort()
    shutdown.abort()
    assert shutdown.actions() == [Act.ABORT, Act.END]
    assert shutdown.over
    assert shutdown.begun
    assert shutdown.next_timeout() is None
