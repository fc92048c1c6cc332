"""wscore.compat.starlette answers as Starlette does: the same scripted exchange, on both, compared.

A step is a call on the WebSocket; its outcome is what it returned, or the type and the text of what it raised. The
messages sent and both states are compared too. What differs on purpose is listed in `DIFFERENCES`, with the reason,
and in docs/howto/coming-from-starlette.md.
"""

from __future__ import annotations

import itertools
from collections.abc import Coroutine
from typing import Any, NamedTuple

import pytest
import starlette.exceptions
import starlette.responses
import starlette.websockets

from wscore.compat import starlette as ours

from ..app.scripted import CONNECT, Server, binary, disconnect, make_scope, text

theirs = starlette.websockets

Step = tuple[Any, ...]


def step(method: str, *args: Any, **kwargs: Any) -> Step:
    return (method, args, tuple(kwargs.items()))


ACCEPT, CLOSE, RECEIVE = step("accept"), step("close"), step("receive")
RECEIVE_TEXT, RECEIVE_BYTES, RECEIVE_JSON = step("receive_text"), step("receive_bytes"), step("receive_json")
SEND_TEXT = step("send_text", "x")


def send(kind: str, **content: Any) -> Step:
    return step("send", {"type": kind} | content)


START = send("websocket.http.response.start", status=401, headers=[])
BODY = send("websocket.http.response.body", body=b"x")
BODY_PART = send("websocket.http.response.body", body=b"x", more_body=True)


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run what never has to wait, without a loop."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits, and a script has nothing to wait for")


async def collect(iterator: Any, into: list[Any]) -> None:
    async for item in iterator:
        into.append(item)


def perform(ws: Any, given: Step) -> Any:
    method, args, kwargs = given
    items: list[Any] = []
    try:
        if method.startswith("iter"):
            run(collect(getattr(ws, method)(), items))
            return ("iterated", items)
        return ("returned", run(getattr(ws, method)(*args, **dict(kwargs))))
    except Exception as error:
        end = (error.code, error.reason) if type(error).__name__ == "WebSocketDisconnect" else None
        return ("raised", type(error).__name__, str(error), end, items)


def exchange(module: Any, steps: tuple[Step, ...], incoming: list[dict[str, Any]], **options: Any) -> list[Any]:
    """Give the outcome of each step, with what was sent during it and the states after it."""
    server = Server(incoming, **options)
    ws = module.WebSocket(server.scope, server.receive, server.send)
    transcript: list[Any] = []
    for given in steps:
        before = len(server.sent)
        outcome = perform(ws, given)
        transcript.append((outcome, server.sent[before:], ws.client_state.name, ws.application_state.name))
    return transcript


class Case(NamedTuple):
    steps: tuple[Step, ...]
    incoming: list[dict[str, Any]]
    options: dict[str, Any] = {}  # noqa: RUF012  # nobody changes it


async def plain(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "websocket.http.response.start", "status": 401, "headers": []})
    await send({"type": "websocket.http.response.body", "body": b"no"})


NO_EXTENSION = {"scope": make_scope(extensions={})}
ODD = {"type": "lifespan.startup"}

