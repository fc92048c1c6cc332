"""WebSocket: what an application sees of a connection, in memory, on asyncio and on trio.

Where it answers as Starlette's class does is compared row by row in tests/compat/test_starlette.py; here is what it
promises by itself.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from wscore import ClientDisconnected, InvalidMessage, LocalProtocolError
from wscore.app import (
    URL,
    Address,
    App,
    WebSocket,
    WebSocketDisconnect,
    WebSocketDisconnected,
    WebSocketState,
    WrongFrameType,
)

from .scripted import CONNECT, Server, binary, disconnect, make_scope, text

pytestmark = pytest.mark.anyio


def connection(*incoming: dict[str, Any], **options: Any) -> tuple[WebSocket, Server]:
    server = Server([CONNECT, *incoming], **options)
    return WebSocket(server.scope, server.receive, server.send), server


async def accepted(*incoming: dict[str, Any], **options: Any) -> tuple[WebSocket, Server]:
    ws, server = connection(*incoming, **options)
    await ws.accept()
    server.sent.clear()
    return ws, server


async def test_a_conversation_is_the_messages_that_asgi_has_for_it() -> None:
    """Accept, both kinds of messages both ways, JSON and the close go out as plain ASGI messages."""
    ws, server = connection(text("a"), binary(b"b"), text('{"n":1}'), binary('"é"'.encode()))
    await ws.accept("chat", headers=[(b"x-node", b"1")])
    assert await ws.receive_text() == "a"
    assert await ws.receive_bytes() == b"b"
    assert await ws.receive_json() == {"n": 1}
    assert await ws.receive_json(mode="binary") == "é"
    await ws.send_text("")
    await ws.send_bytes(b"")
    await ws.send_json({"é": [1, None]})
    await ws.send_json({"é": [1, None]}, mode="binary")
    await ws.close(4000, "enough")
    assert server.sent == [
        {"type": "websocket.accept", "subprotocol": "chat", "headers": [(b"x-node", b"1")]},
        {"type": "websocket.send", "text": ""},
        {"type": "websocket.send", "bytes": b""},
        {"type": "websocket.send", "text": '{"é":[1,null]}'},
        {"type": "websocket.send", "bytes": '{"é":[1,null]}'.encode()},
        {"type": "websocket.close", "code": 4000, "reason": "enough"},
    ]


@pytest.mark.parametrize(
    "headers",
    [
        [(b"x-a", b"1"), (b"x-b", b"2")],
        [("X-A", "1"), ("x-b", b"2")],
        {"X-A": "1", "X-B": "2"},
        (("x-a", "1"), ("x-b", "2")),
    ],
)
async def test_accept_takes_headers_as_pairs_or_as_a_mapping(headers: Any) -> None:
    """Pairs of bytes as ASGI has them, pairs of str, or a mapping, as the document says."""
    ws, server = connection()
    await ws.accept(headers=headers)
    assert server.sent[0]["headers"] == [(b"x-a", b"1"), (b"x-b", b"2")]


async def test_the_scope_is_there_as_a_mapping_and_by_name() -> None:
    """Everything that the scope says can be read without knowing ASGI's encodings."""
    scope = make_scope(
        query_string=b"search=a+b&search=c",
        headers=[
            (b"host", b"example.org"),
            (b"Sec-WebSocket-Version", b"13"),
            (b"cookie", b"a=1"),
            (b"cookie", b"b=2"),
        ],
        path_params={"username": "ann"},
        root_path="/api",
        path="/api/chat",
        subprotocols=["chat.v2", "chat"],
        app="the application",
        state={"db": 1},
    )
    ws = WebSocket(scope)
    assert (ws["path"], "nothing" in ws, len(ws), list(ws)) == ("/api/chat", False, len(scope), list(scope))
    assert (ws == WebSocket(scope), ws == ws, hash(ws) == hash(ws)) == (False, True, True)
    assert ws.url == "ws://example.org/api/chat?search=a+b&search=c"
    assert isinstance(ws.url, URL)
    assert isinstance(ws.url, str)
    assert (ws.url.path, ws.url.port, ws.url.scheme) == ("/api/chat", None, "ws")
    assert ws.base_url == "ws://example.org/api/"
    assert ws.headers["sec-websocket-version"] == "13"
    assert (ws.query_params["search"], ws.query_params.getlist("search")) == ("c", ["a b", "c"])
    assert ws.path_params["username"] == "ann"
    assert ws.cookies == {"a": "1", "b": "2"}
    assert ws.client == Address("127.0.0.1", 50000)
    assert ws.client is not None
    assert ws.client.port == 50000
    assert ws.subprotocols == ["chat.v2", "chat"]
    assert ws.app == "the application"
    ws.state.user = "ann"
    assert (ws.state.db, scope["state"]) == (1, {"db": 1, "user": "ann"})


