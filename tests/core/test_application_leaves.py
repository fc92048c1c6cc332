"""What an application that ended leaves behind: found by fuzzing connections."""

from wscore import Config, Request, ServerConnection

HANDSHAKE = Request(
    b"GET",
    b"/",
    [
        (b"host", b"h"),
        (b"upgrade", b"websocket"),
        (b"connection", b"upgrade"),
        (b"sec-websocket-version", b"13"),
        (b"sec-websocket-key", b"AAAAAAAAAAAAAAAAAAAAAA=="),
    ],
)


def test_i3_messages_held_back_by_a_full_inbox_do_not_follow_the_disconnect() -> None:
    """I3, A15: a lost connection whose application returned gives the disconnect, and then nothing more."""
    connection = ServerConnection.from_request(HANDSHAKE, Config(max_queue=1), now=0.0)
    connection.next_message(now=0.0)
    connection.send({"type": "websocket.accept"}, now=0.0)
    connection.receive_data(b"\x81\x81\0\0\0\0a\x81\x81\0\0\0\0b", now=0.0)
    assert not connection.wants_read
    connection.connection_lost(now=0.0)
    connection.application_returned(now=0.0)
    disconnect = connection.next_message(now=0.0)
    assert disconnect is not None
    assert disconnect["type"] == "websocket.disconnect"
    assert connection.next_message(now=0.0) is None