SAME = {
    "receive, connecting": Case((RECEIVE,), [CONNECT]),
    "receive, connecting, wrong message": Case((RECEIVE,), [text("x")]),
    "receive, connecting, disconnect": Case((RECEIVE,), [disconnect()]),
    "receive, connected": Case((RECEIVE, RECEIVE, RECEIVE), [CONNECT, text("a"), disconnect(1001, "r")]),
    "receive, connected, wrong message": Case((RECEIVE, RECEIVE), [CONNECT, CONNECT]),
    "receive, connected, unknown message": Case((RECEIVE, RECEIVE), [CONNECT, ODD]),
    "receive after disconnect": Case((RECEIVE, RECEIVE, RECEIVE), [CONNECT, disconnect()]),
    "send, connecting, wrong message": Case((send("websocket.send", text="x"),), []),
    "send, connecting, body": Case((BODY,), []),
    "send, connected, wrong message": Case((ACCEPT, send("websocket.accept")), [CONNECT]),
    "send, connected, denial": Case((ACCEPT, START), [CONNECT]),
    "send, response, wrong message": Case((START, START, SEND_TEXT, CLOSE), []),
    "send, response, parts": Case((START, BODY_PART, BODY_PART, BODY, BODY), []),
    "send after close": Case((ACCEPT, CLOSE, SEND_TEXT, CLOSE), [CONNECT]),
    "send after close before accept": Case((CLOSE, CLOSE, ACCEPT), [CONNECT]),
    "accept": Case((ACCEPT,), [CONNECT]),
    "accept with everything": Case((step("accept", "chat", [(b"X-A", b"1")]),), [CONNECT]),
    "accept by keywords": Case((step("accept", subprotocol="chat", headers=[(b"x-a", b"1")]),), [CONNECT]),
    "accept after receive": Case((RECEIVE, ACCEPT), [CONNECT]),
    "accept twice": Case((ACCEPT, ACCEPT), [CONNECT]),
    "accept without connect": Case((ACCEPT,), [text("x")]),
    "guards before accept": Case((RECEIVE_TEXT, RECEIVE_BYTES, RECEIVE_JSON), [CONNECT]),
    "guards after close": Case((ACCEPT, CLOSE, RECEIVE_TEXT, RECEIVE_BYTES, RECEIVE_JSON), [CONNECT, text("x")]),
    "receive_text": Case((ACCEPT, RECEIVE_TEXT, RECEIVE_TEXT), [CONNECT, text("a"), text("")]),
    "receive_text, bytes as None": Case((ACCEPT, RECEIVE_TEXT), [CONNECT, text("a") | {"bytes": None}]),
    "receive_bytes": Case((ACCEPT, RECEIVE_BYTES, RECEIVE_BYTES), [CONNECT, binary(b"a"), binary(b"")]),
    "receive_bytes, text as None": Case((ACCEPT, RECEIVE_BYTES), [CONNECT, binary(b"a") | {"text": None}]),
    "receive_json": Case((ACCEPT, RECEIVE_JSON), [CONNECT, text('{"a": [1, "é"]}')]),
    "receive_json, binary": Case((ACCEPT, step("receive_json", mode="binary")), [CONNECT, binary(b'{"a": 1}')]),
    "receive_json, mode by position": Case((ACCEPT, step("receive_json", "binary")), [CONNECT, binary(b"1")]),
    "receive_json, wrong mode before all else": Case((step("receive_json", mode="other"),), []),
    "receive_json, malformed, then on": Case((ACCEPT, RECEIVE_JSON, RECEIVE_JSON), [CONNECT, text("{"), text("1")]),
    "receive_json, empty": Case((ACCEPT, RECEIVE_JSON), [CONNECT, text("")]),
    "receive_json, not UTF-8": Case((ACCEPT, step("receive_json", "binary")), [CONNECT, binary(b'"\xff"')]),
    "disconnect in receive_text": Case((ACCEPT, RECEIVE_TEXT, RECEIVE_TEXT), [CONNECT, disconnect(4000, "r")]),
    "disconnect in receive_bytes": Case((ACCEPT, RECEIVE_BYTES), [CONNECT, disconnect(1000, "")]),
    "disconnect in receive_json": Case((ACCEPT, RECEIVE_JSON), [CONNECT, disconnect(1006)]),
    "disconnect without reason": Case(
        (ACCEPT, RECEIVE_TEXT), [CONNECT, {"type": "websocket.disconnect", "code": 1001}]
    ),
    "disconnect after own close": Case((ACCEPT, CLOSE, RECEIVE, RECEIVE), [CONNECT, disconnect(1000)]),
    "send_text": Case((ACCEPT, SEND_TEXT, step("send_text", ""), step("send_text", data="é")), [CONNECT]),
    "send_bytes": Case((ACCEPT, step("send_bytes", b"x"), step("send_bytes", b"")), [CONNECT]),
    "send_json": Case((ACCEPT, step("send_json", {"é": [1, None, 0.5]}), step("send_json", "")), [CONNECT]),
    "send_json, binary": Case((ACCEPT, step("send_json", {"é": 1}, mode="binary")), [CONNECT]),
    "send_json, wrong mode": Case((ACCEPT, step("send_json", 1, mode="other")), [CONNECT]),
    "send_json, not serialisable": Case((ACCEPT, step("send_json", {1}), SEND_TEXT), [CONNECT]),
    "send_json, lone surrogate, binary": Case((ACCEPT, step("send_json", "\ud800", mode="binary")), [CONNECT]),
    "sends before accept": Case((SEND_TEXT, step("send_bytes", b"x"), step("send_json", 1)), [CONNECT]),
    "iter_text": Case((ACCEPT, step("iter_text")), [CONNECT, text("a"), text("b"), disconnect(1001)]),
    "iter_bytes": Case((ACCEPT, step("iter_bytes")), [CONNECT, binary(b"a"), disconnect(1006)]),
    "iter_json": Case((ACCEPT, step("iter_json")), [CONNECT, text("1"), text("[]"), disconnect()]),
    "iter_json, malformed": Case((ACCEPT, step("iter_json")), [CONNECT, text("1"), text("["), disconnect()]),
    "iter before accept": Case((step("iter_text"), step("iter_bytes"), step("iter_json")), [CONNECT]),
    "close": Case((ACCEPT, step("close", 4000, "r")), [CONNECT]),
    "close by keywords": Case((ACCEPT, step("close", code=1001, reason=None)), [CONNECT]),
    "close before accept, not waiting for the connect": Case((step("close", 1008),), []),
    "denial": Case((step("send_denial_response", plain), CLOSE), [CONNECT]),
    "denial after accept": Case((ACCEPT, step("send_denial_response", plain)), [CONNECT]),
    "denial without extension": Case((step("send_denial_response", plain), CLOSE), [CONNECT], NO_EXTENSION),
    "other errors of the server's send": Case(
        (ACCEPT, SEND_TEXT, SEND_TEXT), [CONNECT], {"failure": RuntimeError("server"), "fails_from": 1}
    ),
}