async def test_what_the_scope_leaves_out_is_empty() -> None:
    """ASGI's optional keys may be missing."""
    ws = WebSocket({"type": "websocket", "path": "/", "headers": []})
    assert (ws.url, dict(ws.query_params), ws.path_params, ws.cookies) == ("/", {}, {}, {})
    assert (ws.client, ws.subprotocols, list(ws.state)) == (None, [], [])
    with pytest.raises(KeyError, match="app"):
        ws.app
    with pytest.raises(RuntimeError, match="Denial Response"):
        await ws.send_denial_response(response)


async def test_url_for_asks_the_router_of_the_scope() -> None:
    """The URL is absolute, on the host by which the client came; without a router it is a RuntimeError."""

    class Path(str):
        def make_absolute_url(self, base_url: str) -> str:
            return f"{base_url}{self}"

    class Router:
        def url_path_for(self, name: str, /, **params: Any) -> Path:
            return Path(f"{name}/{params['n']}")

    url = WebSocket(make_scope(router=Router())).url_for("room", n=1)
    assert isinstance(url, URL)
    assert url == "ws://example.org:8000/room/1"
    with pytest.raises(RuntimeError, match="`url_for`"):
        WebSocket(make_scope()).url_for("room")


async def test_without_channels_only_the_scope_can_be_used() -> None:
    """`WebSocket(scope)` is allowed, as the document's signature says; using the connection is then a clear error."""
    ws = WebSocket(make_scope())
    with pytest.raises(RuntimeError, match="Receive channel has not been made available"):
        await ws.receive()
    with pytest.raises(RuntimeError, match="Send channel has not been made available"):
        await ws.close()


async def test_a_scope_of_http_is_refused() -> None:
    """A WebSocket over an http scope is a mistake of the caller."""
    with pytest.raises(AssertionError):
        WebSocket(make_scope(type="http"))


# -- one disconnect


async def test_one_except_catches_every_way_of_learning_the_end() -> None:
    """A disconnect received, a failed send, and any use after either or after the own close are WebSocketDisconnect."""

    async def received(ws: WebSocket) -> None:
        await ws.receive_text()

    async def received_twice(ws: WebSocket) -> None:
        await ws.receive()
        await ws.receive()

    async def sent_after(ws: WebSocket) -> None:
        await ws.receive()
        await ws.send_text("x")

    async def closed_before(ws: WebSocket) -> None:
        await ws.close(4001, "bye")
        await ws.send_text("x")

    async def closed_twice(ws: WebSocket) -> None:
        await ws.close(4001, "bye")
        await ws.close()

    async def received_after_close(ws: WebSocket) -> None:
        await ws.close(4001, "bye")
        await ws.receive_text()

    cases: list[Callable[[WebSocket], Awaitable[None]]]
    cases = [received, received_twice, sent_after, closed_before, closed_twice, received_after_close]
    for use in cases:
        ws, _ = await accepted(disconnect(4001, "bye"))
        with pytest.raises(WebSocketDisconnect) as caught:
            await use(ws)
        assert (caught.value.code, caught.value.reason) == (4001, "bye"), use
        assert isinstance(caught.value, RuntimeError) == (use is not received)
        assert ws.is_disconnected


