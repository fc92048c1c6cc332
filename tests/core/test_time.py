"""Time, as plain numbers: keepalive, deadlines, shutdown, and the end that waits."""

from collections.abc import Callable

import pytest

from tests.core.peer import CLOSE, PING, PONG, TEXT, Client, Frame, close, frame, head, ping, pong, text
from tests.core.test_application import (
    ACCEPT,
    BODY,
    ENDED_BY_OTHERS,
    LAST_BODY,
    LIVING,
    RESPONSE_START,
    SEND,
    STATES,
    close_frame,
    deciding,
    denial_started,
    denying,
    is_lost,
    opened,
    refuses,
    shuts_down,
    snapshot,
    times_out,
)
from wscore import ClientDisconnected, Closing, Config, ServerConnection, State

KEEPALIVE = Config(ping_interval=20, ping_timeout=8, close_timeout=5)
RECEIVE = {"type": "websocket.receive"}


def wakes(client: Client, now: float) -> None:
    client.now = now
    client.connection.handle_timeout(now=now)


def pings_read(client: Client) -> list[bytes]:
    """The payloads of the pings that the client reads; it reads nothing else."""
    frames = client.reads_frames()
    assert {each.opcode for each in frames} <= {PING}
    return [each.payload for each in frames]


# -- keepalive


def test_t1_one_ping_after_the_interval():
    """T1: after ping_interval there is one ping, and not before; the pong in time starts the next interval."""
    client = opened(KEEPALIVE)
    assert client.connection.next_timeout() == 20
    wakes(client, 19.99)
    assert pings_read(client) == []
    wakes(client, 20)
    [payload] = pings_read(client)
    assert client.connection.next_timeout() == 28
    client.now = 21.5
    client.sends(pong(payload))
    assert client.connection.next_timeout() == 41.5
    assert client.connection.stats.latency == 1.5
    wakes(client, 41.5)
    [second] = pings_read(client)
    assert second != payload
    assert client.connection.stats.pings_sent == 2


def test_t1_never_two_pings_in_flight():
    """T1: while a pong is awaited no second ping is sent, however long life is shown otherwise."""
    client = opened(KEEPALIVE)
    wakes(client, 20)
    assert len(pings_read(client)) == 1
    for now in range(25, 200, 5):
        client.now = now
        client.sends(text("alive"))
        client.app_receives()
        client.connection.handle_timeout(now=now)
    assert pings_read(client) == []
    assert client.connection.state is State.OPEN


def test_t1_messages_do_not_put_off_the_ping():
    """T1: the interval runs from the opening or the last pong; messages are no pongs, and tell nothing of latency."""
    client = opened(KEEPALIVE)
    client.now = 19
    client.sends(text("busy"))
    assert client.connection.next_timeout() == 20


@pytest.mark.parametrize("stale", [b"", b"\0\0\0\0", b"x" * 125], ids=["empty", "other", "long"])
def test_t1_a_stale_pong_answers_no_ping(stale: bytes):
    """T1: a pong with another payload is life, but not the answer: the ping stays in flight."""
    client = opened(KEEPALIVE)
    client.sends(pong(stale))
    assert client.connection.next_timeout() == 20
    wakes(client, 20)
    client.now = 22
    client.sends(pong(stale))
    assert client.connection.next_timeout() == 30
    assert client.connection.stats.latency is None


def test_t1_nobody_can_foretell_a_ping_where_chance_is_given():
    """T1: with `random` the payload is eight bytes of it, and a count answers nothing."""
    drawn = iter([b"12345678", b"abcdefgh"])
    connection = ServerConnection(KEEPALIVE, now=0, random=lambda size: next(drawn)[:size])
    connection.receive_data(head(), now=0)
    connection.send({"type": "websocket.accept"}, now=0)
    connection.data_to_send()
    connection.handle_timeout(now=20)
    assert connection.data_to_send() == b"\x89\x0812345678"
    connection.receive_data(pong((1).to_bytes(4)), now=21)
    assert connection.stats.latency is None
    connection.receive_data(pong(b"12345678"), now=22)
    assert connection.stats.latency == 2
    connection.handle_timeout(now=42)
    assert connection.data_to_send() == b"\x89\x08abcdefgh"


