"""What a server's driver does with its application and its logs."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from tests.core.peer import CLOSE, close, head, read_frames, read_response, text
from tests.core.port import FakeChannel, ServerPort, turned
from wscore import ClientDisconnected, Config, Driver, InvalidMessage, LocalProtocolError, Peer, PreparedMessage, State

PLAIN = Config(compression=False)


def opened(config: Config = PLAIN) -> ServerPort:
    port = ServerPort(config)
    port.opens()
    return port


# -- the application's beginning


def test_the_application_is_started_once() -> None:
    """With the scope, when the request is whole."""
    port = ServerPort()
    port.start()
    request = head()
    port.receive_data(request[:-1])
    assert port.scopes == []
    port.receive_data(request[-1:])
    port.sync()
    port.next_message()
    port.send_message({"type": "websocket.accept"})
    assert [scope["path"] for scope in port.scopes] == ["/chat"]


def test_reading_goes_on_once_an_application_that_left_messages_is_over() -> None:
    """Nobody will take them, so the peer's end behind them is seen, and no closing has to time out for it."""
    port = opened(Config(compression=False, max_queue=1, ping_interval=4.0, ping_timeout=4.0))
    port.receive_data(text("one") + text("two"))
    port.unacknowledged = 1  # so that the overdue pong is not excused by the pause
    while port.core.state is State.OPEN:
        port.unacknowledged += len(port.reads_written())
        port.rings()
    assert (port.core.state, port.reads) == (State.LINGERING, False)
    port.application_returned()
    assert port.reads
    port.receive_eof()
    assert port.closed


