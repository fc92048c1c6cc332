"""What a driver tells its library, and when: deadlines, reading, writing, the end of TCP, who waits."""

from __future__ import annotations

import pytest

from tests.core.peer import PING, close, frame, head, pong, read_frames, text
from tests.core.port import ClientPort, FakeChannel, ServerPort, turned
from wscore import Config, State

PLAIN = Config(compression=False)


def opened(config: Config = PLAIN) -> ServerPort:
    port = ServerPort(config)
    port.opens()
    return port


# -- the deadline


def test_a_deadline_is_told_from_the_start() -> None:
    """The first is the handshake's, and nobody has said anything yet."""
    port = ServerPort()
    port.start()
    assert port.deadline == 10.0


def test_a_later_deadline_is_seen_to_when_the_one_that_was_told_fires() -> None:
    """It is forgotten first, and set anew from what the core says then, though nothing has changed."""
    port = opened()
    assert port.deadline == 10.0  # the handshake's; the ping is due at 20
    generation = port.core.generation
    port.rings()
    assert port.core.generation == generation
    assert port.hears() == [("deadline", 20.0)]
    assert port.written == b""


def test_an_earlier_deadline_is_told_at_once() -> None:
    """A closing's, before a ping's that is far away."""
    port = opened(Config(ping_interval=200, close_timeout=10))
    port.rings()
    assert port.deadline == 200.0
    port.closes()
    assert port.deadline == 20.0


def test_a_deadline_that_moves_on_is_not_told() -> None:
    """What a transport may set too early it need not set again for every message."""
    port = opened()
    port.rings()
    port.rings()
    [ping] = read_frames(port.reads_written())
    assert (ping.opcode, port.deadline) == (PING, 40.0)
    port.hears()
    port.time.now = 21.0
    port.receive_data(pong(ping.payload))
    assert port.core.next_timeout() == 41.0
    assert port.hears() == []
    port.rings()
    assert port.hears() == [("deadline", 41.0)]
    assert port.written == b""


def test_a_peer_that_answers_is_pinged_after_every_interval() -> None:
    """From the opening on, however long it says nothing else."""
    port = opened()
    pinged_at: list[float] = []
    while len(pinged_at) < 5:
        port.rings()
        for ping in read_frames(port.reads_written()):
            pinged_at.append(port.time.now)
            port.receive_data(pong(ping.payload))
    assert pinged_at == [20.0, 40.0, 60.0, 80.0, 100.0]


def test_a_timer_that_fires_a_little_early_counts() -> None:
    """An event loop whose clock is coarse would call again and again until the time has come."""
    port = opened()
    port.rings()
    port.deadline = None
    port.time.now = 19.9996
    port.timed_out()
    assert [each.opcode for each in read_frames(port.written)] == [PING]


def test_nothing_is_armed_once_the_socket_is_gone() -> None:
    """What was armed is taken back, and nothing follows."""
    port = opened()
    port.lost()
    assert port.told[0] == ("deadline", None)
    port.hears()
    port.application_returned()
    port.sync()
    port.begin_shutdown()
    assert ("deadline", None) not in port.hears()
    assert port.deadline is None


def test_a_peer_whose_system_takes_what_we_write_is_not_cut() -> None:
    """How much of it is still unsent is reported before a deadline counts: less than before is life, for a while."""
    port = opened()
    port.says("x" * 1000)
    port.unacknowledged = 1000
    while port.time.now < 20.0:
        port.rings()
    port.unacknowledged = 500
    port.rings()
    assert port.time.now == 40.0
    assert port.core.state is State.OPEN
    port.rings()
    assert port.time.now == 60.0
    assert port.core.close_info is not None


def test_a_socket_that_is_gone_is_told_nothing() -> None:
    """Not even to read on, when the application takes what had come before; nor is a flush planned for it."""
    port = opened(Config(max_queue=2, compression=False))
    port.gathers = True
    port.receive_data(text("x") * 5)
    assert not port.reads
    port.says("a")
    port.lost()
    while port.core.has_message:
        port.next_message()
    port.hears()
    port.flush()
    port.sync()
    assert port.hears() == []
    assert not port.reads
    reading = opened()
    reading.lost()
    assert reading.reads


# -- reading


def test_reading_is_told_when_it_changes() -> None:
    """Off once the application has too much before it, on again when it has taken enough; each of them once."""
    port = opened(Config(max_queue=4, compression=False))
    port.receive_data(text("x") * 10)
    assert [each for each in port.hears() if each[0] == "reading"] == [("reading", False)]
    while port.core.has_message:
        port.next_message()
    assert [each for each in port.hears() if each[0] == "reading"][-1:] == [("reading", True)]
    assert port.reads


def test_reading_is_not_told_after_the_end_of_the_stream() -> None:
    """There is nothing to stop, and a library may not like being asked."""
    port = opened()
    port.receive_eof()
    assert ("reading", False) not in port.told


# -- writing


