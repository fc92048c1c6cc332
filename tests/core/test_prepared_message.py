"""A message for many connections: the bytes that `send` would write, made once for all that write them alike."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.peer import Client, head
from wscore import Config, PreparedMessage, State, send_nowait_extension

TAKEOVER = b"permessage-deflate"
ALONE = b"permessage-deflate; server_no_context_takeover"
JSON = '{"key": "value", "number": 17}' * 20


def opened(offer: bytes | None = None, config: Config | None = None) -> Client:
    client = Client(config)
    client.opens(head() if offer is None else head(b"Sec-WebSocket-Extensions: " + offer))
    return client


def posts(client: Client, message: PreparedMessage) -> bytes:
    assert client.connection.send_nowait(message)
    return client.connection.data_to_send()


@pytest.mark.parametrize("offer", [None, TAKEOVER, ALONE])
@given(payload=st.text(st.characters(codec="utf-8"), max_size=200) | st.binary(max_size=200))
def test_post_writes_what_send_writes(offer: bytes | None, payload: str | bytes):
    """Posted and sent, a message is the same bytes, and counts the same."""
    sending, posting = opened(offer), opened(offer)
    for _ in range(2):
        key = "text" if isinstance(payload, str) else "bytes"
        sending.connection.send({"type": "websocket.send", key: payload}, now=0)
        assert posts(posting, PreparedMessage(payload)) == sending.connection.data_to_send()
    assert posting.connection.stats == sending.connection.stats


@pytest.mark.parametrize(("offer", "shared"), [(None, True), (ALONE, True), (TAKEOVER, False)])
def test_it_is_encoded_once_for_all_that_encode_alike(offer: bytes | None, shared: bool):
    """Without compression, and compressed without takeover, all connections write the very same object."""
    message = PreparedMessage(JSON)
    first, second = (posts(opened(offer), message) for _ in range(2))
    assert first == second
    assert (first is second) is shared


def test_other_settings_encode_for_themselves():
    """Connections with another window, or without compression, share nothing with the others."""
    message = PreparedMessage(JSON)
    plain, alone = posts(opened(), message), posts(opened(ALONE), message)
    small = posts(opened(ALONE, Config(compression_window_bits=9)), message)
    assert len(plain) > len(alone)
    assert small is not alone
    assert posts(opened(), message) is plain


def test_takeover_goes_on():
    """A connection that compresses with what it sent before reads the posted message between its own."""
    client = opened(TAKEOVER)
    client.app_sends("websocket.send", text=JSON)
    assert client.connection.send_nowait(PreparedMessage(JSON))
    client.app_sends("websocket.send", text=JSON)
    assert client.reads_messages() == [JSON] * 3


def test_without_room_nothing_changes():
    """A connection whose output is full takes no message; once it is written it does."""
    client = opened(config=Config(max_output_size=10))
    message = PreparedMessage("0123456789")
    assert client.connection.send_nowait(message)
    stats = client.connection.stats.messages_sent
    assert not client.connection.send_nowait(message)
    assert client.connection.stats.messages_sent == stats
    client.take_output()
    assert client.connection.send_nowait(message)


def test_only_an_open_connection_takes_it():
    """Before the accept, while closing and after the end `send_nowait` says no, and nothing is written."""
    client = Client()
    message = PreparedMessage("early")
    assert not client.connection.send_nowait(message)
    client.sends(head())
    assert not client.connection.send_nowait(message)
    client.app_sends("websocket.accept")
    client.app_sends("websocket.close")
    client.reads()
    assert client.connection.state is State.CLOSE_SENT
    assert not client.connection.send_nowait(message)
    client.connection.connection_lost(now=0)
    assert not client.connection.send_nowait(message)
    assert client.reads() == b""


def test_what_cannot_be_sent_is_refused_where_it_is_prepared():
    """A lone surrogate raises for the sender, and reaches no connection."""
    with pytest.raises(UnicodeEncodeError):
        PreparedMessage("\ud800")


def test_a_transport_offers_it_in_the_scope():
    """As ASGI has extensions, a dict in a dict: the way to post, and the `send` that it goes beside."""

    async def send(message: Any) -> None: ...

    post = opened().connection.send_nowait
    assert send_nowait_extension(post, send) == {"wscore.send_nowait": {"send_nowait": post, "send": send}}
