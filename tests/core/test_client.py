"""The client's end of an open connection: what it writes, what it takes, and how it ends."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import pytest

from tests.core import peer
from tests.core.peer import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Frame, frame, pieces
from tests.core.test_client_handshake import DEFLATE, chance, response
from wscore import (
    ClientConnection,
    Close,
    Closing,
    Config,
    ConnectionClosed,
    InvalidMessage,
    LocalProtocolError,
    State,
)

KEY = bytes.fromhex("37fa213d")  # what `chance` gives


def opened(config: Config | None = None, *added: bytes) -> ClientConnection:
    connection = ClientConnection("ws://h/chat", config or Config(compression=False), now=0.0, random=chance)
    connection.data_to_send()
    connection.receive_data(response(*added), now=0.0)
    assert connection.state is State.OPEN
    return connection


def served(connection: ClientConnection, *data: bytes, now: float = 0.0) -> None:
    connection.receive_data(b"".join(data), now=now)


def text(message: str) -> bytes:
    return peer.text(message, mask=None)


def close(code: int | None = None, reason: str = "") -> bytes:
    return peer.close(code, reason, mask=None)


def written(connection: ClientConnection) -> list[Frame]:
    """The frames that the client wrote, each of which has to be masked with a key of its own draw."""
    data, frames = connection.data_to_send(), []
    while data:
        assert data[1] >= 0x80, "not masked (RFC 6455 5.1)"
        length, start = data[1] & 0x7F, 2
        if length >= 126:
            start = 4 if length == 126 else 10
            length = int.from_bytes(data[2:start])
        assert data[start : start + 4] == KEY
        payload = data[start + 4 : start + 4 + length]
        unmasked = bytes(byte ^ KEY[at % 4] for at, byte in enumerate(payload))
        assert data[0] & 0x30 == 0
        frames.append(Frame(data[0] & 0x8F, unmasked, data[0] >> 4 & 0b111))
        data = data[start + 4 + length :]
    return frames


def whole(opcode: int, payload: bytes) -> Frame:
    return Frame(0x80 | opcode, payload)


def closed(connection: ClientConnection) -> ConnectionClosed:
    """The error that all get who ask for something after the end."""
    errors: list[ConnectionClosed] = []
    for call in (
        connection.check_receive,
        lambda: connection.send("x", now=9.0),
        lambda: connection.send_fragment("x", final=False, now=9.0),
        lambda: connection.ping(now=9.0),
    ):
        with pytest.raises(ConnectionClosed, match="ws://h/chat") as caught:
            call()
        errors.append(caught.value)
    return errors[0]


# -- messages


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_messages_as_they_go_out(size: int):
    """A str goes out as text, bytes as binary, in one masked frame with the shortest header."""
    connection = opened()
    connection.send("x" * size, now=0.0)
    connection.send(b"y" * size, now=0.0)
    connection.send(bytearray(b"z" * size), now=0.0)
    connection.send(memoryview(b"z" * size), now=0.0)
    last = whole(BINARY, b"z" * size)
    assert written(connection) == [whole(TEXT, b"x" * size), whole(BINARY, b"y" * size), last, last]
    assert (connection.stats.messages_sent, connection.stats.bytes_sent) == (4, 4 * size)


@pytest.mark.parametrize("cut", [None, 1, 3])
def test_messages_as_they_come(cut: int | None):
    """Text is given as str, binary as bytes, fragments as one message, in any pieces."""
    connection = opened()
    data = b"".join(
        [
            text("grüße"),
            peer.binary(b"\xff" * 300, mask=None),
            frame(TEXT, "gr\u00fc".encode()[:3], fin=False, mask=None),
            frame(PING, b"p", mask=None),
            frame(CONTINUATION, "\u00fc".encode()[1:], mask=None),
            peer.binary(b"z" * 70_000, mask=None),
            text(""),
        ]
    )
    for piece in pieces(data, cut):
        served(connection, piece)
    taken = list(iter(lambda: connection.next_message(now=0.0), None))
    assert taken == ["grüße", b"\xff" * 300, "grü", b"z" * 70_000, ""]
    assert written(connection) == [whole(PONG, b"p")]
    assert connection.stats.messages_received == 5
    connection.check_receive()


@pytest.mark.parametrize("message", [None, 1, ["x"], "\ud800"])
def test_what_is_no_message(message: object):
    """What is neither str nor bytes, or cannot be encoded, is refused, and changes nothing."""
    connection = opened()
    with pytest.raises(InvalidMessage):
        connection.send(message, now=0.0)  # type: ignore[arg-type]
    with pytest.raises(InvalidMessage):
        connection.send_fragment(message, final=True, now=0.0)  # type: ignore[arg-type]
    assert connection.data_to_send() == b""


def test_a_message_in_fragments():
    """A streamed message goes out a frame a piece; pings come between them, a whole message must not."""
    connection = opened()
    connection.send_fragment("a", final=False, now=0.0)
    with pytest.raises(LocalProtocolError, match="fragments"):
        connection.send("x", now=0.0)
    with pytest.raises(InvalidMessage, match="all str or all bytes"):
        connection.send_fragment(b"b", final=True, now=0.0)
    connection.ping(b"p", now=0.0)
    connection.send_fragment("", final=False, now=0.0)
    connection.send_fragment("c", final=True, now=0.0)
    connection.send("x", now=0.0)
    assert written(connection) == [
        Frame(TEXT, b"a"),
        whole(PING, b"p"),
        Frame(CONTINUATION, b""),
        whole(CONTINUATION, b"c"),
        whole(TEXT, b"x"),
    ]
    assert (connection.stats.messages_sent, connection.stats.bytes_sent) == (2, 3)


def test_why_an_open_connection_was_lost():
    """Each error says it, and has it as its cause; a second loss is nothing new."""
    connection = opened()
    error = ConnectionResetError(104, "Connection reset by peer")
    connection.connection_lost(now=1.0, error=error)
    connection.connection_lost(now=2.0, error=OSError("later"))
    for ask in (connection.check_receive, connection.check_delivery, connection.check_pong):
        with pytest.raises(ConnectionClosed, match=r"1006 .connection lost: Connection reset by peer.") as closed:
            ask()
        assert closed.value.__cause__ is error
    with pytest.raises(ConnectionClosed) as closed:
        connection.send("x", now=3.0)
    assert closed.value.__cause__ is error


def test_a_loss_after_the_end_is_not_its_reason():
    """Who has closed is told of that."""
    connection = opened()
    connection.close(now=1.0)
    connection.connection_lost(now=2.0, error=OSError("x"))
    with pytest.raises(ConnectionClosed, match=r"has ended: 1000$") as closed:
        connection.check_receive()
    assert closed.value.__cause__ is None


@pytest.mark.parametrize("takeover", [b"", b"; client_no_context_takeover"])
@pytest.mark.parametrize("parts", [["a" * 100, "b" * 100], ["a" * 100, ""], ["", "a"], ["", ""], ["a", "", "b", ""]])
def test_a_compressed_message_in_fragments(parts: list[str], takeover: bytes):
    """The pieces of a compressed message are one deflate stream, RSV1 set in the first alone (RFC 7692 6.1)."""
    connection = opened(Config(), DEFLATE + b"; server_max_window_bits=12" + takeover)
    inflater = zlib.decompressobj(-12)
    for _ in range(2):
        for index, part in enumerate(parts):
            connection.send_fragment(part, final=index == len(parts) - 1, now=0.0)
        frames = written(connection)
        assert [each.rsv1 for each in frames] == [True] + [False] * (len(parts) - 1)
        if takeover:
            inflater = zlib.decompressobj(-12)
        payload = b"".join(each.payload for each in frames) + b"\0\0\xff\xff"
        assert inflater.decompress(payload) == "".join(parts).encode()


def test_each_frame_has_a_key_of_its_own():
    """Masking keys are drawn anew for each frame, in blocks."""
    drawn: list[int] = []

    def counted(size: int) -> bytes:
        drawn.append(size)
        return chance(size) if size == 16 else b"".join(n.to_bytes(4) for n in range(size // 4))

    connection = ClientConnection("ws://h/", Config(compression=False), now=0.0, random=counted)
    connection.data_to_send()
    connection.receive_data(response(), now=0.0)
    keys: list[bytes] = []
    for _ in range(130):
        connection.send(b"", now=0.0)
        keys.append(connection.data_to_send()[2:6])
    assert keys[:64] == [n.to_bytes(4) for n in range(64)]
    assert drawn == [16, 256, 256, 256]


# -- back-pressure


def test_a_full_inbox_stops_reading():
    """With `max_queue` messages waiting nothing more is read, until there is room; none is lost."""
    connection = opened(Config(compression=False, max_queue=2))
    served(connection, *[text(str(n)) for n in range(5)])
    assert not connection.wants_read
    assert [connection.next_message(now=0.0) for _ in range(5)] == list("01234")
    assert connection.wants_read


def test_output_is_full():
    """Who sends is told when so much waits that it should wait, too."""
    connection = opened(Config(compression=False, max_output_size=100))
    connection.send("x" * 93, now=0.0)
    assert (connection.output_size, connection.output_full) == (99, False)
    connection.send("", now=0.0)
    assert connection.output_full
    connection.data_to_send()
    assert (connection.output_size, connection.output_full) == (0, False)


# -- pings


def test_pings_are_answered():
    """A ping's payload goes back, masked."""
    connection = opened()
    served(connection, peer.ping(b"abc", mask=None))
    assert written(connection) == [whole(PONG, b"abc")]


