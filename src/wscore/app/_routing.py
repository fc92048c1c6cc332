"""Paths: which route a connection belongs to, and what its path says.

A path is literal text with parameters in braces: `/room/{name}/{n:int}`. A parameter matches one segment, unless its
converter says otherwise. Routes are tried in the order in which they were given.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

__all__ = ["Converter", "PathError", "Pattern", "compile_path", "route_path"]


class PathError(ValueError):
    """A route's path that cannot work; the text says what is wrong with it."""


class Converter(NamedTuple):
    """What a parameter matches, and what becomes of it."""

    regex: str
    convert: Callable[[str], Any]
    type: type


# A number of more digits than Python converts by any setting is no match: int() would raise at what a client sent.
CONVERTERS: Final[dict[str, Converter]] = {
    "str": Converter("[^/]+", str, str),
    "int": Converter("[0-9]{1,640}", int, int),
    "float": Converter(r"[0-9]{1,300}(?:\.[0-9]{1,300})?", float, float),
    "path": Converter(".*", str, str),
    "uuid": Converter(
        "[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}", uuid.UUID, uuid.UUID
    ),
}

_PARAMETER: Final = re.compile(r"{([a-zA-Z_][a-zA-Z0-9_]*)(?::([a-zA-Z_]+))?}")


class Pattern:
    """A compiled path."""

    def __init__(self, path: str, *, prefix: bool) -> None:
        if not path.startswith("/") and not (prefix and path == ""):
            raise PathError(f"path {path!r} must start with a slash")
        self.path = path
        self.converters: dict[str, Converter] = {}
        """The parameters in their order, by name."""
        regex, end = "", 0
        for match in _PARAMETER.finditer(path):
            name, kind = match[1], match[2] or "str"
            if kind not in CONVERTERS:
                raise PathError(f"path {path!r}: no converter {kind!r}; expected one of {', '.join(CONVERTERS)}")
            if name in self.converters:
                raise PathError(f"path {path!r}: parameter {name!r} stands twice")
            self.converters[name] = CONVERTERS[kind]
            regex += re.escape(path[end : match.start()]) + f"(?P<{name}>{CONVERTERS[kind].regex})"
            end = match.end()
        if "{" in path[end:] or "}" in path[end:]:
            raise PathError(f"path {path!r}: expected parameters as {{name}} or {{name:converter}}")
        regex += re.escape(path[end:])
        # The rest is the last group, without a name: every name is the application's to use.
        self._regex = re.compile(regex + ("(/.*|)" if prefix else ""), re.DOTALL)

    def match(self, path: str) -> dict[str, Any] | None:
        """Give the parameters of a path that matches as a whole, and None for one that does not."""
        match = self._regex.fullmatch(path)
        if match is None:
            return None
        return {name: converter.convert(match[name]) for name, converter in self.converters.items()}

    def match_prefix(self, path: str) -> tuple[dict[str, Any], str] | None:
        """Give the parameters, and the prefix matched, of a path that goes on behind this one."""
        match = self._regex.fullmatch(path)
        if match is None:
            return None
        parameters = {name: converter.convert(match[name]) for name, converter in self.converters.items()}
        return parameters, path[: match.start(self._regex.groups)]


def compile_path(path: str, *, prefix: bool = False) -> Pattern:
    """Compile a route's path; with `prefix` it matches what lies below it. Raises PathError."""
    return Pattern(path.rstrip("/") if prefix else path, prefix=prefix)


def route_path(scope: Mapping[str, Any]) -> str:
    """Give the path that routes are matched with: `path` without `root_path`, of which ASGI 2.5 makes a prefix."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and path.startswith(root) and (len(path) == len(root) or path[len(root)] == "/"):
        return path[len(root) :]
    return path