def test_t1_no_pings_without_an_interval():
    """T1: with `ping_interval` None a connection that is open waits for nothing."""
    client = opened(Config(ping_interval=None))
    assert client.connection.next_timeout() is None


def test_t1_without_a_timeout_pings_go_on():
    """T1: with `ping_timeout` None a pinged peer may stay silent; pings go on, and a pong starts the interval."""
    client = opened(Config(ping_interval=20, ping_timeout=None))
    wakes(client, 20)
    [payload] = pings_read(client)
    assert client.connection.next_timeout() == 40
    wakes(client, 40)
    [following] = pings_read(client)
    assert following != payload
    client.now = 45
    client.sends(pong(following))
    assert client.connection.next_timeout() == 65


def test_t2_no_pong():
    """T2: without a pong: close frame 1011 "keepalive ping timeout", disconnect 1006, abort a second later."""
    client = opened(KEEPALIVE)
    wakes(client, 20)
    client.reads()
    wakes(client, 28)
    assert client.reads_frames() == [close_frame(1011, "keepalive ping timeout")]
    assert client.app_receives() == [{"type": "websocket.disconnect", "code": 1006, "reason": "keepalive ping timeout"}]
    assert client.connection.closing is Closing.SHUT_DOWN_WRITING
    assert client.connection.next_timeout() == 29
    wakes(client, 29)
    assert client.connection.closing is Closing.ABORT
    info = client.connection.close_info
    assert info is not None
    assert (info.cause, info.clean) == ("timeout", False)


@pytest.mark.parametrize(
    "life", [text("x")[:1], text("hello"), ping(b"?"), pong(b"?")], ids=["a byte", "m", "pi", "po"]
)
def test_t3_any_byte_extends_the_deadline(life: bytes):
    """T3: any byte that is received while a pong is awaited extends its deadline by a whole ping_timeout."""
    client = opened(KEEPALIVE)
    wakes(client, 20)
    client.now = 27
    client.sends(life)
    assert client.connection.next_timeout() == 35
    wakes(client, 34.9)
    assert client.connection.state is State.OPEN
    wakes(client, 35)
    assert client.connection.state is State.LINGERING


def test_t3_a_large_message_in_pieces_is_life():
    """T3: a pong that queues behind a message of many seconds is not missed."""
    client = opened(KEEPALIVE)
    wakes(client, 20)
    [payload] = pings_read(client)
    message = text("x" * 1000)
    for at in range(0, len(message), 100):
        wakes(client, client.now + 7)
        client.sends(message[at : at + 100])
    client.sends(pong(payload))
    assert client.connection.next_timeout() == client.now + 20


def test_t3_the_deadline_does_not_run_while_reading_is_paused():
    """T3: while we have paused reading the pong cannot arrive, so its deadline starts anew when reading resumes."""
    client = opened(Config(ping_interval=20, ping_timeout=8, max_queue=2))
    wakes(client, 20)
    client.reads()
    client.sends(text("one"), text("two"))
    client.sends(text("three"))
    assert not client.connection.wants_read
    wakes(client, 28)
    assert client.connection.state is State.OPEN
    assert client.connection.next_timeout() == 48
    wakes(client, 48)
    assert len(pings_read(client)) == 1
    client.app_receives()
    assert client.connection.wants_read
    assert client.connection.next_timeout() == 56


def test_t3_a_peer_that_takes_nothing_while_reading_is_paused_is_ended():
    """T3: no pong can be read, but its system would take the ping if it were there; what it takes counts as life."""
    client = opened(Config(ping_interval=20, ping_timeout=8, max_queue=2))
    client.sends(text("one"), text("two"), text("three"))
    wakes(client, 20)
    assert len(pings_read(client)) == 1
    client.connection.report_unsent(6, now=27)
    client.connection.report_unsent(2, now=28)
    wakes(client, 28)
    assert client.connection.next_timeout() == 36
    client.connection.report_unsent(2, now=36)
    wakes(client, 36)
    assert client.connection.state is State.LINGERING
    assert client.connection.next_timeout() == 37


