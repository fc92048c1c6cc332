"""Path patterns: which route serves a connection, and the parameters in its path.

A path is literal text with parameters in braces: `/room/{name}/{n:int}`. A parameter matches one segment unless its
converter says otherwise. Routes are tried in the given order.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

__all__ = ["Converter", "PathError", "Pattern", "compile_path", "route_path"]


class PathError(ValueError):
    """A malformed route path; the text says what is wrong with it."""


class Converter(NamedTuple):
    """What a parameter matches, and how it is converted."""

    regex: str
    convert: Callable[[str], Any]
    type: type


# Longer numbers do not match: int() may raise above 640 digits, the lowest limit that Python can be set to.
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
        """The parameters by name, in order."""
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
        # The remainder is the last group, unnamed: all names belong to the application.
        self._regex = re.compile(regex + ("(/.*|)" if prefix else ""), re.DOTALL)

    def match(self, path: str) -> dict[str, Any] | None:
        """Return the parameters if the whole path matches, otherwise None."""
        match = self._regex.fullmatch(path)
        if match is None:
            return None
        return {name: converter.convert(match[name]) for name, converter in self.converters.items()}

    def match_prefix(self, path: str) -> tuple[dict[str, Any], str] | None:
        """Return the parameters and the matched prefix if the path is this one or lies below it, otherwise None."""
        match = self._regex.fullmatch(path)
        if match is None:
            return None
        parameters = {name: converter.convert(match[name]) for name, converter in self.converters.items()}
        return parameters, path[: match.start(self._regex.groups)]


def compile_path(path: str, *, prefix: bool = False) -> Pattern:
    """Compile a route's path.

    Args:
        path: Literal text with parameters in braces: `{name}` or `{name:converter}`.
        prefix: Whether the pattern is for `match_prefix`, and covers everything below the path.

    Raises:
        PathError: The path is malformed.
    """
    return Pattern(path.rstrip("/") if prefix else path, prefix=prefix)


def route_path(scope: Mapping[str, Any]) -> str:
    """Return the path to match routes against: `path` without `root_path`, its prefix since ASGI 2.5."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and path.startswith(root) and (len(path) == len(root) or path[len(root)] == "/"):
        return path[len(root) :]
    return path