async def test_a_disconnect_has_the_names_of_other_dialects() -> None:
    """`status_code` and `detail` are code and reason; `detail` is never empty."""
    error = WebSocketDisconnect(4001, "bye")
    assert (error.code, error.reason, error.status_code, error.detail) == (4001, "bye", 4001, "bye")
    assert WebSocketDisconnect().detail == "WebSocket has been disconnected"
    assert (WebSocketDisconnected("text").code, str(WebSocketDisconnected("text"))) == (1006, "text")


@pytest.mark.parametrize(
    ("failure", "end"),
    [
        (ClientDisconnected(4002, "left"), (4002, "left")),
        (ConnectionResetError(104, "reset"), (1006, "")),
        (OSError(), (1006, "")),
    ],
)
@pytest.mark.parametrize("fails_from", [0, 1], ids=["accept", "send"])
async def test_a_failed_send_is_a_disconnect(failure: OSError, end: tuple[int, str], fails_from: int) -> None:
    """An OSError of the server's send becomes WebSocketDisconnect, with the code of the error where it has one.

    Also for the accept, where Starlette lets the OSError through. The error stays its cause, so a server can tell that
    it is no fault of the application.
    """
    ws, _ = connection(failure=failure, fails_from=fails_from)
    with pytest.raises(WebSocketDisconnect) as caught:  # noqa: PT012  # whichever of the two it is
        await ws.accept()
        await ws.send_text("x")
    assert (caught.value.code, caught.value.reason) == end
    assert caught.value.__cause__ is failure
    assert ws.application_state is WebSocketState.DISCONNECTED
    with pytest.raises(WebSocketDisconnected) as again:
        await ws.send_text("x")
    assert (again.value.code, again.value.reason) == end


async def test_a_disconnect_without_a_code_is_1005() -> None:
    """ASGI's default; Starlette raises KeyError, or passes None on."""
    for message in ({"type": "websocket.disconnect"}, {"type": "websocket.disconnect", "code": None, "reason": None}):
        ws, _ = await accepted(message)
        with pytest.raises(WebSocketDisconnect) as caught:
            await ws.receive_text()
        assert (caught.value.code, caught.value.reason) == (1005, "")


async def test_nothing_is_sent_to_a_client_whose_disconnect_was_received() -> None:
    """Not even on a server that would swallow it: a loop that only sends ends; a close is no error, and is not sent."""
    ws, server = await accepted(disconnect(1001))
    await ws.receive()
    assert (ws.client_state, ws.is_disconnected) == (WebSocketState.DISCONNECTED, True)
    with pytest.raises(WebSocketDisconnected, match='Cannot call "send" once a disconnect message has been received'):
        await ws.send_text("x")
    await ws.close()
    assert server.sent == []
    assert ws.application_state is WebSocketState.DISCONNECTED


async def test_the_state_before_the_accept_is_not_disconnected() -> None:
    """`is_disconnected` is about an end, not about a beginning."""
    ws, _ = connection()
    assert not ws.is_disconnected
    await ws.accept()
    assert not ws.is_disconnected
    await ws.close()
    assert ws.is_disconnected


async def test_the_end_that_came_first_is_the_end() -> None:
    """`close_code` and `close_reason` are those of the own close, though the server tells of another end after it."""
    ws, _ = await accepted(disconnect(1006, "lost"))
    assert (ws.close_code, ws.close_reason) == (1006, "")  # RFC 6455 7.1.5: as long as there was no close
    await ws.close(4001, "bye")
    await ws.receive()
    assert (ws.close_code, ws.close_reason) == (4001, "bye")

    ws, _ = await accepted()
    await ws.send({"type": "websocket.close"})
    assert (ws.close_code, ws.close_reason) == (1000, "")


# -- iteration


async def test_an_iteration_ends_when_the_connection_does() -> None:
    """By the client's disconnect, by the application's own close inside the loop, or before the iteration began."""
    ws, _ = await accepted(text("a"), text("b"), disconnect())
    assert [item async for item in ws.iter_text()] == ["a", "b"]
    assert [item async for item in ws.iter_text()] == []

    ws, _ = await accepted(text("a"), text("b"))
    seen: list[str] = []
    async for item in ws.iter_text():
        seen.append(item)
        await ws.close()
    assert seen == ["a"]


