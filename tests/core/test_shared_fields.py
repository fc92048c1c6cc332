"""Header fields that many clients send alike are the same objects on each connection."""

from __future__ import annotations

import pytest

from tests.core.peer import head
from wscore import Config
from wscore._core.http.server_handshake import read_plain
from wscore._core.http.shared_fields import COMMON_LINES, COMMON_NAMES, parse_field

Fields = list[tuple[bytes, bytes]]


def fields(data: bytes) -> Fields:
    plain = read_plain(data, Config())
    assert plain is not None
    return plain[0].headers


@pytest.mark.parametrize("line", COMMON_LINES)
def test_a_common_line_is_what_any_other_line_would_be(line: bytes) -> None:
    """The same name and value as of a line that is taken apart."""
    name, value = line.split(b":", 1)
    assert COMMON_LINES[line] == (name.lower(), value.strip()) == parse_field(name.upper() + b":\t" + value)


@pytest.mark.parametrize("name", COMMON_NAMES)
def test_a_common_name_is_in_lower_case(name: bytes) -> None:
    """However it is spelled."""
    assert COMMON_NAMES[name] == name.lower() == parse_field(name + b": x")[0]


def test_connections_share_what_their_requests_have_in_common() -> None:
    """Of two requests the names are the same objects, and so are whole fields; other values are each one's own."""
    one, other = (fields(head(b"Origin: https://example.org", b"Cookie: a=" + value)) for value in (b"1", b"2"))
    shared = {name for (name, _), (twin, _) in zip(one, other, strict=True) if name is twin}
    assert shared >= {b"host", b"origin", b"cookie", b"upgrade", b"connection", b"sec-websocket-key"}
    whole = {field[0] for field, twin in zip(one, other, strict=True) if field is twin}
    assert whole == {b"upgrade", b"connection", b"sec-websocket-version"}


def test_a_name_that_is_not_common_is_parsed_as_well() -> None:
    """Its own object, in lower case."""
    assert parse_field(b"X-Anything:  a b\t") == (b"x-anything", b"a b")
