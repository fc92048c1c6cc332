"""Headers: an immutable multidict that does not care about case."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers as StarletteHeaders

from wscore.app import Headers, MutableHeaders

RAW = [(b"host", b"h"), (b"x-a", b"1"), (b"cookie", b"k=\xe9"), (b"x-a", b"2")]


def test_headers_answer_as_starlettes_do() -> None:
    """Every reading of a header list gives what Starlette's class gives."""
    ours, theirs = Headers(raw=RAW), StarletteHeaders(raw=list(RAW))
    assert ours["X-A"] == theirs["X-A"] == "1"
    assert ours.getlist("x-A") == theirs.getlist("x-A") == ["1", "2"]
    assert ours.get("no", "d") == theirs.get("no", "d") == "d"
    assert ours["cookie"] == theirs["cookie"] == "k=é"
    assert ours.keys() == theirs.keys()
    assert ours.values() == theirs.values()
    assert ours.items() == theirs.items()
    assert list(ours) == list(theirs)
    assert len(ours) == len(theirs) == 4
    assert ours.raw == theirs.raw
    assert ("HOST" in ours, "no" in ours) == ("HOST" in theirs, "no" in theirs) == (True, False)
    assert repr(ours) == repr(theirs)
    assert repr(Headers({"A": "1"})) == repr(StarletteHeaders({"A": "1"}))


def test_a_missing_header_is_a_key_error() -> None:
    """The KeyError names the key as it was asked for, even one that no header could have."""
    for key in ("No", "€"):
        with pytest.raises(KeyError, match=key):
            Headers(raw=RAW)[key]
    assert 1 not in Headers(raw=RAW)


def test_names_match_whatever_their_case() -> None:
    """Also where a server passes names as they came."""
    assert Headers(raw=[(b"X-A", b"1")])["x-a"] == "1"


def test_headers_cannot_be_changed() -> None:
    """Neither through the object nor through what it gives or was given."""
    given = list(RAW)
    headers = Headers(raw=given)
    given.clear()
    headers.raw.clear()
    assert len(headers) == 4
    with pytest.raises(TypeError):
        headers["a"] = "b"  # type: ignore[index]


def test_equality_does_not_depend_on_order() -> None:
    """The same fields are equal headers; anything else is not equal to headers."""
    assert Headers(raw=RAW) == Headers(raw=RAW[::-1])
    assert Headers(raw=RAW) != Headers(raw=RAW[:1])
    assert Headers({}) != {}


def test_a_mutable_copy_is_a_copy() -> None:
    """`mutablecopy()` can be changed, and the original stays."""
    headers = Headers(raw=RAW)
    copy = headers.mutablecopy()
    assert isinstance(copy, MutableHeaders)
    copy["X-A"] = "3"
    copy.append("x-b", "1")
    copy.append("x-b", "2")
    del copy["host"]
    assert copy.setdefault("x-c", "1") == "1"
    assert copy.setdefault("x-c", "2") == "1"
    copy.update({"X-D": "4"})
    assert copy.raw == [
        (b"x-a", b"3"), (b"cookie", b"k=\xe9"), (b"x-b", b"1"), (b"x-b", b"2"), (b"x-c", b"1"), (b"x-d", b"4"),
    ]  # fmt: skip
    assert headers.raw == RAW


def test_two_sources_are_an_error() -> None:
    """Headers come from one source."""
    with pytest.raises(TypeError, match="from two of them"):
        Headers({"a": "b"}, raw=RAW)