@pytest.mark.parametrize("case", SAME.values(), ids=SAME)
def test_the_same_exchange_has_the_same_outcome(case: Case) -> None:
    """Messages, states, exceptions and their texts are Starlette's."""
    assert exchange(ours, case.steps, case.incoming, **case.options) == exchange(
        theirs, case.steps, case.incoming, **case.options
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: starlette.responses.Response(b"x", 401, {"x-a": "1"}),
        lambda: starlette.responses.JSONResponse({"a": 1}, 403),
        lambda: starlette.responses.PlainTextResponse("no", 404),
        lambda: starlette.responses.HTMLResponse("<p>", 500),
        lambda: starlette.responses.RedirectResponse("/login"),
    ],
    ids=["Response", "JSON", "PlainText", "HTML", "Redirect"],
)
def test_starlettes_responses_are_denials(make: Any) -> None:
    """Every response class of Starlette refuses a connection through ours as through its own."""
    outcomes = [exchange(module, (step("send_denial_response", make()),), [CONNECT]) for module in (ours, theirs)]
    assert outcomes[0] == outcomes[1]
    assert [message["type"] for message in outcomes[0][0][1]] == [
        "websocket.http.response.start",
        "websocket.http.response.body",
    ]


SCRIPTS = [
    [CONNECT, text("a"), text("b"), text("c"), text("d")],
    [CONNECT, text("a"), disconnect(4000, "r")],
    [CONNECT, disconnect(1001)],
    [disconnect(1006)],
    [text("a")],
]
ALPHABET = (ACCEPT, CLOSE, RECEIVE, RECEIVE_TEXT, SEND_TEXT, START, BODY_PART, BODY)
OUTGOING = {ACCEPT: "websocket.accept", CLOSE: "websocket.close", SEND_TEXT: "websocket.send"}


