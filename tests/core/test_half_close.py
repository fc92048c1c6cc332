"""A client that ends its half of the stream, and reads on: what is still answered, and for how long."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.peer import CLOSE, TEXT, Client, Frame, close, text
from wscore import ClientDisconnected, Closing, Config, State

GONE = {"type": "websocket.disconnect", "code": 1006, "reason": "end of stream without a close frame"}


def asked(**limits: Any) -> Client:
    """A connection whose application has the only message that came, and has not asked for another."""
    client = Client(Config(**limits))
    client.opens()
    client.sends(text("question"))
    message = client.connection.next_message(now=client.now)
    assert message is not None
    assert message["type"] == "websocket.receive"
    return client


def test_the_answer_being_made_goes_out() -> None:
    """An application that has a message in its hands may answer it after the end of the client's stream."""
    client = asked()
    client.ends_its_stream()
    assert (client.connection.state, client.connection.closing) == (State.OPEN, Closing.NO)
    client.app_sends("websocket.send", text="a")
    client.app_sends("websocket.send", text="b")
    assert client.reads_frames() == [Frame(TEXT, b"a"), Frame(TEXT, b"b")]
    assert client.app_receives() == [GONE]
    assert client.connection.state is State.LINGERING


def test_it_may_close_as_well() -> None:
    """Its close frame goes out, and the connection has ended by it."""
    client = asked()
    client.ends_its_stream()
    client.app_sends("websocket.close", code=4000)
    assert client.reads_frames() == [Frame(CLOSE, (4000).to_bytes(2))]
    info = client.connection.close_info
    assert info is not None
    assert (info.cause, info.code) == ("application", 4000)


def test_an_application_that_waits_is_told_at_once() -> None:
    """There is no answer being made."""
    client = asked()
    assert client.connection.next_message(now=0.0) is None
    client.ends_its_stream()
    assert client.connection.state is State.LINGERING
    assert client.app_receives() == [GONE]


def test_an_application_that_was_asked_nothing_makes_no_answer() -> None:
    """Who only sends is told at once that the client has gone, as far as can be known."""
    client = Client()
    client.opens()
    client.ends_its_stream()
    with pytest.raises(ClientDisconnected):
        client.app_sends("websocket.send", text="x")


def test_it_has_the_time_of_a_closing() -> None:
    """After `close_timeout` the end takes effect, whatever the application does."""
    client = asked(close_timeout=3.0)
    client.now = 1.0
    client.ends_its_stream()
    assert client.connection.next_timeout() == 4.0
    client.connection.handle_timeout(now=4.0)
    assert client.connection.state is State.LINGERING
    with pytest.raises(ClientDisconnected):
        client.app_sends("websocket.send", text="x")
    assert client.app_receives() == [GONE]


def test_a_loss_does_not_wait() -> None:
    """No answer could arrive."""
    client = asked()
    client.ends_its_stream()
    client.connection.connection_lost(now=0.0)
    with pytest.raises(ClientDisconnected):
        client.app_sends("websocket.send", text="x")


def test_a_close_frame_does_not_wait() -> None:
    """Who has said that it closes reads no answer (RFC 6455 5.5.1); it is answered at once."""
    client = asked()
    client.sends(close(1000))
    assert client.reads_frames() == [Frame(CLOSE, (1000).to_bytes(2))]
    with pytest.raises(ClientDisconnected):
        client.app_sends("websocket.send", text="x")
