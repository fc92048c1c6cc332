"""Paths: what they match, and what they say when they cannot work."""

import uuid
from typing import Any

import pytest

from wscore.app import PathError, compile_path
from wscore.app._routing import route_path


@pytest.mark.parametrize(
    ("path", "asked", "parameters"),
    [
        ("/", "/", {}),
        ("/chat", "/chat", {}),
        ("/chat", "/chat/", None),
        ("/chat", "/chats", None),
        ("/a.b", "/axb", None),
        ("/room/{name}", "/room/blue", {"name": "blue"}),
        ("/room/{name}", "/room/blue/1", None),
        ("/room/{name}", "/room/", None),
        ("/room/{name}/{n:int}", "/room/x/12", {"name": "x", "n": 12}),
        ("/room/{name}/{n:int}", "/room/x/-1", None),
        ("/{x:float}", "/1.5", {"x": 1.5}),
        ("/{x:float}", "/2", {"x": 2.0}),
        ("/{x:float}", "/.5", None),
        ("/files/{rest_of:path}", "/files/a/b.txt", {"rest_of": "a/b.txt"}),
        ("/files/{rest_of:path}", "/files/", {"rest_of": ""}),
        (
            "/{id:uuid}",
            "/6BA7B810-9dad-11d1-80b4-00c04fd430c8",
            {"id": uuid.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")},
        ),
        ("/{id:uuid}", "/6ba7b810", None),
        ("/{all:path}", "/a\nb", {"all": "a\nb"}),
        ("/{name}", "/zeile\n", {"name": "zeile\n"}),
    ],
)
def test_what_a_path_matches(path: str, asked: str, parameters: dict[str, Any] | None) -> None:
    """A path matches as a whole, and its parameters are converted."""
    assert compile_path(path).match(asked) == parameters


@pytest.mark.parametrize(
    ("path", "asked", "found"),
    [
        ("/api", "/api/x/y", ({}, "/api")),
        ("/api", "/api", ({}, "/api")),
        ("/api/", "/api/x", ({}, "/api")),
        ("/api", "/apis", None),
        ("/{team}", "/blue/x", ({"team": "blue"}, "/blue")),
        ("", "/anything", ({}, "")),
        ("/", "/anything", ({}, "")),
    ],
)
def test_what_a_prefix_matches(path: str, asked: str, found: Any) -> None:
    """A mount's path matches whole segments, and says how far it reached."""
    assert compile_path(path, prefix=True).match_prefix(asked) == found


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("chat", "must start with a slash"),
        ("/{n:integer}", "no converter 'integer'; expected one of str, int, float, path, uuid"),
        ("/{n}/{n}", "parameter 'n' stands twice"),
        ("/{n", "expected parameters as"),
        ("/{1n}", "expected parameters as"),
        ("/n}", "expected parameters as"),
        ("/{{n}}", "expected parameters as"),
    ],
)
def test_a_path_that_cannot_work_says_why(path: str, words: str) -> None:
    """PathError names the path and what is wrong with it."""
    with pytest.raises(PathError) as caught:
        compile_path(path)
    assert words in str(caught.value)
    assert repr(path) in str(caught.value)


@pytest.mark.parametrize(
    ("root", "path", "rest"),
    [
        ("", "/a", "/a"),
        ("/r", "/r/a", "/a"),
        ("/r", "/r", ""),
        ("/r", "/ra", "/ra"),
        ("/r", "/a", "/a"),  # a server that leaves root_path out of path
    ],
)
def test_root_path_is_taken_off(root: str, path: str, rest: str) -> None:
    """Routes are matched with what follows `root_path`, at a segment's end."""
    assert route_path({"path": path, "root_path": root}) == rest


def test_a_mount_whose_own_parameter_is_called_rest() -> None:
    """The name `rest` is the application's to use."""
    assert compile_path("/{rest}", prefix=True).match_prefix("/blue/x") == ({"rest": "blue"}, "/blue")