def test_every_order_of_four_calls_has_the_same_outcome() -> None:
    """All sequences of four calls out of eight, against five clients: 20,480 conversations.

    Compared up to the first send to a client whose disconnect was received, which is a difference on purpose.
    """
    compared = 0
    for script, steps in itertools.product(SCRIPTS, itertools.product(ALPHABET, repeat=4)):
        mine, original = exchange(ours, steps, script), exchange(theirs, steps, script)
        client = "CONNECTING"
        for given, my_outcome, their_outcome in zip(steps, mine, original, strict=True):
            if client == "DISCONNECTED" and given not in (RECEIVE, RECEIVE_TEXT) and their_outcome[1]:
                break
            assert my_outcome == their_outcome, (script, steps, given)
            client = their_outcome[2]
            compared += 1
    assert compared > 60_000


# -- what differs, and why

BEFORE = (ACCEPT, RECEIVE)  # then the client's disconnect has been received
GONE = [CONNECT, disconnect(4000, "r")]

DIFFERENCES = {
    # A binary frame in receive_text: the reason is in the text; still a KeyError (and no None on other servers).
    "wrong frame, key left out": (
        Case((ACCEPT, RECEIVE_TEXT), [CONNECT, binary(b"x")]),
        ("raised", "KeyError", "'text'", None, []),
        ("raised", "WrongFrameType", 'Expected a WebSocket message with "text", but got bytes.', None, []),
    ),
    "wrong frame, key is None": (
        Case((ACCEPT, RECEIVE_TEXT), [CONNECT, binary(b"x") | {"text": None}]),
        ("returned", None),
        ("raised", "WrongFrameType", 'Expected a WebSocket message with "text", but got bytes.', None, []),
    ),
    "wrong frame, text for bytes": (
        Case((ACCEPT, RECEIVE_BYTES), [CONNECT, text("x")]),
        ("raised", "KeyError", "'bytes'", None, []),
        ("raised", "WrongFrameType", 'Expected a WebSocket message with "bytes", but got text.', None, []),
    ),
    # ASGI 2.5: the code is optional, 1005 where it is missing.
    "disconnect without code": (
        Case((ACCEPT, RECEIVE_TEXT), [CONNECT, {"type": "websocket.disconnect"}]),
        ("raised", "KeyError", "'code'", None, []),
        ("raised", "WebSocketDisconnect", "(1005, None)", (1005, ""), []),
    ),
    # A send to a client that left raises on every server, not on those alone that raise by themselves.
    "send after a received disconnect": (
        Case((*BEFORE, SEND_TEXT), GONE),
        ("returned", None),
        (
            "raised", "WebSocketDisconnected",
            'Cannot call "send" once a disconnect message has been received.', None, [],
        ),
    ),
    # The error says why: with the code that the server's exception has, and a text.
    "failed send": (
        Case((ACCEPT, SEND_TEXT), [CONNECT], {"failure": OSError("gone"), "fails_from": 1}),
        ("raised", "WebSocketDisconnect", "", (1006, ""), []),
        ("raised", "WebSocketDisconnect", "(1006, '')", (1006, ""), []),
    ),
    # One exception for the end, also when it is met by the accept.
    "failed accept": (
        Case((ACCEPT,), [CONNECT], {"failure": OSError("gone")}),
        ("raised", "OSError", "gone", None, []),
        ("raised", "WebSocketDisconnect", "(1006, '')", (1006, ""), []),
    ),
    # A loop over messages ends where the connection does, also when the application itself closed it.
    "iteration after the own close": (
        Case((ACCEPT, CLOSE, step("iter_text")), [CONNECT]),
        (
            "raised", "WebSocketDisconnected", 'WebSocket is not connected. Need to call "accept" first.', None, [],
        ),
        ("iterated", []),
    ),
    "iteration after a received disconnect": (
        Case((*BEFORE, step("iter_text")), GONE),
        (
            "raised", "WebSocketDisconnected",
            'Cannot call "receive" once a disconnect message has been received.', None, [],
        ),
        ("iterated", []),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("case", "their_outcome", "our_outcome"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_what_differs_does_so_on_purpose(case: Case, their_outcome: Any, our_outcome: Any) -> None:
    """Both outcomes are stated, so that a change on either side is seen."""
    assert exchange(theirs, case.steps, case.incoming, **case.options)[-1][0] == their_outcome
    assert exchange(ours, case.steps, case.incoming, **case.options)[-1][0] == our_outcome


def test_a_close_after_a_received_disconnect_is_not_sent() -> None:
    """Nobody is there to get it, and servers raise for it; Starlette sends it. Neither raises by itself."""
    steps = (*BEFORE, CLOSE)
    assert exchange(theirs, steps, GONE)[-1][:2] == (
        ("returned", None), [{"type": "websocket.close", "code": 1000, "reason": ""}],
    )  # fmt: skip
    assert exchange(ours, steps, GONE)[-1][:2] == (("returned", None), [])


# -- the names


def test_the_names_of_starlette_websockets_are_there() -> None:
    """All that the module defines, with the same states and defaults."""
    defined = {name for name, value in vars(theirs).items() if getattr(value, "__module__", "") == theirs.__name__}
    assert defined <= set(ours.__all__)
    assert {s.name: s.value for s in ours.WebSocketState} == {s.name: s.value for s in theirs.WebSocketState}
    public = {name for name in dir(theirs.WebSocket) if not name.startswith("_")}
    assert public <= set(dir(ours.WebSocket))
    assert issubclass(ours.WebSocketDisconnected, RuntimeError)


def test_the_exceptions_look_the_same() -> None:
    """Defaults, attributes and texts."""
    for args in ((), (1001,), (1001, "r"), (1001, None)):
        mine, original = ours.WebSocketDisconnect(*args), theirs.WebSocketDisconnect(*args)
        assert (mine.code, mine.reason, str(mine), repr(mine)) == (
            original.code, original.reason, str(original), repr(original),
        )  # fmt: skip
    mine, original = ours.WebSocketException(1008, "r"), starlette.exceptions.WebSocketException(1008, "r")
    assert (mine.code, mine.reason, str(mine), repr(mine)) == (
        original.code, original.reason, str(original), repr(original),
    )  # fmt: skip


def test_websocket_close_is_an_application_that_closes() -> None:
    """One close, with the code and reason given."""
    for module in (ours, theirs):
        server = Server([])
        run(module.WebSocketClose()(server.scope, server.receive, server.send))
        run(module.WebSocketClose(code=1008, reason="r")(server.scope, server.receive, server.send))
        assert server.sent == [
            {"type": "websocket.close", "code": 1000, "reason": ""},
            {"type": "websocket.close", "code": 1008, "reason": "r"},
        ]


@pytest.mark.parametrize("name", ["session", "auth", "user"])
def test_what_middlewares_add_is_asserted(name: str) -> None:
    """The value of the scope, or an AssertionError that names the missing middleware."""
    texts = []
    for module in (ours, theirs):
        assert getattr(module.WebSocket(make_scope(**{name: "value"}), None, None), name) == "value"
        with pytest.raises(AssertionError) as caught:
            getattr(module.WebSocket(make_scope(), None, None), name)
        texts.append(str(caught.value))
    assert texts[0] == texts[1]
    assert f"must be installed to access request.{name}" in texts[0]


def test_a_websocket_can_be_annotated_with_its_state() -> None:
    """`WebSocket[State]` is an annotation; it changes nothing."""
    assert ours.WebSocket[dict](make_scope())["type"] == "websocket"
