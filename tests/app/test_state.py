"""State: a bag over a dict."""

from __future__ import annotations

import copy

import pytest

from wscore.app import State


def test_attributes_and_items_are_the_same_values_of_the_dict_given() -> None:
    """What is stored on one side is seen on the others."""
    values = {"a": 1}
    state = State(values)
    state.b = 2
    state["c"] = 3
    assert (state.a, state["b"], state.c) == (1, 2, 3)
    assert values == {"a": 1, "b": 2, "c": 3}
    del state.a
    del state["b"]
    assert list(state) == ["c"]
    assert len(state) == 1
    assert copy.copy(state).c == 3


def test_what_is_missing_is_an_attribute_error_or_a_key_error() -> None:
    """Each way of asking has its own error; the attribute's names the attribute."""
    with pytest.raises(AttributeError, match="'State' object has no attribute 'x'"):
        State().x
    with pytest.raises(AttributeError, match="'State' object has no attribute 'x'"):
        del State().x
    with pytest.raises(KeyError, match="x"):
        State()["x"]
