"""The reader of plain request heads against h11: a strict subset, to the same values, in linear time."""

from __future__ import annotations

import base64
import binascii
import re._constants as opcodes
import re._parser as regex
from typing import Any

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.core.peer import KEY, head
from wscore import Config, Request
from wscore._core.http.server_handshake import _KEY, _PLAIN, HeadReader, read_plain

CONFIG = Config()
BROWSER = (
    b"GET /chat/room%20one?token=abc HTTP/1.1\r\nHost: chat.example.org\r\nConnection: keep-alive, Upgrade\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nUpgrade: websocket\r\nOrigin: https://chat.example.org\r\n"
    b"Sec-WebSocket-Version: 13\r\nCookie: a=1; b=2\r\nSec-WebSocket-Key: " + KEY + b"\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
)


def by_h11(data: bytes) -> Request:
    parser = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    parser.receive_data(data)
    event = parser.next_event()
    assert isinstance(event, h11.Request)
    return Request(event.method, event.target, list(event.headers), event.http_version.decode())


# Mostly what is plain, and of each part what is not.
_NAMES = st.sampled_from([b"Cookie", b"X-a", b"upgrade", b"!#$%&'*+.^_`|~-", b"Accept"]) | st.sampled_from(
    [b"", b"X ", b" X", b"X\xff", b"X:", b"Content-Length", b"Transfer-Encoding", b"HOST", b"(x)"]
)
_VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12).map(str.encode) | st.sampled_from(
    [
        b"",
        b"0",
        b"chunked",
        b" a",
        b"\ta \t b\t ",
        b"\xe4",
        b"\x00",
        b"a\rb",
        b"a\nb",
        b"a\r\n b",
        b"\x0b",
        b"\x0c",
        b"\x7f",
    ]
)
_TARGETS = st.sampled_from([b"/", b"/chat?x=%20", b"*", b"http://h/x"]) | st.sampled_from(
    [b"", b"/ x", b"/\xe4", b"/\t"]
)
_LINE_ENDS = st.sampled_from([b"\r\n"] * 8 + [b"\n", b"\r", b"\r\r\n", b"\n\r\n"])


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    """Give a head, plain about as often as not."""
    method = draw(st.sampled_from([b"GET"] * 8 + [b"get", b"POST", b"GET "]))
    version = draw(st.sampled_from([b"HTTP/1.1"] * 8 + [b"HTTP/1.0", b"HTTP/2.0", b"http/1.1", b"HTTP/1.1 "]))
    fields = draw(st.lists(st.tuples(_NAMES, st.sampled_from([b":", b": ", b":\t ", b" :"]), _VALUES), max_size=4))
    lines = [b"%s %s %s" % (method, draw(_TARGETS), version)]
    lines += draw(st.permutations([b"Host: h", *(b"".join(field) for field in fields)]))
    return (
        b"".join(line + draw(_LINE_ENDS) for line in lines) + draw(_LINE_ENDS) + draw(st.sampled_from([b"", b"\x81"]))
    )


@given(heads())
@example(BROWSER)
@example(head())
def test_what_is_taken_h11_takes_to_the_same_values(data: bytes) -> None:
    """Method, target, version and headers, their order, case and values, are h11's; so is the end of the head."""
    if plain := read_plain(data, CONFIG):
        request, rest = plain
        assert request == by_h11(data[: len(data) - len(rest)])
        assert data.endswith(rest)


@given(heads())
def test_a_head_in_one_read_and_in_two_is_the_same(data: bytes) -> None:
    """I1: what comes in two reads is h11's, and no different; refusals too."""
    reader = HeadReader(CONFIG)
    first = reader.feed(data[:1])
    assert HeadReader(CONFIG).feed(data) == (reader.feed(data[1:]) if first is None else first)


@pytest.mark.parametrize("data", [head(), BROWSER, head(b"Empty:"), head(b"X:\t padded \t")])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_what_clients_send_is_plain(data: bytes, kind: Any) -> None:
    """Browsers' and libraries' heads are taken, from any kind of buffer, and what follows is left over as bytes."""
    plain = read_plain(kind(data + b"\x81\x80"), CONFIG)
    assert plain is not None
    assert plain == (by_h11(data), b"\x81\x80")
    assert {type(part) for field in plain[0].headers for part in field} == {bytes}


@pytest.mark.parametrize(
    "data",
    [
        head(b"Content-Length: 0"),
        head(b"Transfer-Encoding: chunked"),
        head(b"X: a", b"x: b"),
        head(without=[b"Host"]),
        head(b"X: a\r\n b"),
        head(b"X: \xe4"),
        head(b"X : a"),
        head().replace(b"GET", b"POST"),
        head().replace(b"HTTP/1.1", b"HTTP/1.0"),
        head().replace(b"\r\n", b"\n"),
        head()[:-1],
    ],
)
def test_what_is_odd_is_left_to_h11(data: bytes) -> None:
    """A body, a field twice, no Host, folding, bytes beyond ASCII, other methods and line ends: not ours to judge."""
    assert read_plain(data, CONFIG) is None


def test_a_head_beyond_the_limits_is_not_taken() -> None:
    """A head of exactly the size and the number of headers allowed is, and one more of either is not."""
    fields = len(by_h11(BROWSER).headers)
    assert read_plain(BROWSER + b"rest", Config(max_head_size=len(BROWSER), max_headers=fields)) is not None
    assert read_plain(BROWSER + b"rest", Config(max_head_size=len(BROWSER) - 1)) is None
    assert read_plain(BROWSER, Config(max_headers=fields - 1)) is None


def test_no_head_makes_the_reader_look_twice() -> None:
    """Each repeat of the expression is possessive, so no input is tried in two ways: linear by construction."""
    kinds: set[Any] = set()

    def walk(parsed: Any) -> None:
        for item in parsed:
            if isinstance(item, tuple | list | regex.SubPattern):
                walk(item)
            elif isinstance(item, type(opcodes.MAX_REPEAT)):
                kinds.add(item)

    walk(regex.parse(_PLAIN.pattern))
    assert opcodes.POSSESSIVE_REPEAT in kinds
    assert not kinds & {opcodes.MAX_REPEAT, opcodes.MIN_REPEAT, opcodes.BRANCH}


@given(
    st.from_regex(rb"[A-Za-z0-9+/=\-_ \n]{20,26}", fullmatch=True)
    | st.binary(min_size=16, max_size=16).map(base64.b64encode)
)
@example(b"AAAAAAAAAAAAAAAAAAAAAB==")
def test_a_key_is_base64_of_16_bytes(value: bytes) -> None:
    """The expression takes what the standard library decodes to 16 bytes, and nothing else."""
    try:
        decoded = base64.b64decode(value, validate=True)
    except binascii.Error:
        decoded = b""
    assert bool(_KEY.fullmatch(value)) == (len(decoded) == 16)