def test_pongs_are_reported():
    """Several pings may be in flight; each pong answers those before it too, with the time that each took."""
    connection = opened()
    first, second = connection.ping(now=1.0), connection.ping(b"mine", now=2.0)
    third = connection.ping(b"", now=3.0)
    assert first != second != third
    served(connection, peer.pong(b"other", mask=None), now=3.5)
    assert connection.pongs_received() == []
    served(connection, peer.pong(b"mine", mask=None), now=4.0)
    assert connection.pongs_received() == [(first, 3.0), (b"mine", 2.0)]
    assert connection.stats.latency == 2.0
    served(connection, peer.pong(b"mine", mask=None), peer.pong(b"", mask=None), now=5.0)
    assert connection.pongs_received() == [(b"", 2.0)]


def test_no_pong_after_the_end():
    """Who waits for a pong is told once none can come."""
    connection = opened()
    connection.ping(now=1.0)
    connection.check_pong()
    connection.close(now=2.0)
    with pytest.raises(ConnectionClosed, match="1000"):
        connection.check_pong()


def test_an_abandoned_message():
    """A message whose final fragment will not come closes with 1011; without one, abandoning does nothing."""
    connection = opened()
    connection.abandon_message(now=1.0)
    connection.send_fragment("whole", final=True, now=1.0)
    connection.abandon_message(now=1.0)
    connection.send_fragment("half", final=False, now=1.0)
    connection.abandon_message(now=2.0)
    connection.abandon_message(now=2.0)
    [_, half, last] = written(connection)
    assert half == Frame(TEXT, b"half")
    assert last == whole(CLOSE, b"\x03\xf3message abandoned")
    assert connection.state is State.CLOSE_SENT


