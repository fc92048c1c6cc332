"""A worker's end of the line to its supervisor, with the test as the supervisor."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from wscore._cli.supervisor.worker import InheritedSockets

from ..real_time import TIMEOUT

START = """
import os, signal, sys, time
from wscore._cli.failure import Failure
from wscore._cli.supervisor.worker import InheritedSockets, ControlChannel

inheritance = InheritedSockets.parse(sys.argv[1])
line = ControlChannel(inheritance.line)
"""
WAIT = "while True: time.sleep(60)\n"


@contextmanager
def worker(code: str) -> Iterator[tuple[subprocess.Popen[str], socket.socket]]:
    """Run `code` with `line`, the worker's end; gives the process and the other end."""
    with ExitStack() as stack:
        ours, theirs = socket.socketpair()
        stack.enter_context(ours)
        ours.settimeout(TIMEOUT)
        with theirs, socket.create_server(("127.0.0.1", 0)) as listener:
            fds = InheritedSockets(theirs.fileno(), [listener.fileno()])
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", START + code, str(fds)],
                    stdout=subprocess.PIPE,
                    text=True,
                    pass_fds=(fds.line, *fds.sockets),
                )
            )
        try:
            yield process, ours
        finally:
            process.kill()


def test_the_descriptors_are_read_as_they_are_written():
    """One line, and any number of sockets."""
    inheritance = InheritedSockets.parse(str(InheritedSockets(5, [3, 4])))
    assert inheritance.line == 5
    assert inheritance.sockets == (3, 4)


@pytest.mark.parametrize("text", ["", "5", "5:", "5:x", ":3"])
def test_other_forms_are_refused(text):
    """A ValueError, which the command line turns into a line."""
    with pytest.raises(ValueError, match="invalid literal"):
        InheritedSockets.parse(text)


def test_what_a_worker_says_is_a_line_each():
    """That it serves, and why it cannot: with the exit status, whatever characters the reason has."""
    with worker("line.serves(lambda: None)\nline.failed(Failure('no caf\\u00e9 \\udc80', status=2))\n") as (
        process,
        ours,
    ):
        process.wait(TIMEOUT)
        assert ours.recv(1000) == "serves\nfailed 2 no café \\udc80\n".encode()


def test_a_worker_is_told_to_retire():
    """In pieces as well, and only by the whole word."""
    with worker("line.serves(lambda: print('retired', flush=True))\n" + WAIT) as (process, ours):
        assert ours.recv(1000) == b"serves\n"
        for piece in (b"ret\nre", b"tire", b"\n"):
            ours.sendall(piece)
        assert process.stdout is not None
        assert process.stdout.readline() == "retired\n"
        assert process.poll() is None


def test_a_closed_line_is_a_signal():
    """The supervisor is gone, whatever the worker does at the time: SIGTERM, by default the end."""
    with worker("line.serves(lambda: None)\n" + WAIT) as (process, ours):
        assert ours.recv(1000) == b"serves\n"
        ours.close()
        assert process.wait(TIMEOUT) == -signal.SIGTERM


def test_a_hangup_is_none_of_its_business():
    """Whoever sends SIGHUP to all processes of that name means the supervisor."""
    with worker("os.kill(os.getpid(), signal.SIGHUP)\nline.serves(lambda: None)\n" + WAIT) as (process, ours):
        assert ours.recv(1000) == b"serves\n"
        assert process.poll() is None


def test_programs_that_the_application_starts_inherit_nothing():
    """Neither the line nor a listening socket, which would be held open by them."""
    code = (
        "import socket\n"
        "sockets = inheritance.listening_sockets()\n"
        "print([os.get_inheritable(fd) for fd in (inheritance.line, *inheritance.sockets)])\n"
    )
    with worker(code) as (process, _):
        assert process.stdout is not None
        assert process.stdout.readline() == "[False, False]\n"
