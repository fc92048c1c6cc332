"""The request's parts, which apistar and its descendants inject by annotation.

Rule of this file: every type is filled from the scope alone, the same way for both dialects. Nothing reads from the
connection, which has messages and no body.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from inspect import Parameter
from typing import Any, Dict, Final, NamedTuple, NewType  # noqa: UP035 - see below

from ..app import URL, Cookies, Headers, Path, QueryParams, WebSocket
from ..app._injection import Context, NamedProvider, PathParameters, signature_of

__all__ = [
    "URL",
    "ASGIReceive",
    "ASGIScope",
    "ASGISend",
    "Cookie",
    "Cookies",
    "Header",
    "Headers",
    "Host",
    "Method",
    "Path",
    "PathParams",
    "Port",
    "QueryParam",
    "QueryParams",
    "QueryString",
    "Scheme",
    "WebSocketRequest",
]

Method = NewType("Method", str)
Scheme = NewType("Scheme", str)
Host = NewType("Host", str)
Port = NewType("Port", int)
QueryString = NewType("QueryString", str)
QueryParam = NewType("QueryParam", str)
"""The first query parameter of the parameter's name."""
Header = NewType("Header", str)
"""The header of the parameter's name: `user_agent` for `user-agent`."""
Cookie = NewType("Cookie", str)
"""The cookie of the parameter's name; without a cookie `session_id`, `session_id` is `session-id`."""
ASGIScope = NewType("ASGIScope", dict[str, Any])
ASGIReceive = NewType("ASGIReceive", object)
ASGISend = NewType("ASGISend", object)
PathParams = PathParameters


class WebSocketRequest(NamedTuple):
    """The handshake request."""

    method: str
    url: URL
    headers: Headers


def _query_param(websocket: WebSocket, name: str) -> str | None:
    return next(iter(websocket.query_params.getlist(name)), None)


def _header(websocket: WebSocket, name: str) -> str | None:
    return websocket.headers.get(name.replace("_", "-"))


def _cookie(websocket: WebSocket, name: str) -> str | None:
    return websocket.cookies.get(name, websocket.cookies.get(name.replace("_", "-")))


def _host(websocket: WebSocket) -> str:
    return websocket.url.hostname or ""


def _port(websocket: WebSocket) -> int:
    return websocket.url.port or (443 if websocket.url.is_secure else 80)


def _method(websocket: WebSocket) -> str:
    return str(websocket.scope.get("method", "GET"))  # ASGI's websocket scope has none; over HTTP/1.1 it is a GET


def _whole(read: Callable[[WebSocket], Any]) -> NamedProvider:
    return lambda context, name, default: read(context.values[WebSocket])


def _part(read: Callable[[WebSocket, str], str | None]) -> NamedProvider:
    """Provide the part of the parameter's name, else the default, else None."""

    def source(context: Context, name: str, default: Any) -> Any:
        value = read(context.values[WebSocket], name)
        return value if value is not None else None if default is Parameter.empty else default

    return source


BY_NAME: Final[dict[Any, NamedProvider]] = {
    Method: _whole(_method),
    Scheme: _whole(lambda websocket: websocket.scope.get("scheme", "ws")),
    Host: _whole(_host),
    Port: _whole(_port),
    QueryString: _whole(lambda websocket: websocket.scope.get("query_string", b"").decode("latin-1")),
    QueryParam: _part(_query_param),
    Header: _part(_header),
    Cookie: _part(_cookie),
    dict[str, Cookie]: _whole(lambda websocket: dict(websocket.cookies)),
    Dict[str, Cookie]: _whole(lambda websocket: dict(websocket.cookies)),  # noqa: UP006 - how programs write it
    ASGIScope: _whole(lambda websocket: websocket.scope),
    ASGIReceive: _whole(lambda websocket: websocket.receive),
    ASGISend: _whole(lambda websocket: websocket.send),
    WebSocketRequest: _whole(lambda websocket: WebSocketRequest(_method(websocket), websocket.url, websocket.headers)),
}
"""For the injector. `Path`, `URL`, `Headers`, `QueryParams`, `PathParams` and `Cookies` are built in already."""

_CONVERTERS: Final[Mapping[Any, str]] = {int: "int", float: "float", uuid.UUID: "uuid"}
_PARAMETER: Final = re.compile(r"{(\+?)(\w+)}")


def typed_path(path: str, functions: Iterable[Callable[..., Any]], name: str) -> str:
    """Convert apistar's path to ours: `{n}` by the handler's annotation (`{n:int}`), `{+rest}` to `{rest:path}`."""
    kinds: dict[str, str] = {}
    for function in functions:
        _, hints = signature_of(function, name)
        kinds |= {parameter: _CONVERTERS[kind] for parameter, kind in hints.items() if kind in _CONVERTERS}

    def written(match: re.Match[str]) -> str:
        rest, parameter = match.groups()
        return f"{{{parameter}:{'path' if rest else kinds.get(parameter, 'str')}}}"

    return _PARAMETER.sub(written, path)
