"""What an application sends (ASGI www 2.5): sequences that are lawful, such that are not, and anything."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import strategies as st

from ._messages import messages

__all__ = ["application_messages", "arbitrary_application_messages", "unlawful_application_messages"]

Message = dict[str, Any]

_NAMES: Final = st.sampled_from([b"x-a", b"set-cookie", b"server"])
_VALUES: Final = st.sampled_from([b"", b"1", b"a, b", "ä".encode("latin-1")])
_HEADERS: Final = st.lists(st.tuples(_NAMES, _VALUES), max_size=2)


def application_messages(*, max_size: int = 125, max_messages: int = 5) -> st.SearchStrategy[list[Message]]:
    """All that an application sends on one connection, from its answer to the handshake to its close: an accept and
    messages; an HTTP response, its body in one part or several; or a close. Whoever sends them gets no error.

    Args:
        max_size: Bytes of a message, or of a part of a body, at most.
        max_messages: Messages, or parts of a body, at most.
    """
    accept = st.fixed_dictionaries({"type": st.just("websocket.accept")}, optional={"headers": _HEADERS})
    sends = st.lists(messages(max_size=max_size).map(_send), max_size=max_messages)
    close = st.lists(_closes(), max_size=1)
    accepted = st.tuples(accept, sends, close).map(lambda parts: [parts[0], *parts[1], *parts[2]])
    start = st.fixed_dictionaries(
        {
            "type": st.just("websocket.http.response.start"),
            "status": st.sampled_from([200, 400, 401, 403, 404, 500, 503, 599]),
        },
        optional={"headers": _HEADERS},
    )
    body = st.lists(st.binary(max_size=max_size), min_size=1, max_size=max_messages).map(_parts)
    denied = st.tuples(start, body).map(lambda parts: [parts[0], *parts[1]])
    closed = _closes().map(lambda close: [close])
    return st.one_of(accepted, accepted, denied, closed)


def unlawful_application_messages(*, max_size: int = 125) -> st.SearchStrategy[list[Message]]:
    """Sequences of which the last message has to be refused with an error, and none before it.

    The last is malformed, or comes at the wrong time: a message before the accept, a second accept, anything after the
    close or after the response.

    Args:
        max_size: Bytes of a message at most.
    """
    sends = messages(max_size=max_size).map(_send)
    some = st.lists(sends, max_size=2)
    accept: Message = {"type": "websocket.accept"}
    close: Message = {"type": "websocket.close"}
    start: Message = {"type": "websocket.http.response.start", "status": 403}
    end = _body(b"", more=False)
    before = st.one_of(sends, st.just(end), st.sampled_from(_MALFORMED)).map(lambda last: [last])
    opened = st.tuples(some, st.sampled_from([*_MALFORMED, accept, start, end])).map(
        lambda parts: [accept, *parts[0], parts[1]]
    )
    closed = st.tuples(some, sends | st.sampled_from([accept, close])).map(
        lambda parts: [accept, *parts[0], close, parts[1]]
    )
    answered = st.tuples(
        st.sampled_from([[start, end], [close]]), sends | st.sampled_from([accept, close, start, end])
    ).map(lambda parts: [*parts[0], parts[1]])
    return st.one_of(before, opened, closed, answered)


def arbitrary_application_messages() -> st.SearchStrategy[Any]:
    """Anything that an application may hand to `send`: messages, those with wrong keys and types, and what is none."""
    anything = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-1, 70000),
        st.text(max_size=5),
        st.binary(max_size=5),
        st.just([]),
        st.just({}),
    )
    names = st.sampled_from([b"x-a", b"Set-Cookie", b"content-length", b"connection", b":status", b"a b", "x"])
    values = st.sampled_from([b"", b"1", b"5", b"a\r\nb", "x"])
    headers = st.one_of(st.none(), st.lists(st.tuples(names, values), max_size=2), anything)
    statuses = st.sampled_from([200, 204, 304, 403, 599])

    def message(kind: str, **keys: st.SearchStrategy[Any]) -> st.SearchStrategy[Message]:
        return st.fixed_dictionaries({"type": st.just(kind)}, optional=keys)

    bodies = st.builds(_body, st.binary(max_size=6), more=st.booleans())
    return st.one_of(
        message("websocket.accept"),
        message("websocket.accept", subprotocol=st.sampled_from(["a", "", None]) | anything, headers=headers),
        messages(max_size=300).map(_send),
        message("websocket.send", text=st.text(max_size=5) | st.just("\ud800") | anything, bytes=anything),
        message("websocket.close", code=st.sampled_from([1000, 3000]) | anything, reason=anything),
        message("websocket.http.response.start", status=statuses | anything, headers=headers),
        bodies,
        message("websocket.http.response.body", body=anything, more_body=anything),
        message("websocket.receive"),
        anything,
    )


_MALFORMED: Final[list[Message]] = [
    {"type": "websocket.send"},
    {"type": "websocket.send", "text": "a", "bytes": b"a"},
    {"type": "websocket.send", "text": b"a"},
    {"type": "websocket.send", "text": "\ud800"},
    {"type": "websocket.close", "code": "1000"},
    {"type": "websocket.receive", "text": "a"},
    {"type": "websocket.unknown"},
    {},
]


def _closes() -> st.SearchStrategy[Message]:
    codes = st.sampled_from([1000, 1001, 1011, 3000, 4999])
    keys = {"code": codes, "reason": st.sampled_from(["", "bye", "ä" * 61])}
    return st.fixed_dictionaries({"type": st.just("websocket.close")}, optional=keys)


def _send(message: str | bytes) -> Message:
    return {"type": "websocket.send", "text" if isinstance(message, str) else "bytes": message}


def _parts(parts: list[bytes]) -> list[Message]:
    return [_body(part, more=at < len(parts)) for at, part in enumerate(parts, 1)]


def _body(part: bytes, *, more: bool) -> Message:
    return {"type": "websocket.http.response.body", "body": part, "more_body": more}