@pytest.mark.parametrize("payload", [b"x" * 126, "text"])
def test_what_is_no_ping(payload: object):
    """A payload that no ping can carry is refused."""
    with pytest.raises(InvalidMessage):
        opened().ping(payload, now=0.0)  # type: ignore[arg-type]


def test_a_payload_in_flight_cannot_be_sent_again():
    """Two pings with one payload could not be told apart."""
    connection = opened()
    connection.ping(b"a", now=0.0)
    with pytest.raises(LocalProtocolError, match="in flight"):
        connection.ping(b"a", now=0.0)


def test_a_ping_with_keepalives_payload():
    """A ping of one's own is sent whatever its payload is, and the first pong answers the one that went out first."""
    connection = opened(Config(compression=False, ping_interval=20, ping_timeout=15))
    connection.handle_timeout(now=20.0)
    [ping] = written(connection)
    assert connection.ping(ping.payload, now=21.0) == ping.payload
    [own] = written(connection)
    assert own == ping
    with pytest.raises(LocalProtocolError):
        connection.ping(ping.payload, now=21.0)
    served(connection, peer.pong(ping.payload, mask=None), now=22.0)
    assert (connection.stats.latency, connection.pongs_received()) == (2.0, [])
    served(connection, peer.pong(ping.payload, mask=None), now=24.0)
    assert connection.pongs_received() == [(ping.payload, 3.0)]