async def test_bytes_and_json_are_iterated_too() -> None:
    """Each iteration reads as its receive method does."""
    ws, _ = await accepted(binary(b"a"), disconnect())
    assert [item async for item in ws.iter_bytes()] == [b"a"]
    ws, _ = await accepted(text("1"), text("[]"), disconnect())
    assert [item async for item in ws.iter_json()] == [1, []]


async def test_an_iteration_over_a_connection_that_was_not_accepted_raises() -> None:
    """A forgotten accept() is an error, not an empty iteration; so is one that was refused."""
    ws, _ = connection()
    with pytest.raises(WebSocketDisconnected, match='Need to call "accept" first'):
        [item async for item in ws.iter_text()]
    ws, _ = connection()
    await ws.close()
    with pytest.raises(WebSocketDisconnected, match='Need to call "accept" first'):
        [item async for item in ws.iter_text()]


async def test_an_iteration_lets_other_errors_through() -> None:
    """Only the end of the connection ends it silently."""
    ws, _ = await accepted(binary(b"x"), text("{"), text("1"))
    with pytest.raises(WrongFrameType):
        [item async for item in ws.iter_text()]
    with pytest.raises(json.JSONDecodeError):
        [item async for item in ws.iter_json()]
    assert await ws.receive_json() == 1


# -- clear errors


@pytest.mark.parametrize("extra", [{}, {"text": None}])
async def test_a_wrong_frame_type_is_a_clear_error_and_a_key_error(extra: dict[str, Any]) -> None:
    """Whether the server leaves the other key out or sets it to None, and whichever of the two kinds is caught."""
    ws, _ = await accepted({"type": "websocket.receive", "bytes": b"x"} | extra, text("a"))
    with pytest.raises(WrongFrameType) as caught:
        await ws.receive_text()
    assert str(caught.value) == 'Expected a WebSocket message with "text", but got bytes.'
    assert isinstance(caught.value, KeyError)
    assert isinstance(caught.value, TypeError)
    with pytest.raises(KeyError, match="but got text"):
        await ws.receive_json(mode="binary")


async def test_two_tasks_that_receive_at_once_are_told_so() -> None:
    """The second one gets a RuntimeError at once; the first one gets its message, and receiving goes on."""
    send_stream, receive_stream = anyio.create_memory_object_stream[dict[str, Any]](5)
    server = Server([])
    ws = WebSocket(server.scope, receive_stream.receive, server.send)
    got: list[str] = []

    async def reader(task_status: anyio.abc.TaskStatus[None]) -> None:
        task_status.started()
        got.append(await ws.receive_text())

    with send_stream, receive_stream:
        send_stream.send_nowait(CONNECT)
        await ws.accept()
        async with anyio.create_task_group() as tasks:
            await tasks.start(reader)
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(RuntimeError, match="another task is receiving") as caught:
                await ws.receive_text()
            assert not isinstance(caught.value, WebSocketDisconnect)
            send_stream.send_nowait(text("a"))
        send_stream.send_nowait(text("b"))
        assert (got, await ws.receive_text()) == (["a"], "b")


async def test_a_cancelled_receive_leaves_the_connection_usable() -> None:
    """A receive under a timeout can be given up, and another one made."""
    send_stream, receive_stream = anyio.create_memory_object_stream[dict[str, Any]](5)
    server = Server([])
    ws = WebSocket(server.scope, receive_stream.receive, server.send)
    with send_stream, receive_stream:
        send_stream.send_nowait(CONNECT)
        await ws.accept()
        with anyio.move_on_after(0) as timeout:
            await ws.receive_text()
        assert timeout.cancelled_caught
        send_stream.send_nowait(text("a"))
        assert await ws.receive_text() == "a"