def test_a_slow_transfer_is_not_ended_while_it_makes_progress():
    """A ping behind large messages of our own has time for its pong as long as the peer's system takes some of them."""
    client = opened(Config(ping_interval=20, ping_timeout=8))
    client.app_sends("websocket.send", bytes=bytes(100_000))
    client.reads()
    client.connection.report_unsent(90_000, now=20)
    wakes(client, 20)
    client.reads()
    for now in range(28, 100, 8):
        client.connection.report_unsent(90_000 - now * 100, now=now)
        wakes(client, now)
        assert client.connection.state is State.OPEN
    wakes(client, 108)
    assert client.connection.state is State.LINGERING


def test_t3_a_ping_that_falls_due_while_reading_is_paused():
    """T3: likewise for a ping that is sent while reading is paused: its deadline starts when reading resumes."""
    client = opened(Config(ping_interval=20, ping_timeout=8, max_queue=2))
    client.sends(text("one"), text("two"), text("three"))
    wakes(client, 20)
    [payload] = pings_read(client)
    assert client.connection.next_timeout() == 28
    client.now = 25
    client.app_receives()
    assert client.connection.next_timeout() == 33
    client.sends(pong(payload))
    assert client.connection.next_timeout() == 45


def test_t3_a_pong_that_waited_unread_counts():
    """T3: a pong that lay unread behind the messages that paused reading is taken when reading resumes."""
    client = opened(Config(ping_interval=20, ping_timeout=8, max_queue=2))
    wakes(client, 20)
    [payload] = pings_read(client)
    client.sends(text("one"), text("two"), pong(payload))
    assert client.connection.next_timeout() == 28
    client.now = 27
    client.app_receives()
    assert client.connection.next_timeout() == 47


@pytest.mark.parametrize("state", LIVING | ENDED_BY_OTHERS)
def test_t4_an_early_wake_up_does_nothing(state: str):
    """T4: a wake-up before the deadline changes nothing."""
    client = STATES[state]()
    client.reads()
    before = snapshot(client.connection)
    client.connection.handle_timeout(now=client.now)
    assert snapshot(client.connection) == before
    assert client.reads() == b""


@pytest.mark.parametrize("late", [0, 0.001, 7, 100_000])
@pytest.mark.parametrize("state", LIVING)
def test_t4_late_and_repeated_wake_ups(state: str, late: float):
    """T4: after a wake-up, however late, the next deadline lies ahead or the state is CLOSED; repeating it is
    harmless: each wake-up at the same time writes nothing more."""
    client = LIVING[state]()
    for _ in range(10):
        deadline = client.connection.next_timeout()
        if deadline is None:
            break
        wakes(client, deadline + late)
        client.reads()
        once = snapshot(client.connection)
        client.connection.handle_timeout(now=client.now)
        assert snapshot(client.connection) == once
        assert client.reads() == b""
        following = client.connection.next_timeout()
        assert client.connection.state is State.CLOSED if following is None else following > client.now
    assert client.connection.state is State.CLOSED


def test_t4_a_late_wake_up_sends_one_ping():
    """T4: a wake-up that several intervals passed by sends one ping, and the peer has its whole time to answer."""
    client = opened(KEEPALIVE)
    wakes(client, 20 * 50)
    assert len(pings_read(client)) == 1
    assert client.connection.next_timeout() == 1008


# -- the closing


@pytest.mark.parametrize("ends", [lambda c: c.app_sends("websocket.close"), shuts_down])
def test_t5_the_peer_never_answers_our_close(ends: Callable[[Client], None]):
    """T5: a peer that never answers our close is cut off at close_timeout."""
    client = opened(KEEPALIVE)
    wakes(client, 20)
    ends(client)
    began = client.now
    assert client.connection.next_timeout() == began + 5
    wakes(client, began + 4.9)
    assert client.connection.closing is not Closing.ABORT
    wakes(client, began + 5)
    assert client.connection.closing is Closing.ABORT


def test_t5_the_closing_is_bounded_as_a_whole():
    """T5: the peer's close in the middle does not start the close timeout anew."""
    client = opened(KEEPALIVE)
    client.app_sends("websocket.close")
    client.now = 4
    client.sends(close(1000))
    assert client.connection.closing is Closing.SHUT_DOWN_WRITING
    assert client.connection.next_timeout() == 5


