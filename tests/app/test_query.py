"""QueryParams: an immutable multidict of decoded parameters."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.datastructures import QueryParams as StarletteParams

from wscore.app import QueryParams


@pytest.mark.parametrize(
    "query",
    [b"", b"a=1&a=2&b=", b"a", b"q=%C3%A9+x%20y", b"a=1;b=2", b"&&a=1", b"q=\xc3\xa9", "a=é&b",
     {"a": 1}, [("a", 1), ("a", 2)]],
    ids=repr,
)  # fmt: skip
def test_parameters_are_read_as_starlette_reads_them(query: Any) -> None:
    """Blanks are kept, `+` and percent signs decoded, the last value wins, and str() encodes again."""
    ours, theirs = QueryParams(query), StarletteParams(query)
    assert dict(ours) == dict(theirs)
    assert ours.multi_items() == theirs.multi_items()
    assert ours.getlist("a") == theirs.getlist("a")
    assert (str(ours), repr(ours), len(ours)) == (str(theirs), repr(theirs), len(theirs))
    assert list(ours.keys()) == list(theirs.keys())
    assert list(ours.values()) == list(theirs.values())
    assert list(ours.items()) == list(theirs.items())


def test_the_last_value_of_a_name_counts() -> None:
    """`[name]` is the last value, `getlist(name)` all."""
    params = QueryParams("a=1&b=x&a=2", c=3)
    assert (params["a"], params.getlist("a"), params["c"], params.get("d")) == ("2", ["1", "2"], "3", None)
    with pytest.raises(KeyError, match="d"):
        params["d"]


def test_they_cannot_be_changed() -> None:
    """There is no assignment, and what it gives is a copy."""
    params = QueryParams("a=1")
    params.multi_items().clear()
    with pytest.raises(TypeError):
        params["a"] = "2"  # type: ignore[index]
    assert params.multi_items() == [("a", "1")]


def test_equality() -> None:
    """The order of names means nothing, that of one name's values does; equal ones hash alike."""
    assert QueryParams("a=1&b=2") == QueryParams("b=2&a=1") == QueryParams({"b": "2"}, a=1)
    assert hash(QueryParams("a=1&b=2")) == hash(QueryParams("b=2&a=1"))
    assert QueryParams("a=1&a=2") != QueryParams("a=2&a=1")
    assert QueryParams("a=1") != {"a": "1"}
    assert QueryParams(QueryParams("a=1&a=2")) == QueryParams("a=1&a=2")
