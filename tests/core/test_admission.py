"""Whether one more connection is served."""

import errno
import os

import pytest

from tests.core.peer import Client, head
from wscore import Admission, ServerConfig, State, admission, is_resource_exhaustion


def test_without_a_limit_all_are_served():
    """Without a limit every connection is served."""
    assert admission(ServerConfig(), 10**9) is Admission.SERVE


@pytest.mark.parametrize(
    ("connections", "verdict"),
    [
        (0, Admission.SERVE),
        (9, Admission.SERVE),
        (10, Admission.REJECT),
        (109, Admission.REJECT),
        (110, Admission.DROP),
        (10**6, Admission.DROP),
    ],
)
def test_a_full_server_says_so_and_a_flooded_one_says_nothing(connections: int, verdict: Admission):
    """At the limit a client gets 503; a hundred of those later it gets nothing."""
    assert admission(ServerConfig(max_connections=10), connections) is verdict


def test_turned_away_gets_503():
    """A connection that is turned away gets 503 to its request, not before it, and its application is never started."""
    client = Client()
    client.connection.reject(now=0)
    assert client.connection.data_to_send() == b""
    client.sends(head())
    answer = client.reads_response()
    assert (answer.status, answer.body) == (503, b"too many connections\n")
    assert client.connection.state is State.LINGERING
    assert client.connection.scope is None


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM], ids=os.strerror)
def test_out_of_resources(number: int):
    """Out of files or memory is the system's trouble: worth a pause."""
    assert is_resource_exhaustion(OSError(number, ""))


@pytest.mark.parametrize(
    "error", [OSError(errno.ECONNABORTED, ""), OSError(errno.EPROTO, ""), ConnectionResetError(), OSError("no number")]
)
def test_one_client_that_went_away(error: OSError):
    """Any other failure to accept is one client's."""
    assert not is_resource_exhaustion(error)