def test_t6_the_peer_sends_for_ever_meanwhile():
    """T6: a peer that goes on sending after our close is cut off likewise; none of it is kept or answered."""
    client = opened(KEEPALIVE)
    client.app_sends("websocket.close")
    assert client.reads_frames() == [close_frame(1000)]
    flood = frame(TEXT, b"x" * 10_000) + ping(b"?")
    for tenth in range(50):
        client.now = tenth / 10
        client.sends(flood)
        assert client.connection.wants_read
        assert client.connection.next_timeout() == 5
    assert client.reads() == b""
    assert client.app_receives() == [{"type": "websocket.disconnect", "code": 1000, "reason": ""}]
    assert client.connection.stats.messages_received == 0
    wakes(client, 5)
    assert client.connection.closing is Closing.ABORT


def test_t7_every_send_after_a_loss_is_told():
    """T7: once the connection is lost, each send raises ClientDisconnected; output that waited is gone."""
    client = opened(Config(max_output_size=10))
    client.connection.send({"type": "websocket.send", "text": "x" * 100}, now=0)
    assert client.connection.output_full
    client.connection.connection_lost(now=0)
    assert not client.connection.output_full
    assert client.connection.output_size == 0
    for _ in range(3):
        refuses(client, SEND, ClientDisconnected)


def test_t7_a_send_that_waited_to_be_written_is_told():
    """T7: a send that waits for room to write is told when it wakes and the connection is gone; not before, and not
    where the application itself has closed."""
    client = opened()
    connection = client.connection
    connection.send(SEND, now=0)
    connection.check_delivery()
    connection.receive_eof(now=0)
    connection.check_delivery()  # the peer has ended its half only: what was taken can still be written
    connection.connection_lost(now=0)
    with pytest.raises(ClientDisconnected) as caught:
        connection.check_delivery()
    assert caught.value.code == 1006
    STATES["closed-and-lost"]().connection.check_delivery()


# -- shutdown


def test_t8_shutdown_while_the_head_is_read():
    """T8: a shutdown while the head is being read: 503."""
    client = Client()
    client.sends(head()[:20])
    shuts_down(client)
    assert client.reads_response().status == 503
    assert client.connection.scope is None
    assert client.app_receives() == []


@pytest.mark.parametrize("make", [deciding, denying])
def test_t8_shutdown_before_the_answer(make: Callable[[], Client]):
    """T8: a shutdown before the answer, or with nothing of a denial written: 503."""
    client = make()
    shuts_down(client)
    assert client.reads_response().status == 503
    assert client.connection.closing is Closing.SHUT_DOWN_WRITING


def test_t8_shutdown_in_a_denial_that_is_being_written():
    """T8: a denial whose head is out may be finished: there is no other answer to give."""
    client = denial_started()
    shuts_down(client)
    client.app_sends("websocket.http.response.body")
    assert client.reads() == b"0\r\n\r\n"


def test_t8_shutdown_when_open():
    """T8: a shutdown when open: close frame 1012; the peer's answer then ends it cleanly."""
    client = opened()
    client.connection.begin_shutdown(now=0, reason="restart")
    assert client.reads_frames() == [close_frame(1012, "restart")]
    client.sends(close(1012))
    assert client.connection.state is State.LINGERING
    info = client.connection.close_info
    assert info is not None
    assert (info.cause, info.clean) == ("operator", True)


@pytest.mark.parametrize("state", [state for state in STATES if state not in LIVING])
def test_t8_shutdown_when_closing(state: str):
    """T8: a shutdown of a connection that is closing, or closed, writes nothing and changes nothing."""
    client = STATES[state]()
    before = snapshot(client.connection)
    shuts_down(client)
    assert snapshot(client.connection) == before
    assert client.reads() == b""


def test_t8_shutdown_with_messages_unread():
    """T8: a shutdown does not wait behind unread messages, and finds the peer's close that waited there."""
    client = opened()
    client.sends(text("one"), close(1001))
    assert client.connection.state is State.OPEN
    shuts_down(client)
    assert client.reads_frames() == [close_frame(1012)]
    assert client.connection.state is State.LINGERING
    assert client.app_receives() == [
        RECEIVE | {"text": "one"},
        {"type": "websocket.disconnect", "code": 1012, "reason": ""},
    ]