def test_nobody_can_foretell_keepalives_payload():
    """It is eight bytes of the caller's chance: a server cannot answer before it was asked."""
    drawn: list[bytes] = []

    def drawing(size: int) -> bytes:
        drawn.append(chance(size))
        return drawn[-1]

    connection = ClientConnection("ws://h/", Config(compression=False), now=0.0, random=drawing)
    connection.data_to_send()
    connection.receive_data(response(), now=0.0)
    drawn.clear()
    connection.handle_timeout(now=20.0)
    [ping] = written(connection)
    assert ping.payload == drawn[0]
    assert len(ping.payload) == 8


def test_keepalive():
    """A silent server is pinged; its pong sets the latency, and is not reported as one of the user's."""
    connection = opened(Config(compression=False, ping_interval=20, ping_timeout=5))
    connection.handle_timeout(now=20.0)
    [ping] = written(connection)
    assert ping.opcode == 0x80 | PING
    served(connection, peer.pong(ping.payload, mask=None), now=21.5)
    assert connection.pongs_received() == []
    assert connection.stats.latency == 1.5
    assert connection.next_timeout() == 41.5


def test_a_users_pong_answers_the_keepalive_before_it():
    """A server that answers the latest ping alone (RFC 6455 5.5.3) is alive."""
    connection = opened(Config(compression=False, ping_interval=20, ping_timeout=5))
    connection.handle_timeout(now=20.0)
    payload = connection.ping(b"mine", now=21.0)
    served(connection, peer.pong(payload, mask=None), now=22.0)
    assert connection.pongs_received() == [(payload, 1.0)]
    assert connection.next_timeout() == 42.0


def test_a_server_that_does_not_answer():
    """Without a pong in time the connection is failed with 1011."""
    connection = opened(Config(compression=False, ping_interval=20, ping_timeout=5, close_timeout=2))
    connection.handle_timeout(now=20.0)
    connection.handle_timeout(now=25.0)
    [_, last] = written(connection)
    assert last == whole(CLOSE, b"\x03\xf3keepalive ping timeout")
    assert connection.closing is Closing.SHUT_DOWN_WRITING
    connection.handle_timeout(now=27.0)
    assert connection.closing is Closing.ABORT
    error = closed(connection)
    assert (error.code, error.reason, error.clean) == (1006, "keepalive ping timeout", False)


# -- what a server does wrong


