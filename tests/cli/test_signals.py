"""The first signal ends `wscore run` gracefully, the second at once; nothing an application does prevents it."""

import signal

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from ..real_time import TIMEOUT

SIGNALS = [signal.SIGINT, signal.SIGTERM]
QUICK = ["--timeout-graceful-shutdown", "0.2", "--ws-close-timeout", "0.2"]  # for ends by force
PATIENT = ["--timeout-graceful-shutdown", "3600"]  # for ends that must not be by force


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_gracefully_with_status_0(command, backend, number):
    """T8: open connections are closed with 1012; the end that was asked for is a success, whichever signal it was."""
    running = command.run("app:echo", "--backend", backend, *PATIENT)
    with connect(running.url()) as client:
        client.send("hello")
        assert client.recv(TIMEOUT) == "hello"
        running.signal(number)
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(TIMEOUT)
    assert closed.value.rcvd.code == 1012
    assert running.ends() == 0
    assert "shutting down" in running.stderr
    assert "Traceback" not in running.stderr


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_to_an_idle_server_ends_it(command, backend, number):
    """Without connections nothing is waited for."""
    running = command.run("app:echo", "--backend", backend, *PATIENT)
    running.url()
    running.signal(number)
    assert running.ends() == 0


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_during_the_startup_ends_it(command, backend, number):
    """An application that never finishes its startup is cancelled."""
    running = command.run("app:starts_for_ever", "--backend", backend)
    assert running.line() == "starting"
    running.signal(number)
    assert running.ends() == 0
    assert running.line() == ""
    assert "Traceback" not in running.stderr


def test_a_second_signal_aborts(command, backend):
    """An application with an hour to end in is given up at the second signal, with status 1 and one line."""
    running = command.run("app:ends_for_ever", "--backend", backend, *PATIENT, "--log-level", "info")
    running.url()
    running.signal(signal.SIGTERM)
    while "shutting down" not in running.stderr:
        assert running.process.poll() is None
    running.signal(signal.SIGINT)
    assert running.ends() == 1


def test_an_application_that_ignores_its_cancellation_cannot_hold_up_the_end(command, backend):
    """After the grace and the close timeout the process ends itself."""
    running = command.run("app:stays", "--backend", backend, *QUICK)
    with connect(running.url()):
        running.signal(signal.SIGTERM)
        running.ends()


def test_a_lifespan_that_does_not_end_cannot_hold_up_the_end(command, backend):
    """The application's lifespan shutdown has the same bound."""
    running = command.run("app:ends_for_ever", "--backend", backend, *QUICK)
    running.url()
    running.signal(signal.SIGTERM)
    running.ends()


def test_an_application_that_blocks_the_event_loop_cannot_hold_up_the_end(command, backend):
    """A plain time.sleep keeps the loop from running at all: the watchdog prints the line that blocks, status 1."""
    running = command.run("app:blocks", "--backend", backend, *QUICK)
    url = running.url()
    with connect(url) as client:
        client.send("block")
        assert running.line() == "blocking"
        running.signal(signal.SIGTERM)
        assert running.ends() == 1
    assert "app.py" in running.stderr
    assert "in blocks" in running.stderr


def test_threads_that_run_meanwhile_do_not_crash_the_watchdog(command, backend):
    """What it prints is read while nothing runs, however busy the application's threads are."""
    running = command.run("app:computes", "--backend", backend, *QUICK)
    with connect(running.url()) as client:
        client.send("block")
        assert running.line() == "blocking"
        running.signal(signal.SIGTERM)
        assert running.ends() == 1
    assert "in blocks" in running.stderr
    assert running.stderr.count("in up_and_down") == 4


def test_an_application_that_lets_no_thread_run_cannot_hold_up_the_end(command, backend):
    """A call into C that keeps the interpreter to itself: the watchdog in C prints its line, status 1."""
    running = command.run("app:holds_the_interpreter", "--backend", backend, *QUICK)
    with connect(running.url()):
        running.signal(signal.SIGTERM)
        assert running.ends() == 1
    assert "in holds_the_interpreter" in running.stderr


def test_a_second_signal_ends_a_blocked_event_loop(command, backend):
    """Even with an hour of grace: a second after the second signal the process is gone."""
    running = command.run("app:blocks", "--backend", backend, *PATIENT)
    with connect(running.url()) as client:
        client.send("block")
        assert running.line() == "blocking"
        running.signal(signal.SIGTERM)
        running.signal(signal.SIGINT)  # another one: two of a kind may arrive as one
        assert running.ends() == 1