@pytest.mark.parametrize(
    ("code", "reason"),
    [(1005, ""), (999, ""), (1012, "x" * 124), (1012, "\ud800")],
    ids=["1005", "999", "long", "lone"],
)
def test_t8_shutdown_with_what_no_close_frame_can_carry(code: int, reason: str):
    """T8: a shutdown with a code or a reason that cannot be sent is the caller's error, and changes nothing."""
    client = opened()
    before = snapshot(client.connection)
    with pytest.raises(ValueError):  # noqa: PT011  (of a lone surrogate it is Python's own UnicodeEncodeError)
        client.connection.begin_shutdown(now=0, code=code, reason=reason)
    assert snapshot(client.connection) == before


# -- ends of the stream


@pytest.mark.parametrize("state", STATES)
def test_t9_bytes_after_the_end_are_ignored(state: str):
    """T9: bytes after the end of the stream, or after CLOSED, are ignored."""
    client = STATES[state]()
    client.ends_its_stream()
    client.reads()
    before = snapshot(client.connection)
    client.sends(text("late"), ping(b"late"), close(1000), b"\xff" * 100)
    assert snapshot(client.connection) == before
    assert client.reads() == b""


@pytest.mark.parametrize("state", STATES)
def test_t10_the_end_twice_is_nothing_new(state: str):
    """T10: an end of stream twice, a loss twice, an end of stream after a loss: nothing new."""
    client = STATES[state]()
    client.ends_its_stream()
    once = snapshot(client.connection)
    client.ends_its_stream()
    assert snapshot(client.connection) == once
    is_lost(client)
    assert client.connection.state is State.CLOSED
    once = snapshot(client.connection)
    is_lost(client)
    client.ends_its_stream()
    assert snapshot(client.connection) == once
    client.app_receives()
    assert client.app_receives() == []


@pytest.mark.parametrize(
    "data",
    [
        bytes.fromhex("16030100c8010000c40303") + bytes(32),
        b"\r\n\r\n\0\r\nQUIT\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n",
        b"PROXY UNKNOWN\r\n",
    ],
    ids=["tls", "proxy 2", "proxy 1", "proxy unknown"],
)
@pytest.mark.parametrize("cut", [None, 1], ids=["whole", "by byte"])
def test_t11_other_protocols_on_a_plain_port(data: bytes, cut: int | None):
    """T11: a TLS hello or a PROXY line on a plain port: 400, though no request head ever ends."""
    client = Client(cut=cut)
    client.sends(data)
    assert client.reads_response().status == 400
    assert client.connection.closing is Closing.SHUT_DOWN_WRITING


def test_t12_no_answer_in_time():
    """T12: no accept or denial within accept_timeout: 503, disconnect 1006; an accept after it: ClientDisconnected."""
    client = deciding(Config(accept_timeout=7))
    assert client.connection.next_timeout() == 7
    wakes(client, 7)
    assert client.reads_response().status == 503
    assert client.app_receives() == [{"type": "websocket.disconnect", "code": 1006, "reason": "answer overdue"}]
    refuses(client, ACCEPT, ClientDisconnected)


def test_t12_no_limit_for_the_answer():
    """T12: with accept_timeout None the application has all the time of the world."""
    client = deciding(Config(accept_timeout=None))
    assert client.connection.next_timeout() is None
    client.app_sends(RESPONSE_START["type"], status=403)
    assert client.connection.next_timeout() is None


def test_t13_each_part_of_a_denial_has_its_time():
    """T13: each body of a denial is awaited as long again, and an abort follows when it does not come."""
    client = deciding(Config(accept_timeout=7))
    client.now = 6
    client.app_sends(RESPONSE_START["type"], status=403)
    assert client.connection.next_timeout() == 13
    client.now = 12
    client.app_sends(BODY["type"], body=b"a", more_body=True)
    assert client.connection.next_timeout() == 19
    client.now = 18
    client.app_sends(BODY["type"], body=b"b", more_body=True)
    assert client.connection.next_timeout() == 25
    client.reads()
    wakes(client, 25)
    assert client.connection.closing is Closing.ABORT
    assert client.reads() == b""
    refuses(client, LAST_BODY, ClientDisconnected)


def test_t13_a_denial_without_its_first_body():
    """T13: a denial that was begun and never written is aborted too: the application's answer was not ours to give."""
    client = denying()
    times_out(client)
    assert client.connection.closing is Closing.ABORT
    assert client.reads() == b""