def test_what_is_said_is_written_at_once() -> None:
    """Where the library takes bytes, and the transport does not gather."""
    port = opened()
    port.says("a")
    assert port.hears() == [("write", 3)]


def test_a_transport_may_gather() -> None:
    """With `plan_flush` put off, messages go out in one piece; who waits for the flush is asked once."""
    port = opened()
    port.gathers = True
    port.says("a")
    port.says("b")
    assert port.hears() == []
    port.flush()
    assert port.hears() == [("write", 6)]


def test_a_flush_is_planned_anew_behind_another() -> None:
    """What is said after one goes out with the next."""
    port = opened()
    port.gathers = True
    port.says("a")
    port.flush()
    port.hears()
    port.gathers = False
    port.says("b")
    assert port.hears() == [("write", 3)]


def test_what_is_answered_at_once_goes_out_in_one_piece() -> None:
    """Answers that the application gives while bytes are being taken, with the pong before them."""
    port = opened()

    def answers() -> None:
        while port.core.has_message:
            port.next_message()
            port.says("y")

    port.on_wake = answers
    port.receive_data(frame(PING, b"?") + text("x") * 5)
    assert port.hears() == [("wake",), ("write", 3 + 5 * 3)]


def test_nothing_is_written_while_the_library_holds_much() -> None:
    """It stays with the core until then, and a sender has no room as long as the library has none."""
    port = opened()
    port.capacity = 3
    port.says("a")
    assert not port.writable
    port.core.send({"type": "websocket.send", "text": "b"}, now=0.0)
    port.sync()
    assert port.hears() == [("write", 3)]
    port.drains()
    assert port.hears() == [("write", 3)]  # and again the library holds much, so that nobody is told of room
    port.drains()
    assert port.hears() == [("room",)]
    assert port.writable


def test_much_output_does_not_gather() -> None:
    """It is written as soon as it has reached its limit, without waiting for the flush."""
    port = opened(Config(max_output_size=10, compression=False))
    port.gathers = True
    port.says("x" * 7)
    assert port.hears() == []
    port.says("x" * 7)
    assert port.hears() == [("write", 18)]


# -- the end of TCP


def test_tcp_ends_in_the_order_of_closing() -> None:
    """Our last bytes, the end of our half, the peer's end, and only then the socket."""
    port = opened()
    port.receive_data(close(4000))
    port.next_message()
    assert [each for each in port.hears() if each[0] in ("write", "shut down writing", "close")] == [
        ("write", 4),
        ("shut down writing",),
    ]
    assert port.reads
    port.receive_data(b"whatever")
    assert [each for each in port.hears() if each[0] != "wake"] == []
    port.receive_eof()
    assert ("close",) in port.hears()
    assert port.gone
    assert port.core.state is State.CLOSED


def test_tcp_does_not_end_before_the_last_bytes_are_taken() -> None:
    """By the library, which ends our half behind them."""
    port = opened()
    port.capacity = 1
    port.says("last")
    port.receive_data(close())
    port.next_message()
    assert not port.half_closed
    port.drains()
    assert not port.half_closed
    port.drains()
    assert port.half_closed
    assert [each[0] for each in port.told if each[0] in ("write", "shut down writing")] == [
        "write",
        "write",
        "shut down writing",
    ]


def test_a_peer_that_neither_reads_nor_ends_is_cut() -> None:
    """After the closing's time, though the library still holds our last bytes."""
    port = opened(Config(compression=False, ping_interval=None))
    port.capacity = 1
    port.says("a")
    port.closes()
    port.rings()
    assert port.told[-1] != ("abort",)
    assert port.core.state is State.CLOSED
    assert ("abort",) in port.told
    assert port.gone


def test_an_end_is_told_once() -> None:
    """However often somebody looks."""
    port = opened()
    port.closes()
    port.receive_data(close())
    port.sync()
    port.flush()
    port.sync()
    assert port.told.count(("shut down writing",)) == 1


def test_a_lost_connection_is_lost_once() -> None:
    """Who waits for a message or for room looks again, the first time."""
    port = opened()
    port.capacity = 1
    port.says("a")
    port.hears()
    port.lost()
    told = port.hears()
    assert ("wake",) in told
    assert ("room",) in told
    assert port.writable, "so that nobody waits for what cannot come"
    port.lost(ConnectionResetError())
    assert port.hears() == []


# -- who waits


def test_a_message_wakes() -> None:
    """Whole ones, and the end behind them."""
    port = opened()
    port.receive_data(text("x")[:3])
    assert port.hears() == []
    port.receive_data(text("x")[3:])
    assert port.hears() == [("wake",)]
    port.next_message()
    port.receive_data(close())
    assert ("wake",) in port.hears()


@pytest.mark.parametrize(("seconds", "most"), [(0.0, 264), (0.001, 66)])
def test_an_application_that_never_waits_gives_way(seconds: float, most: int) -> None:
    """After a number of messages, or a few milliseconds, whichever comes first."""
    port = opened(Config(max_queue=2000, compression=False))
    for _ in range(5):
        port.receive_data(text("x") * 200)  # of more the core would have a turn of its own
    taken = 0
    while ("gives way",) not in port.hears():
        port.time.now += seconds
        assert port.next_message() is not None
        taken += 1
    assert most // 2 <= taken <= most


