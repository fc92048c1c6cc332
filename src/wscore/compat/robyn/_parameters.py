"""How a handler's parameters are filled, decided at registration: `names_for` (older API), `Filled` (newer API)."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from typing import Any, Final, Union, get_args, get_origin

from ...app import InjectionError
from ...app._injection import signature_of
from ._adapter import WebSocketAdapter
from ._query_params import QueryParams

__all__ = ["DEPENDENCIES", "Filled", "WrongParameter", "names_for"]

DEPENDENCIES: Final = ("global_dependencies", "router_dependencies")


def names_for(handler: Callable[..., Any]) -> dict[str, str]:
    """Return what each of a handler's parameters stands for. Raises InjectionError if one stands for nothing."""
    parameters = [p for p in inspect.signature(handler).parameters.values() if p.kind is not p.VAR_KEYWORD]
    left = [name for name in ("ws", "msg") if name not in [p.name for p in parameters]]
    names: dict[str, str] = {}
    for parameter in parameters:
        if parameter.name in ("ws", "msg", *DEPENDENCIES):
            names[parameter.name] = parameter.name
        elif left:
            names[parameter.name] = left.pop(0)
        else:
            raise InjectionError(
                f"{handler.__qualname__}: nobody provides parameter {parameter.name!r}; there are ws, msg, "
                + ", ".join(DEPENDENCIES)
            )
    return names


class WrongParameter(ValueError):
    """A parameter is missing from the query, or malformed."""


def _bool(text: str) -> bool:
    if text.lower() in ("true", "1", "yes", "on"):
        return True
    if text.lower() in ("false", "0", "no", "off"):
        return False
    raise ValueError(text)


class Filled:
    """A handler of the newer API, and how its parameters are filled."""

    CONVERTERS: Final[dict[Any, Callable[[str], Any]]] = {str: str, int: int, float: float, bool: _bool}

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        name = getattr(function, "__qualname__", repr(function))
        parameters, hints = signature_of(function, name)
        self._adapter, self._rest = parameters[:1], parameters[1:]
        self._types: dict[str, Any] = {}
        for parameter in self._rest:
            annotation = hints.get(parameter.name, str)
            if get_origin(annotation) in (Union, types.UnionType):  # X | None
                annotation = next(each for each in get_args(annotation) if each is not type(None))
            if parameter.name in ("query_params", *DEPENDENCIES):
                continue
            if annotation is not QueryParams and annotation not in self.CONVERTERS:
                raise InjectionError(f"{name}: parameter {parameter.name!r}: expected one of str, int, float, bool")
            self._types[parameter.name] = annotation

    def arguments(self, websocket: WebSocketAdapter, dependency: Callable[[str], Any]) -> dict[str, Any]:
        """Return the arguments for a connection. Raises WrongParameter."""
        query = websocket.query_params
        values = {each.name: self._value(each, query, dependency) for each in self._rest}
        return values | {each.name: websocket for each in self._adapter}

    def _value(self, parameter: inspect.Parameter, query: QueryParams, dependency: Callable[[str], Any]) -> Any:
        name = parameter.name
        if name in DEPENDENCIES:
            return dependency(name)
        if name == "query_params" or self._types[name] is QueryParams:
            return query
        text = query.get(name)
        if text is None:
            if parameter.default is parameter.empty:
                raise WrongParameter(f"Missing required parameter: {name!r}")
            return parameter.default
        try:
            return self.CONVERTERS[self._types[name]](text)
        except ValueError:
            expected = self._types[name].__name__
            raise WrongParameter(f"Invalid value {text!r} for parameter {name!r}: expected {expected}") from None