async def test_a_message_that_the_server_refuses_changes_nothing() -> None:
    """wscore's servers stay as they were after a refused message; so does the WebSocket, and a right one may follow."""
    ws, server = await accepted()
    server.failure = InvalidMessage("code 1005 cannot be sent")
    with pytest.raises(InvalidMessage):
        await ws.close(1005)
    assert ws.application_state is WebSocketState.CONNECTED
    server.failure = None
    await ws.close(1000)
    assert server.sent == [{"type": "websocket.close", "code": 1000, "reason": ""}]


async def test_a_message_at_the_wrong_time_changes_nothing() -> None:
    """Before the accept a server's LocalProtocolError is what it says."""
    ws, server = connection()
    server.failure = LocalProtocolError("not now")
    with pytest.raises(LocalProtocolError):
        await ws.accept()
    assert ws.application_state is WebSocketState.CONNECTING


@pytest.mark.parametrize("what", ["send", "close"])
async def test_a_task_that_outlives_the_application_hears_of_the_end(what: str) -> None:
    """A server closes for an application that returned: that is a WebSocketDisconnect, and a RuntimeError still."""
    ws, server = await accepted()
    server.failure = LocalProtocolError("websocket.send while CLOSE_SENT")
    for _ in range(2):
        with pytest.raises(WebSocketDisconnect) as caught:
            await (ws.send_text("x") if what == "send" else ws.close())
        assert isinstance(caught.value, RuntimeError)
    assert server.sent == []


class Denial(Exception):
    """As httpx.Response does: its initialiser sets a status code."""

    def __init__(self, status_code: int) -> None:
        self.status_code = status_code
        self.detail = "no"


def test_a_disconnect_may_have_a_status_code_of_its_own() -> None:
    """A subclass may set what otherwise follows from code and reason, as Starlette's WebSocketDenialResponse does."""

    class Refused(Denial, WebSocketDisconnect):
        pass

    class Fixed(WebSocketDisconnect):
        status_code = 404

    refused = Refused(403)
    assert (refused.status_code, refused.detail) == (403, "no")
    assert Fixed().status_code == 404
    plain = WebSocketDisconnect(4000, "bye")
    assert (plain.status_code, plain.detail, WebSocketDisconnect().detail) == (
        4000,
        "bye",
        "WebSocket has been disconnected",
    )
    plain.code = 4001
    assert plain.status_code == 4001


# -- denial


async def response(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 429, "headers": [(b"retry-after", b"5")]})
    await send({"type": "http.response.body", "body": b"slow ", "more_body": True})
    await send({"type": "websocket.http.response.body", "body": b"down"})


async def test_a_denial_takes_any_asgi_response() -> None:
    """Plain http.response messages are sent under their websocket names, in as many parts as the response has."""

    ws, server = connection()
    await ws.send_denial_response(response)
    assert server.sent == [
        {"type": "websocket.http.response.start", "status": 429, "headers": [(b"retry-after", b"5")]},
        {"type": "websocket.http.response.body", "body": b"slow ", "more_body": True},
        {"type": "websocket.http.response.body", "body": b"down"},
    ]
    assert ws.application_state is WebSocketState.DISCONNECTED


@pytest.mark.parametrize("extensions", [{}, None, {"tls": {}}])
async def test_a_denial_that_the_server_cannot_send_is_an_error_before_anything_is_sent(extensions: Any) -> None:
    """Starlette's words; `close()` is then the way to refuse, with a 403."""
    ws, server = connection(scope=make_scope(extensions=extensions))
    with pytest.raises(RuntimeError) as caught:
        await ws.send_denial_response(response)
    assert str(caught.value) == "The server doesn't support the Websocket Denial Response extension."
    await ws.close(1008)
    assert server.sent == [{"type": "websocket.close", "code": 1008, "reason": ""}]


async def test_a_forgotten_accept_in_an_app_is_an_error_of_the_handler() -> None:
    """`App` is silent about a peer that left, and not about a connection that was used before its accept."""
    app = App()

    @app.websocket("/chat")
    async def chat(websocket: WebSocket) -> None:
        await websocket.receive_text()

    server = Server([CONNECT, text("a")])
    with pytest.raises(WebSocketDisconnected, match='Need to call "accept" first'):
        await app(server.scope, server.receive, server.send)
    assert server.sent == []
