"""Messages on their way through Redis: what is written is read as it was, and anything else is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wscore.app import Envelope
from wscore.app._redis_message import Malformed, Names, decode, decode_name, encode, encode_name, sent_by

ORIGIN = "0123456789abcdef" * 2
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
ANY_TEXT = st.text(st.characters())
HEAD = b"wscore1 " + ORIGIN.encode()


@given(TEXTS | st.binary(), ANY_TEXT, st.frozensets(ANY_TEXT, max_size=5))
def test_what_is_written_is_read(data: str | bytes, name: str, exclude: frozenset[str]) -> None:
    """Text stays text and binary binary, with whatever bytes, ids and rooms."""
    for envelope in (Envelope(data, name, None, exclude), Envelope(data, None, name, frozenset())):
        message = encode(envelope, ORIGIN)
        assert decode(message, envelope.room) == envelope
        assert sent_by(message, ORIGIN.encode())
        assert not sent_by(message, b"f" * 32)


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (b"", "does not begin with wscore1"),
        (b"hello", "does not begin with wscore1"),
        (b"wscore2 " + HEAD[8:] + b" t []\n", "does not begin with wscore1"),
        (HEAD + b" t []", "first line"),
        (HEAD + b"  t []\n", "first line"),
        (HEAD + b"t []\n", "first line"),
        (HEAD + b" tt []\n", "first line"),
        (b"wscore1 \n", "first line"),
        (HEAD + b" x []\n", "kind is b'x'"),
        (HEAD + b" t [\n", "not JSON"),
        (HEAD + b" t \xff\n", "not JSON"),
        (HEAD + b" t " + b"[" * 100_000 + b"\n", "not JSON"),
        (HEAD + b" t " + b"9" * 5000 + b"\n", "not JSON"),
        (HEAD + b" t {}\n", "not an array of strings"),
        (HEAD + b" t [1]\n", "not an array of strings"),
        (HEAD + b" t []\n\xff", "not UTF-8"),
    ],
)
def test_anything_else_is_malformed(message: bytes, says: str) -> None:
    """One error, whatever it is, that says what is wrong."""
    with pytest.raises(Malformed, match=says):
        decode(message, "room")


@pytest.mark.parametrize("ids", [b"[]", b'["a", "b"]'])
def test_a_message_for_an_id_is_for_one(ids: bytes) -> None:
    """In the channel of ids there is one, neither none nor two."""
    with pytest.raises(Malformed, match="not for one"):
        decode(HEAD + b" t " + ids + b"\n", None)


@given(st.binary())
def test_no_bytes_raise_anything_else(message: bytes) -> None:
    """Whatever somebody publishes."""
    for each in (message, b"wscore1 " + message, HEAD + b" t " + message):
        for room in ("room", None):
            with contextlib.suppress(Malformed):
                decode(each, room)


@given(ANY_TEXT)
def test_names_are_bytes_and_back(name: str) -> None:
    """Those that no UTF-8 encodes as well."""
    assert decode_name(encode_name(name)) == name


def test_a_name_that_somebody_else_has_given_is_shown() -> None:
    """With its bytes, where they are no name."""
    assert decode_name(b"a\xff") == "a\\xff"


def test_all_names_begin_with_the_prefix() -> None:
    """And no room is the channel of ids."""
    names = Names("p:")
    assert (names.ids, names.channel("ids"), names.presence("ids")) == (b"p:ids", b"p:room:ids", b"p:presence:ids")