def test_t14_the_handshake_deadline_runs_from_the_beginning():
    """T14: the deadline for the head runs from the connection's making, before TLS, however the bytes drip in."""
    client = Client(Config(handshake_timeout=10), now=100.0)
    request = head()
    for byte in request[:9]:
        client.now += 1
        client.sends(bytes([byte]))
        assert client.connection.next_timeout() == 110
    wakes(client, 110)
    assert client.reads_response().status == 408
    assert client.connection.closing is Closing.SHUT_DOWN_WRITING
    assert client.connection.next_timeout() == 120


@pytest.mark.parametrize(
    "ends",
    [
        lambda: _refused(b"POST / HTTP/1.1\r\n\r\n"),
        lambda: _refused(b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000),
        STATES["violation"],
        STATES["overdue-before-accept"],
        STATES["closed-before-accept"],
    ],
    ids=["400", "431", "1002", "503", "403"],
)
def test_t15_our_last_bytes_arrive(ends: Callable[[], Client]):
    """T15: whatever we end with: flush, half-close, read and throw away until the end or the close timeout."""
    client = ends()
    began = client.now
    for second in range(9):
        client.now = began + second
        assert client.connection.closing is Closing.SHUT_DOWN_WRITING
        assert client.connection.wants_read
        client.sends(b"x" * 100_000)
        assert client.reads() == b""
    assert client.connection.next_timeout() == began + 10
    client.ends_its_stream()
    assert not client.connection.wants_read
    assert client.connection.closing is Closing.CLOSE  # both halves have ended
    wakes(client, began + 10)
    assert client.connection.closing is Closing.ABORT


def _refused(request: bytes) -> Client:
    client = Client()
    client.sends(request)
    assert client.reads_response().status >= 400
    return client


# -- the end that waits behind messages


@pytest.mark.parametrize(
    ("end", "written", "code"),
    [
        (lambda c: c.sends(close(1001)), [close_frame(1001)], 1001),
        (lambda c: c.sends(text("bad", mask=None)), [close_frame(1002, "protocol error")], 1002),
        (lambda c: c.ends_its_stream(), [], 1006),
    ],
    ids=["close", "violation", "eof"],
)
class TestAnEndThatWaits:
    def test_f32_until_the_messages_were_taken(
        self, end: Callable[[Client], None], written: list[Frame], code: int
    ) -> None:
        """F32: messages, then an end, in one read: the messages come first, and answers go out before our close."""
        client = opened()
        client.sends(text("one"), text("two"))
        end(client)
        assert client.reads_frames() == []
        connection = client.connection
        for expected in ("one", "two"):
            assert connection.has_message
            assert connection.next_message(now=0) == RECEIVE | {"text": expected}
            connection.send({"type": "websocket.send", "text": expected.upper()}, now=0)
        assert client.reads_frames() == [Frame(TEXT, b"ONE"), Frame(TEXT, b"TWO")]
        assert connection.state is State.OPEN
        assert connection.has_message
        disconnect = connection.next_message(now=0)
        assert disconnect is not None
        assert disconnect["type"] == "websocket.disconnect"
        assert disconnect["code"] == code
        assert client.reads_frames() == written
        assert connection.state is State.LINGERING
        assert not connection.has_message

    def test_f32_at_the_latest_after_the_close_timeout(
        self, end: Callable[[Client], None], written: list[Frame], code: int
    ) -> None:
        """F32: an application that does not ask holds the end up for close_timeout; its messages stay readable."""
        client = opened(Config(close_timeout=5))
        client.sends(text("one"))
        client.now = 2
        end(client)
        assert client.connection.next_timeout() == 7
        wakes(client, 6.9)
        assert client.connection.state is State.OPEN
        wakes(client, 7)
        assert client.reads_frames() == written
        assert client.connection.next_timeout() == 12
        assert [each.get("text", each.get("code")) for each in client.app_receives()] == ["one", code]

    def test_f32_at_once_where_no_message_waits(
        self, end: Callable[[Client], None], written: list[Frame], code: int
    ) -> None:
        """F32: with no message waiting the end takes effect at once."""
        client = opened()
        end(client)
        assert client.connection.state is State.LINGERING
        assert client.reads_frames() == written
        assert [each["code"] for each in client.app_receives()] == [code]

    def test_f32_the_connect_message_holds_nothing_up(
        self, end: Callable[[Client], None], written: list[Frame], code: int
    ) -> None:
        """F32: an application that accepts without ever asking for `websocket.connect` does not hold an end up."""
        client = Client()
        client.sends(head())
        client.app_sends("websocket.accept")
        client.reads_response()
        end(client)
        assert client.connection.state is State.LINGERING
        assert client.reads_frames() == written

    def test_f32_the_peer_is_pinged_no_more(
        self, end: Callable[[Client], None], written: list[Frame], code: int
    ) -> None:
        """F32: a peer that has said its last cannot answer a ping: while its end waits none is sent or awaited."""
        client = opened(Config(ping_interval=20, ping_timeout=3, close_timeout=60))
        wakes(client, 20)
        client.reads()
        client.sends(text("one"))
        end(client)
        assert client.connection.next_timeout() == 80
        wakes(client, 50)
        assert client.reads() == b""
        assert [each.get("text", each.get("code")) for each in client.app_receives()] == ["one", code]
        assert client.reads_frames() == written
        assert not client.connection.has_message

    def test_f32_not_where_the_application_closes(
        self, end: Callable[[Client], None], written: list[Frame], code: int
    ) -> None:
        """F32: an application that closes before it has read all finds the end done with: nothing more is awaited."""
        client = opened()
        client.sends(text("one"))
        end(client)
        client.app_sends("websocket.close", code=3000)
        assert client.reads_frames() == [close_frame(3000)]
        assert client.connection.state is State.LINGERING
        assert [each.get("text", each.get("code")) for each in client.app_receives()] == ["one", 3000]


