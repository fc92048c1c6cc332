"""What a client's driver keeps for the tasks that wait: the opening, pongs, why there is no connection."""

from __future__ import annotations

import base64
import hashlib

import pytest

from tests.core.peer import CLOSE, PING, close, pong, text
from tests.core.port import ClientPort, FakeChannel, turned
from wscore import Config, ConnectionClosed, HandshakeFailed, HandshakeRefused, HandshakeTimeout, LocalProtocolError

PLAIN = Config(compression=False)


def response(port: ClientPort) -> bytes:
    """The server's answer to the request that was written."""
    [key] = [line[19:] for line in port.written.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key: ")]
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    return head + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"


def opened(config: Config = PLAIN) -> ClientPort:
    port = ClientPort(config)
    port.start()
    port.receive_data(response(port))
    assert port.handshake_over
    port.hears()
    port.reads_written()
    return port


def test_the_request_goes_out_at_the_start() -> None:
    """And the handshake is awaited, so long as it may take."""
    port = ClientPort()
    port.start()
    assert port.written.startswith(b"GET /chat HTTP/1.1\r\n")
    assert port.deadline == 10.0
    assert not port.handshake_over


def test_who_waits_for_the_opening_is_told() -> None:
    """Of the server's acceptance."""
    port = ClientPort()
    port.start()
    port.hears()
    port.receive_data(response(port))
    assert ("tell",) in port.hears()
    assert port.handshake_over


def test_a_refusal_is_raised_by_who_waits_for_the_opening() -> None:
    """Once its body has come, and the socket is closed."""
    port = ClientPort()
    port.start()
    port.receive_data(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n")
    assert not port.handshake_over
    port.receive_data(b"no")
    assert port.gone
    with pytest.raises(HandshakeRefused) as refused:
        assert port.handshake_over
    assert refused.value.body == b"no"


def test_a_server_that_does_not_answer_is_given_up() -> None:
    """When the deadline comes."""
    port = ClientPort()
    port.start()
    port.rings()
    assert port.gone
    with pytest.raises(HandshakeTimeout):
        assert port.handshake_over


def test_why_the_way_to_the_server_failed_is_kept() -> None:
    """Before the connection is open it is that error that is raised, and not that the connection was lost."""
    port = ClientPort(channel=FakeChannel())
    port.start()
    port.receive_data(b"?")
    with pytest.raises(ConnectionResetError, match="as the test asked"):
        assert port.handshake_over
    port = ClientPort(channel=FakeChannel())
    port.start()
    port.receive_eof()
    with pytest.raises(ConnectionResetError, match="ended within the handshake"):
        assert port.handshake_over


def test_a_way_that_takes_too_long_is_not_the_servers_fault() -> None:
    """A TimeoutError, which says nothing of a server that did not answer."""
    port = ClientPort(channel=FakeChannel())
    port.start()
    port.rings()
    with pytest.raises(TimeoutError) as late:
        assert port.handshake_over
    assert not isinstance(late.value, HandshakeFailed)


def test_a_channel_that_fails_later_is_a_lost_connection() -> None:
    """How it ended is told as for any other."""
    port = ClientPort(PLAIN, channel=FakeChannel())
    port.start()
    port.receive_data(b"!")
    port.written = turned(port.written.removeprefix(b"hello ready "))
    port.receive_data(turned(response(port)))
    assert port.handshake_over
    port.receive_data(b"?")
    assert port.failure is None
    with pytest.raises(ConnectionClosed):
        port.next_message()


def test_the_end_of_tcp_waits_for_no_flush() -> None:
    """Behind both close frames nothing is left to write, and with the server's goodbye the socket is closed."""
    port = ClientPort(PLAIN, channel=FakeChannel())
    port.start()
    port.receive_data(b"!")
    port.written = turned(port.written.removeprefix(b"hello ready "))
    port.receive_data(turned(response(port)))
    port.core.close(now=0.0)
    port.sync()
    port.receive_data(turned(close(1000, mask=None)))
    assert not port.closed
    port.gathers = True
    port.receive_data(b".")
    assert port.written.endswith(b" bye")
    assert port.closed


def test_a_message_is_given_and_then_waited_for() -> None:
    """None until there is one; an error once there cannot be."""
    port = opened()
    assert port.next_message() is None
    port.receive_data(text("a", mask=None))
    assert port.hears() == [("wake",)]
    assert port.next_message() == "a"
    port.receive_data(close(1000, mask=None))
    assert ("wake",) in port.hears()
    with pytest.raises(ConnectionClosed):
        port.next_message()


def test_what_is_answered_at_once_goes_out_in_one_piece() -> None:
    """As at the other end."""
    port = opened()

    def answers() -> None:
        while port.next_message() is not None:
            port.send_message("y")

    port.on_wake = answers
    port.receive_data(text("x", mask=None) * 5)
    assert port.hears() == [("wake",), ("write", 5 * 7)]


def test_what_makes_room_is_looked_at() -> None:
    """Taking messages starts reading again, and an end behind them is answered."""
    port = opened(Config(max_queue=2, compression=False))
    port.receive_data(text("x", mask=None) * 3 + close(4000, mask=None))
    assert not port.reads
    assert [port.next_message() for _ in range(3)] == ["x", "x", "x"]
    assert port.reads
    with pytest.raises(ConnectionClosed):
        port.next_message()
    assert port.written[0] == 0x80 | CLOSE


def test_the_server_ends_tcp_first() -> None:
    """After both close frames the client only reads, until the server's end; then it closes."""
    port = opened()
    port.core.close(now=0.0)
    port.sync()
    port.receive_data(close(1000, mask=None))
    assert not port.half_closed
    port.receive_eof()
    assert port.closed
    assert ("tell",) in port.hears()


def test_a_server_that_ends_nothing_is_left() -> None:
    """After `close_timeout`, whenever the close was said."""
    port = opened()
    port.time.now = 0.35
    port.core.close(now=0.35)
    port.sync()
    assert port.deadline == 10.0  # the handshake's, which was told first: earlier than what is due
    port.rings()
    assert port.deadline == 10.35
    port.rings()
    assert port.gone


def test_who_waits_for_the_end_is_told_of_the_sockets() -> None:
    """Though the connection had ended before, and nothing else has changed since."""
    port = opened(Config(compression=False, ping_interval=None))
    port.gathers = True
    port.core.close(now=0.0)
    port.sync()
    port.rings()
    assert not port.gone
    port.hears()
    port.flush()
    assert port.gone
    assert ("tell",) in port.hears()


def test_pongs_are_kept_for_who_waits() -> None:
    """Of pings that a task waits for, with the seconds that they took; keepalive's are nobody's."""
    port = opened()
    payload = port.core.ping(now=0.0)
    port.pongs[payload] = None
    port.sync()
    assert port.pong(payload) is None
    port.time.now = 0.5
    port.hears()
    port.receive_data(pong(payload, mask=None))
    assert ("tell",) in port.hears()
    assert port.pong(payload) == 0.5
    port.reads_written()
    while not port.written:
        port.rings()
    kind, length, mask = port.written[0] & 0xF, port.written[1] & 0x7F, port.written[2:6]
    assert kind == PING
    keepalive = bytes(byte ^ mask[index % 4] for index, byte in enumerate(port.written[6:]))
    assert len(keepalive) == length
    port.receive_data(pong(keepalive, mask=None))
    assert list(port.pongs) == [payload]
    assert port.core.stats.latency == 0.0


def test_a_pong_that_cannot_come_is_an_error() -> None:
    """Told to who waits for it."""
    port = opened()
    payload = port.core.ping(now=0.0)
    port.pongs[payload] = None
    port.hears()
    port.lost()
    assert ("tell",) in port.hears()
    with pytest.raises(ConnectionClosed):
        port.pong(payload)


def test_who_sends_waits_for_room() -> None:
    """While the library holds much; not once the connection has ended, which `send` then says."""
    port = opened(Config(max_output_size=100, compression=False))
    assert not port.send_message("x" * 500)
    port.capacity = 1
    assert port.send_message("x" * 500)
    assert port.must_wait
    port.drains()
    assert not port.must_wait
    port.send_message("a")
    assert port.must_wait
    port.lost()
    assert not port.must_wait
    with pytest.raises(ConnectionClosed):
        port.send_message("a")


def test_sending_before_the_opening_is_a_mistake() -> None:
    """As the core has it."""
    port = ClientPort()
    port.start()
    with pytest.raises(LocalProtocolError):
        port.send_message("early")


def test_a_second_loss_is_ignored() -> None:
    """Its task is woken by the first, and the first error counts."""
    port = opened()
    port.lost(ConnectionResetError("first"))
    info = port.core.close_info
    port.hears()
    port.lost(ConnectionResetError("second"))
    assert port.hears() == []
    assert port.core.close_info == info