def test_no_application_is_started_for_a_request_that_is_refused() -> None:
    """The answer goes out, and TCP ends behind it."""
    port = ServerPort()
    port.start()
    port.receive_data(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert port.scopes == []
    assert read_response(port.written).status == 426
    assert port.half_closed


def test_the_scope_says_what_tls_has_agreed() -> None:
    """The channel is asked once it is ready, which is before the request."""
    port = ServerPort(channel=FakeChannel(), peer=Peer(("a", 1)))
    port.start()
    port.receive_data(b"!")
    port.receive_data(turned(head()))
    [scope] = port.scopes
    assert scope["scheme"] == "wss"
    assert scope["extensions"]["tls"] == {"tls_version": 0x0304}


def test_a_channel_that_agreed_on_nothing_adds_no_tls_extension() -> None:
    """The extension is there where the channel has something to tell."""

    class Plain(FakeChannel):
        def tls_extension(self) -> None:  # type: ignore[override]
            return None

    port = ServerPort(channel=Plain())
    port.start()
    port.receive_data(b"!")
    port.receive_data(turned(head()))
    [scope] = port.scopes
    assert "tls" not in scope["extensions"]


def test_the_application_is_called_with_the_scope_and_its_end_is_taken() -> None:
    """`run_application` is what a transport's task does; whatever the application raises ends one connection."""
    called: list[Any] = []

    async def returns(scope: Any, receive: Any, send: Any) -> None:
        called.append((scope["path"], receive, send))

    async def fails(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("no")

    for app in (returns, fails):
        port = ServerPort()
        port.start()
        port.receive_data(head())
        with pytest.raises(StopIteration):
            port.run_application(app, port.scopes[0]).send(None)
        assert read_response(port.written).status == 500
        assert [type(error) for _, error in port.failures] == [type(None) if app is returns else ValueError]
    assert called[0][0] == "/chat"


def test_one_message_for_many_is_posted_by_the_scope() -> None:
    """Written at once, and refused where it would have to wait, or nobody is there any more."""
    port = opened()
    port.capacity = 1
    assert port.send_nowait(PreparedMessage("to all"))
    assert port.written == b"\x81\x06to all"
    assert not port.send_nowait(PreparedMessage("again"))
    port.drains()
    assert port.send_nowait(PreparedMessage("again"))
    port.drains()
    port.lost()
    assert not port.send_nowait(PreparedMessage("again"))


def test_one_message_for_many_joins_a_flush_that_is_planned() -> None:
    """It goes out with what was sent before it, in one write."""
    port = opened()
    port.gathers = True
    port.says("a")
    assert port.send_nowait(PreparedMessage("to all"))
    assert port.written == b""
    port.flush()
    assert port.written == b"\x81\x01a\x81\x06to all"


def test_the_scope_has_a_way_to_post() -> None:
    """With the `send` that it was given, so that an application can tell whether a middleware stands between."""
    port = opened()
    [scope] = port.scopes
    assert scope["extensions"]["wscore.send_nowait"] == {"send_nowait": port.send_nowait, "send": port.send}


# -- the application's steps


def test_what_makes_room_is_looked_at() -> None:
    """Taking a message may start reading again, and lets an end take effect that waited behind it."""
    port = opened(Config(max_queue=2, compression=False))
    port.receive_data(text("x") * 3 + close(4000))
    assert not port.reads
    taken: list[Any] = []
    while (message := port.next_message()) is not None:
        taken.append(message)
        if message["type"] == "websocket.disconnect":
            break
    assert [each.get("text", each.get("code")) for each in taken] == ["x", "x", "x", 4000]
    assert port.reads
    assert [each.opcode for each in read_frames(port.written)] == [CLOSE]
    assert port.half_closed


def test_who_asks_after_the_last_message_is_told() -> None:
    """Waiting would be for ever."""
    port = opened()
    port.lost()
    assert port.next_message() == {"type": "websocket.disconnect", "code": 1006, "reason": "connection lost"}
    with pytest.raises(LocalProtocolError):
        port.next_message()


@pytest.mark.parametrize(
    ("message", "waits"),
    [
        ({"type": "websocket.send", "text": "a"}, True),
        ({"type": "websocket.http.response.body", "body": b"a"}, True),
        ({"type": "websocket.close"}, False),
        ({"type": "websocket.accept"}, False),
        ({}, False),
        (None, False),
    ],
)
def test_only_content_waits_for_room(message: Any, waits: bool) -> None:
    """A close need not: nothing comes behind it. What is no message is for the core to refuse."""
    port = opened()
    port.capacity = 1
    port.says("a")
    port.hears()
    with contextlib.suppress(LocalProtocolError, InvalidMessage):
        assert port.send_message(message) is waits
    assert (("waits for room",) in port.told) is waits
    port.lost()
    with pytest.raises((ClientDisconnected, LocalProtocolError)):  # nobody waits for room that cannot come
        port.says("a")


def test_a_large_message_is_waited_for_behind_it() -> None:
    """Only one that is larger than what may be held, and only while the library has not taken it."""
    port = opened(Config(max_output_size=100, compression=False))
    assert not port.says("x" * 50)
    assert not port.says("x" * 500)
    port.capacity = 10
    assert port.says("x" * 500)
    port.drains()
    assert not port.says("x" * 50)


def test_who_waits_behind_a_large_message_is_told_that_it_cannot_arrive() -> None:
    """The connection is lost before most of it is written."""
    port = opened(Config(max_output_size=100, compression=False))
    port.capacity = 10
    sending = port.send({"type": "websocket.send", "text": "x" * 500})
    sending.send(None)
    port.lost()
    with pytest.raises(ClientDisconnected):
        sending.send(None)


# -- the application's end


def test_an_application_that_returns_closes_its_connection() -> None:
    """With 1000, and nothing is logged."""
    port = opened()
    port.application_returned()
    [frame] = read_frames(port.written)
    assert frame.payload == b"\x03\xe8"
    assert port.failures == []


def test_an_application_that_raises_closes_its_connection() -> None:
    """With 1011, and the log has what it raised; where a group holds one exception alone, that."""
    port = opened()
    error = ValueError("as the test asked")
    port.application_raised(ExceptionGroup("around", [error]))
    [frame] = read_frames(port.written)
    assert frame.payload[:2] == b"\x03\xf3"
    [(said, logged)] = port.failures
    assert logged is error
    assert said.startswith("the application failed (<ServerConnection OPEN")


def test_an_application_that_returns_without_an_answer_is_logged() -> None:
    """Its client gets 500."""
    port = ServerPort()
    port.start()
    port.receive_data(head())
    port.application_returned()
    assert read_response(port.written).status == 500
    [(said, error)] = port.failures
    assert said.startswith("the application returned before it sent websocket.accept")
    assert error is None


def test_an_interrupt_is_for_the_program() -> None:
    """It ends the connection as any failure, and goes on."""
    port = opened()
    with pytest.raises(KeyboardInterrupt):
        port.application_raised(KeyboardInterrupt())
    assert port.core.close_info is not None
    assert len(port.failures) == 1


def test_an_application_that_lets_the_news_out_that_its_client_left_has_not_failed() -> None:
    """Nothing is logged."""
    port = opened()
    port.lost()
    port.application_raised(ClientDisconnected(1006, ""))
    assert port.failures == []


@pytest.mark.parametrize("error", [None, GeneratorExit()])
def test_an_application_that_was_cancelled_has_not_failed(error: BaseException | None) -> None:
    """Its connection is closed with 1011, and nothing is logged."""
    port = opened()
    port.application_raised(error, GeneratorExit)
    [frame] = read_frames(port.written)
    assert frame.payload[:2] == b"\x03\xf3"
    assert port.failures == []


def test_a_connection_is_over_when_both_are() -> None:
    """The socket and the application, whichever is first; once."""
    first, second = opened(), opened()
    first.application_returned()
    assert first.overs == 0
    first.lost()
    second.lost()
    assert second.overs == 0
    second.application_returned()
    second.lost()
    assert (first.overs, second.overs) == (1, 1)
    assert first.core.scope is second.core.scope is None, "a circle, for the garbage collector"


def test_a_second_loss_is_ignored() -> None:
    """The first error counts."""
    port = opened()
    port.lost(ConnectionResetError("first"))
    info = port.core.close_info
    port.hears()
    Driver.lost(port, ConnectionResetError("second"))
    port.lost(ConnectionResetError("third"))
    assert port.hears() == []
    assert port.core.close_info == info


def test_a_connection_without_an_application_is_over_with_its_socket() -> None:
    """There is nobody else to wait for."""
    port = ServerPort()
    port.start()
    port.lost()
    assert port.overs == 1


def test_a_shutdown_closes() -> None:
    """With 1012, and the application hears of it."""
    port = opened()
    port.begin_shutdown()
    [frame] = read_frames(port.written)
    assert frame.payload[:2] == b"\x03\xf4"
    assert ("wake",) in port.told


# -- the logs


def test_the_access_log_has_every_record_once() -> None:
    """One for the answer, one for the end."""
    port = opened()
    port.sync()
    port.receive_data(close(4000))
    port.next_message()
    port.receive_eof()
    port.sync()
    assert len(port.access) == 2
    assert port.core.state is State.CLOSED
    assert port.core.access_records == []
    assert port.access[0].status == 101
    assert port.access[1].code == 4000


def test_a_handshake_of_tls_that_fails_is_nobodys_mistake() -> None:
    """A line in the log says why; once TLS stands, its failing is a lost connection like any other."""
    port, later = ServerPort(channel=FakeChannel()), ServerPort(channel=FakeChannel())
    ended = ServerPort(channel=FakeChannel())
    for each in (port, later, ended):
        each.start()
    ended.receive_eof()
    assert ended.notices == ["TLS handshake failed: ended within the handshake"]
    assert ended.gone
    port.receive_data(b"?")
    assert port.notices == ["TLS handshake failed: as the test asked"]
    later.receive_data(b"!")
    later.receive_data(b"?")
    assert later.notices == []
    assert later.gone