VIOLATIONS = {
    "masked": (peer.text("x"), 1002),
    "masked, in fragments": (peer.text("x", fin=False), 1002),
    "masked ping": (peer.ping(b"x"), 1002),
    "reserved bit": (frame(TEXT, b"x", rsv=0b010, mask=None), 1002),
    "RSV1 without compression": (frame(TEXT, b"x", rsv=0b100, mask=None), 1002),
    "unknown opcode": (frame(3, b"x", mask=None), 1002),
    "continuation of nothing": (frame(CONTINUATION, b"x", mask=None), 1002),
    "fragmented ping": (frame(PING, b"x", fin=False, mask=None), 1002),
    "long ping": (frame(PING, b"x" * 126, mask=None), 1002),
    "long length": (frame(TEXT, b"x", length_in=16, mask=None), 1002),
    "longer length": (frame(TEXT, b"x", length_in=64, mask=None), 1002),
    "close of one byte": (frame(CLOSE, b"x", mask=None), 1002),
    "close with 1005": (close(1005), 1002),
    "no UTF-8": (frame(TEXT, b"\xff", mask=None), 1007),
    "no UTF-8 in fragments": (frame(TEXT, b"\xc3", fin=False, mask=None) + frame(CONTINUATION, b"x", mask=None), 1007),
    "too big": (frame(TEXT, b"", announces=1 << 25, mask=None), 1009),
}


@pytest.mark.parametrize("cut", [None, 1])
@pytest.mark.parametrize("what", VIOLATIONS)
def test_violations(what: str, cut: int | None):
    """What a server does wrong fails the connection with the code that says so, and never raises."""
    data, code = VIOLATIONS[what]
    connection = opened()
    for piece in pieces(data + text("after"), cut):
        served(connection, piece)
    [last] = written(connection)
    assert last.opcode == 0x80 | CLOSE
    assert int.from_bytes(last.payload[:2]) == code
    assert (connection.state, connection.closing) == (State.LINGERING, Closing.SHUT_DOWN_WRITING)
    error = closed(connection)
    assert (error.code, error.received) == (code, None)
    assert connection.next_message(now=0.0) is None


def test_messages_before_a_violation_are_given():
    """A violation waits behind the messages before it."""
    connection = opened()
    served(connection, text("good"), peer.text("masked"))
    assert connection.next_message(now=0.0) == "good"
    connection.check_receive()
    assert connection.has_message
    assert connection.next_message(now=0.0) is None
    assert closed(connection).code == 1002


# -- the end


def test_the_servers_close_is_echoed():
    """A close frame is answered with the same; then the server ends the TCP connection first (RFC 6455 7.1.1)."""
    connection = opened()
    served(connection, text("last"), close(4000, "bye"))
    assert connection.next_message(now=0.0) == "last"
    assert connection.next_message(now=0.0) is None
    assert written(connection) == [whole(CLOSE, b"\x0f\xa0bye")]
    error = closed(connection)
    assert (error.code, error.reason) == (4000, "bye")
    assert error.sent == error.received == Close(4000, "bye")
    assert error.clean
    assert connection.closing is Closing.NO
    assert connection.wants_read
    connection.receive_eof(now=1.0)
    assert connection.closing is Closing.CLOSE
    connection.connection_lost(now=1.0)
    assert connection.closing is Closing.ABORT


def test_a_server_that_does_not_end_its_stream():
    """After `close_timeout` the client ends the TCP connection itself."""
    connection = opened(Config(compression=False, close_timeout=3))
    served(connection, close())
    assert connection.next_timeout() == 3.0
    connection.handle_timeout(now=3.0)
    assert (connection.closing, connection.next_timeout()) == (Closing.ABORT, None)
    assert closed(connection).code == 1005


def test_our_close():
    """Our close frame waits for the server's; what comes before that is thrown away, and nothing is written."""
    connection = opened()
    connection.close(4000, "bye", now=0.0)
    assert written(connection) == [whole(CLOSE, b"\x0f\xa0bye")]
    connection.close(now=0.0)
    served(connection, text("late"), peer.ping(b"p", mask=None), close(4000, "bye"))
    assert connection.data_to_send() == b""
    assert connection.next_message(now=0.0) is None
    error = closed(connection)
    assert (error.code, error.reason, error.clean) == (4000, "bye", True)