def test_f32_a_paused_stream_that_ended():
    """F32: an end of stream behind a full queue waits for what is still unread, a close frame in there included."""
    client = opened(Config(max_queue=2))
    client.sends(text("one"), text("two"), text("three"), text("four"), text("five"), close(1001))
    client.ends_its_stream()
    assert client.connection.state is State.OPEN
    assert [each.get("text", each.get("code")) for each in client.app_receives()] == [
        "one",
        "two",
        "three",
        "four",
        "five",
        1001,
    ]
    assert client.reads_frames() == [close_frame(1001)]


def test_f32_an_end_that_shows_when_reading_resumes():
    """F32: an end that is found as taking the last message makes room still waits for that message's answer."""
    client = opened(Config(max_queue=1))
    client.sends(text("one"), close(1001))
    connection = client.connection
    assert connection.next_message(now=0) == RECEIVE | {"text": "one"}
    assert connection.state is State.OPEN
    assert connection.has_message
    connection.send({"type": "websocket.send", "text": "ONE"}, now=0)
    assert connection.next_message(now=0) == {"type": "websocket.disconnect", "code": 1001, "reason": ""}
    assert client.reads_frames() == [Frame(TEXT, b"ONE"), close_frame(1001)]


# -- pongs, and a peer that reads none


def test_pongs_of_a_peer_that_does_not_read_are_the_latest():
    """RFC 6455 5.5.3: with the output full, of all pings the latest is answered, once some output was taken."""
    client = opened(Config(max_output_size=100))
    connection = client.connection
    for number in range(1000):
        connection.receive_data(ping(b"%03d" % number), now=0)
    assert connection.output_size < 200
    frames = client.reads_frames()
    assert frames[-1] == Frame(PONG, b"999")
    assert len(frames) < 40


def test_a_late_pong_goes_before_our_close():
    """F23: a ping that came before the peer's close is answered before ours, though the output was full."""
    client = opened(Config(max_output_size=1))
    client.connection.send(SEND, now=0)
    client.connection.receive_data(ping(b"?") + close(1000), now=0)
    assert [each.opcode for each in client.reads_frames()] == [TEXT, PONG, CLOSE]


def test_now_is_the_callers_clock():
    """Any monotonic clock will do: one that starts below zero too."""
    connection = ServerConnection(Config(handshake_timeout=1), now=-5000.0)
    assert connection.next_timeout() == -4999
    connection.handle_timeout(now=-4999)
    assert connection.state is State.LINGERING
