"""A close frame that was read before the connection was lost is how it ended, however many messages stand before it."""

from __future__ import annotations

from typing import Literal

import pytest

from tests.core.peer import ACCEPT_OF_KEY, CLOSE, DEFLATE, TEXT, Client, Compressor, close, frame, text
from wscore import ClientConnection, Close, Closing, Config, ConnectionClosed, State

Engine = Literal["native", "wsproto"]
Ends = Literal["eof", "loss", "eof, loss", "eof, time", "eof, time, loss"]

ENGINES: list[Engine] = ["native", "wsproto"]
ENDS: list[Ends] = ["eof", "loss", "eof, loss", "eof, time", "eof, time, loss"]
COUNTS = [1, 31, 32, 33, 40, 64, 1000]  # 32 is the default of `max_queue`
BYE = (4003).to_bytes(2) + b"bye"


def end(connection: Client | ClientConnection, how: Ends) -> None:
    core = connection.connection if isinstance(connection, Client) else connection
    now = 0.0
    for each in how.split(", "):
        if each == "eof":
            core.receive_eof(now=now)
        elif each == "loss":
            core.connection_lost(now=now)
        else:
            now += core.config.close_timeout
            core.handle_timeout(now=now)


def server(engine: Engine, *, compressed: bool = False, **limits: int) -> Client:
    client = Client(Config(engine=engine, **limits))
    if compressed:
        client.opens_compressed()
    else:
        client.opens()
    return client


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("count", COUNTS)
def test_a_server_tells_what_came(engine: Engine, compressed: bool, how: Ends, count: int) -> None:
    """All messages, and the close frame's code and reason, however the stream ended behind them."""
    client = server(engine, compressed=compressed)
    messages = [str(number) for number in range(count)]
    encode = Compressor().text if compressed else text
    client.sends(*map(encode, messages), close(4003, "bye"))
    end(client, how)
    *received, last = client.app_receives()
    assert [message["text"] for message in received] == messages
    assert last == {"type": "websocket.disconnect", "code": 4003, "reason": "bye"}
    info = client.connection.close_info
    assert info is not None
    assert (info.cause, info.code, info.received) == ("peer", 4003, Close(4003, "bye"))
    if "loss" in how:
        assert (client.connection.state, client.connection.closing) == (State.CLOSED, Closing.ABORT)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("count", COUNTS)
def test_a_client_tells_what_came(engine: Engine, compressed: bool, how: Ends, count: int) -> None:
    """All messages, and then an error with the close frame's code and reason."""
    core = ClientConnection(
        "ws://h/", Config(engine=engine), now=0.0, random=lambda size: (b"the sample nonce" * size)[:size]
    )
    extensions = b"Sec-WebSocket-Extensions: " + DEFLATE + b"\r\n" if compressed else b""
    answer = (
        b"HTTP/1.1 101 \r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + ACCEPT_OF_KEY + b"\r\n" + extensions + b"\r\n"
    )
    messages = [str(number) for number in range(count)]
    compressor = Compressor()
    frames = [
        frame(TEXT, compressor.payload(message.encode()), rsv=0b100, mask=None)
        if compressed
        else frame(TEXT, message.encode(), mask=None)
        for message in messages
    ]
    core.receive_data(b"".join([answer, *frames, frame(CLOSE, BYE, mask=None)]), now=0.0)
    assert core.opened
    end(core, how)
    received = []
    while (message := core.next_message(now=0.0)) is not None:
        received.append(message)
    assert received == messages
    with pytest.raises(ConnectionClosed) as closed:
        core.check_receive()
    assert (closed.value.code, closed.value.reason, closed.value.received) == (4003, "bye", Close(4003, "bye"))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_violation_behind_messages(engine: Engine) -> None:
    """It is told likewise."""
    client = server(engine)
    client.sends(*[text("x")] * 40, frame(TEXT, b"\xff"))
    client.connection.connection_lost(now=0.0)
    *received, last = client.app_receives()
    assert len(received) == 40
    assert last == {"type": "websocket.disconnect", "code": 1007, "reason": "invalid payload"}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("how", ["loss", "eof, loss"])
def test_no_close_frame_behind_messages(engine: Engine, how: Ends) -> None:
    """Where none came, 1006 stays."""
    client = server(engine)
    client.sends(*[text("x")] * 40, close(4003)[:-1])
    end(client, how)
    *received, last = client.app_receives()
    assert len(received) == 40
    assert last["code"] == 1006


@pytest.mark.parametrize("raised", [False, True])
def test_an_application_that_does_not_look(raised: bool) -> None:
    """What was not asked for is dropped with the application's end. The access log has its record at once."""
    client = server("native")
    client.sends(*[text("x")] * 40, close(4003))
    client.connection.connection_lost(now=0.0)
    last = client.connection.access_records[-1]
    assert (last.event, last.code, last.cause, last.messages_received) == ("closed", 1006, "transport", 32)
    if raised:
        client.connection.application_raised(now=1.0)
    else:
        client.connection.application_returned(now=1.0)
    assert len(client.connection.access_records) == 2
    assert client.app_receives() == [{"type": "websocket.disconnect", "code": 1006, "reason": "connection lost"}]


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_held_stays_bounded(engine: Engine) -> None:
    """After a loss as before it no more is inflated than the queue takes: a small read may hold gigabytes."""
    client = server(engine, compressed=True, max_queue_size=100_000)
    compressor = Compressor()
    client.sends(*[compressor.text("x" * 60_000) for _ in range(200)], close(4003))
    client.connection.receive_eof(now=0.0)
    client.connection.connection_lost(now=0.0)
    stats, taken = client.connection.stats, 0
    while (message := client.connection.next_message(now=0.0)) is not None and "text" in message:
        taken += 60_000
        assert stats.bytes_received - taken <= 160_000
    assert taken == 200 * 60_000
    assert message is not None
    assert message["type"] == "websocket.disconnect"
    assert message["code"] == 4003