def test_who_waits_hears_of_our_close_when_it_is_answered():
    """Until then it is not known how the connection ends, and waiting for a message is not in vain."""
    connection = opened()
    connection.close(4000, now=0.0)
    connection.check_receive()
    assert not connection.has_message
    served(connection, close(4000))
    assert connection.has_message
    assert closed(connection).clean


def test_our_close_finds_the_servers_among_what_was_unread():
    """With a full inbox the server's close may be here already: then the closing is complete at once."""
    connection = opened(Config(compression=False, max_queue=1))
    served(connection, text("a"), text("b"), close(1001))
    connection.close(now=0.0)
    info = connection.close_info
    assert info is not None
    assert (info.sent, info.received) == (Close(1000), Close(1001))
    assert connection.next_message(now=0.0) == "a"
    assert connection.next_message(now=0.0) is None


def test_a_close_that_is_not_answered():
    """After `close_timeout` an unanswered close is given up."""
    connection = opened(Config(compression=False, close_timeout=3))
    connection.close(now=1.0)
    connection.handle_timeout(now=4.0)
    assert connection.closing is Closing.ABORT
    assert not closed(connection).clean


@pytest.mark.parametrize(
    ("code", "reason"),
    [(1005, ""), (1006, ""), (999, ""), (5000, ""), ("1000", ""), (1000, "x" * 124), (1000, "\ud800"), (1000, b"x")],
)
def test_what_no_close_frame_can_carry(code: object, reason: object):
    """A code or a reason that cannot be sent is refused, and changes nothing."""
    connection = opened()
    with pytest.raises(InvalidMessage):
        connection.close(code, reason, now=0.0)  # type: ignore[arg-type]
    assert connection.state is State.OPEN
    assert connection.data_to_send() == b""


def test_an_end_of_stream_without_a_close():
    """It waits behind the messages, and is 1006."""
    connection = opened()
    served(connection, text("last"))
    connection.receive_eof(now=0.0)
    assert not connection.wants_read
    assert connection.next_message(now=0.0) == "last"
    assert connection.next_message(now=0.0) is None
    assert closed(connection).code == 1006
    assert connection.closing is Closing.CLOSE


def test_a_lost_connection():
    """It is the end at once; messages that had come can still be taken, and what was sent is not delivered."""
    connection = opened()
    served(connection, text("last"))
    connection.send("x", now=0.0)
    connection.connection_lost(now=0.0)
    assert connection.data_to_send() == b""
    with pytest.raises(ConnectionClosed):
        connection.check_delivery()
    connection.check_receive()
    assert connection.next_message(now=0.0) == "last"
    assert (closed(connection).code, connection.closing) == (1006, Closing.ABORT)


def every_input(connection: ClientConnection) -> Iterable[None]:
    yield connection.receive_data(text("x"), now=9.0)
    yield connection.receive_eof(now=9.0)
    yield connection.connection_lost(now=9.0)
    yield connection.handle_timeout(now=1e9)
    yield connection.close(now=9.0)


def test_nothing_comes_after_the_end():
    """Once closed, no input has an output, and the first end stays."""
    connection = opened()
    connection.connection_lost(now=0.0)
    info = connection.close_info
    for _ in every_input(connection):
        assert (connection.data_to_send(), connection.next_timeout(), connection.wants_read) == (b"", None, False)
        assert (connection.close_info, connection.next_message(now=9.0)) == (info, None)


def test_the_revision_tells_what_may_have_changed():
    """Messages and pongs apart, the outputs change only with the revision."""
    connection = opened()
    before = connection.generation
    connection.send("x", now=0.0)
    served(connection, text("x"))
    assert connection.generation == before
    served(connection, close())
    assert connection.generation > before


def test_it_shows_state_and_address():
    """For logs, without the query."""
    connection = ClientConnection("ws://h/chat?token=1", Config(), now=0.0, random=chance)
    assert repr(connection) == "<ClientConnection AWAITING_RESPONSE ws://h/chat>"