def test_who_has_given_way_has_its_turn_anew() -> None:
    """Whether it takes messages or sends them: it gives way after as many as before."""
    taking = opened(Config(max_queue=2000, compression=False))
    for _ in range(5):
        taking.receive_data(text("x") * 200)  # of more the core would have a turn of its own
    sending = opened()
    for port, step in ((taking, taking.next_message), (sending, lambda: sending.says("x"))):
        gave_way: list[int] = []
        for count in range(1000):
            port.hears()
            step()
            if ("gives way",) in port.hears():
                gave_way.append(count)
        assert len(gave_way) == 3
        assert gave_way[2] - gave_way[1] == gave_way[1] - gave_way[0] > 200


def test_who_has_waited_has_its_turn_anew() -> None:
    """For a message, for room, or for anything: others had theirs meanwhile."""
    port = opened(Config(max_queue=2000, compression=False))
    for _ in range(100):
        waits = port.receive()
        waits.send(None)
        port.time.now += 0.001
        port.receive_data(text("x"))
        with pytest.raises(StopIteration):
            waits.send(None)
    port.capacity = 1
    port.says("x")
    for _ in range(100):
        waits = port.send({"type": "websocket.send", "text": "x"})
        waits.send(None)
        port.time.now += 0.001
        port.drains()
        with pytest.raises(StopIteration):
            waits.send(None)
    port.receive_data(text("x") * 1000)
    for _ in range(20):
        port.time.now += 0.001
        for _ in range(31):
            port.next_message()
        port.begin_turn()
    assert ("gives way",) not in port.told


# -- a channel between


def test_nothing_is_said_before_the_channel_is_ready() -> None:
    """Its own first bytes go out at the start, a client's request behind the handshake."""
    port = ClientPort(channel=FakeChannel())
    port.start()
    assert port.reads_written() == b"hello "
    port.receive_data(b"!")
    assert port.written.startswith(b"ready " + turned(b"GET /chat HTTP/1.1"))


def test_a_channel_says_goodbye_behind_the_last_bytes() -> None:
    """And before TCP ends; what comes after that is thrown away."""
    port = ServerPort(PLAIN, channel=FakeChannel())
    port.start()
    port.receive_data(b"!" + turned(head()))
    port.next_message()
    port.send_message({"type": "websocket.accept"})
    port.reads_written()
    port.closes()
    port.receive_data(turned(close()))
    assert port.written == turned(b"\x88\x02\x03\xe8") + b" bye"
    assert port.half_closed
    port.receive_data(b"?")
    assert not port.gone


def test_what_a_channel_answers_goes_out() -> None:
    """Though the connection has nothing to say."""
    port = ServerPort(PLAIN, channel=FakeChannel())
    port.start()
    port.receive_data(b"!")
    assert port.written == b"hello ready "


def test_a_channel_that_cannot_say_any_more_is_a_lost_connection() -> None:
    """Its alert is written, and the application hears of it."""
    channel = FakeChannel()
    port = ServerPort(PLAIN, channel=channel)
    port.start()
    port.receive_data(b"!" + turned(head()))
    port.next_message()
    port.send_message({"type": "websocket.accept"})
    port.reads_written()
    channel.broken = True
    port.says("a")
    assert port.written == b" alert"
    assert port.gone
    assert port.next_message()["code"] == 1006


def test_the_channels_end_is_the_peers() -> None:
    """A goodbye of the other side's is an end of its stream, though TCP has not ended."""
    port = ServerPort(PLAIN, channel=FakeChannel())
    port.start()
    port.receive_data(b"!" + turned(head()))
    port.receive_data(b".")
    assert port.core.close_info is not None
    assert port.gone


def test_a_channel_that_fails_has_the_last_word() -> None:
    """Its alert is written, and the connection is lost."""
    port = ServerPort(PLAIN, channel=FakeChannel())
    port.start()
    port.receive_data(b"?")
    assert port.written == b"hello alert"
    assert port.gone
    assert port.core.state is State.CLOSED


def test_a_connection_that_ends_before_its_channel_is_ready_is_cut() -> None:
    """A refusal cannot be said to a peer that TLS does not lead to, so that nothing waits for its being written."""
    port = ServerPort(PLAIN, channel=FakeChannel())
    port.start()
    port.rings()
    assert port.gone
    assert port.written == b"hello "


def test_a_dead_socket_is_not_written_to() -> None:
    """Senders wait for `lost` to say how it ended; until then the library takes nothing more."""
    port = opened()
    written = port.written
    port.broken = lambda: True  # type: ignore[method-assign]
    port.core.send({"type": "websocket.send", "text": "x"}, now=0.0)
    port.sync()
    assert (port.written, port.writable) == (written, False)
    port.lost()
    assert (port.written, port.writable) == (written, True)
