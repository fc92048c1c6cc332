"""A test's connection to its application, from the handshake to the application's return."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeVar

import anyio
import anyio.lowlevel

from wscore import (
    Application,
    ClientConnection,
    CloseInfo,
    ConnectionClosed,
    HandshakeRefused,
    Headers,
    InvalidMessage,
    Response,
    ServerConnection,
)
from wscore.app import WebSocketDisconnect, WrongFrameType

from ._call import AppRunner
from ._denial import WebSocketDenialResponse
from ._wire import MemoryLink

__all__ = ["AsyncWebSocketTestSession"]

Mode = Literal["text", "binary"]
T = TypeVar("T")

_OF_THE_HANDSHAKE: Final = frozenset(
    {b"upgrade", b"connection", b"sec-websocket-accept", b"sec-websocket-protocol", b"sec-websocket-extensions"}
)


class AsyncWebSocketTestSession:
    """A connection to an application, made by `AsyncTestClient.websocket_connect`. The names are Starlette's.

    The `timeout` of each method is in seconds; None means the client's. When it is over, TimeoutError is raised, whose
    text says what the application is doing. If the application raised, its exception is raised in the test in place of
    WebSocketDisconnect, unless `raise_server_exceptions` is False. Cancelling a method loses no message.
    """

    def __init__(
        self,
        app: Application,
        client: ClientConnection,
        server: ServerConnection,
        *,
        timeout: float,
        open_timeout: float | None,
        raise_server_exceptions: bool,
    ) -> None:
        self._wire = MemoryLink(client, server)
        self._call = AppRunner(app, self._wire)
        self._timeout = timeout
        self._raise_server_exceptions = raise_server_exceptions
        self._raised = False
        self._context = self._connected(open_timeout)

    async def __aenter__(self) -> Self:
        """Start the application and wait until it has accepted."""
        await self._context.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """Close with 1000, wait until the application has returned, and raise what it raised."""
        return await self._context.__aexit__(kind, error, trace)

    @property
    def accepted_subprotocol(self) -> str | None:
        """The subprotocol that the application chose; None if it chose none."""
        return self._wire.client.subprotocol

    @property
    def response(self) -> Response | None:
        """The complete response to the handshake."""
        return self._wire.client.response

    @property
    def extra_headers(self) -> Headers:
        """The headers that the application added when it accepted, as pairs of bytes."""
        response = self._wire.client.response
        return [] if response is None else [pair for pair in response.headers if pair[0] not in _OF_THE_HANDSHAKE]

    @property
    def close_info(self) -> CloseInfo | None:
        """How the connection ended, as the client sees it; None while it is open."""
        return self._wire.client.close_info

    # -- sending

    async def send_text(self, data: str, *, timeout: float | None = None) -> None:
        """Send a text message.

        Raises:
            WebSocketDisconnect: The connection has ended.
            TimeoutError: The application does not read, and there is no room.
        """
        await self._send("send_text", data, timeout)

    async def send_bytes(self, data: bytes, *, timeout: float | None = None) -> None:
        """Send a binary message. Raises as `send_text`."""
        await self._send("send_bytes", bytes(data), timeout)

    async def send_json(self, data: Any, mode: Mode = "text", *, timeout: float | None = None) -> None:
        """Send `data` as compact JSON, in a text message or, with `mode="binary"`, a binary one.

        Raises as `send_text`, and as `json.dumps` for data that is not JSON.
        """
        text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
        await self._send("send_json", text if mode == "text" else text.encode(), timeout)

    async def send(self, message: Mapping[str, Any], *, timeout: float | None = None) -> None:
        """Send the message of a "websocket.receive" event, or close with a "websocket.disconnect" one, as in Starlette.

        Raises as `send_text`, and InvalidMessage for any other event.
        """
        match dict(message):
            case {"type": "websocket.receive", "text": str(data)} | {"type": "websocket.receive", "bytes": bytes(data)}:
                await self._send("send", data, timeout)
            case {"type": "websocket.disconnect", **more}:
                await self.close(more.get("code", 1000), more.get("reason"))
            case _:
                raise InvalidMessage(
                    f"{message!r}: expected websocket.receive with text or bytes, or websocket.disconnect"
                )

    # -- receiving

    async def receive_text(self, *, timeout: float | None = None) -> str:
        """Wait for a text message.

        Raises:
            WebSocketDisconnect: The connection has ended, and every message was received.
            WrongFrameType: The next message is binary; it is consumed.
            TimeoutError: No message came in time.
        """
        return _as(str, await self._receive("receive_text", timeout))

    async def receive_bytes(self, *, timeout: float | None = None) -> bytes:
        """Wait for a binary message. Raises as `receive_text`; WrongFrameType if the next message is text."""
        return _as(bytes, await self._receive("receive_bytes", timeout))

    async def receive_json(self, mode: Mode = "text", *, timeout: float | None = None) -> Any:
        """Wait for a message of the kind `mode`, and parse it as JSON.

        Raises as `receive_text`, and json.JSONDecodeError if the message is not JSON.
        """
        message = await self._receive("receive_json", timeout)
        return json.loads(_as(str, message) if mode == "text" else _as(bytes, message))

    async def receive(self, *, timeout: float | None = None) -> dict[str, Any]:
        """Wait for a "websocket.send" event; once the connection has ended, return "websocket.close", as in Starlette.

        Raises TimeoutError if neither comes in time.
        """
        try:
            message = await self._receive("receive", timeout)
        except WebSocketDisconnect as end:
            if end is self._call.failure:
                raise
            return {"type": "websocket.close", "code": end.code, "reason": end.reason}
        return {"type": "websocket.send", "text" if isinstance(message, str) else "bytes": message}

    # -- the end

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Close the connection without waiting. Only messages that had arrived by then can still be received.

        Raises:
            InvalidMessage: No close frame can carry this code or reason.
        """
        await anyio.lowlevel.checkpoint()
        self._wire.client.close(code, reason or "", now=anyio.current_time())
        self._wire.carry()

    # -- implementation. Nothing is raised inside an `except`, so that the application's exception keeps its own cause
    # and context

    async def _send(self, name: str, data: str | bytes, timeout: float | None) -> None:
        await anyio.lowlevel.checkpoint()
        end = self._wire.client_end
        try:
            await self._wait(f"{name}(): no room", lambda: None if end.must_wait else True, timeout)
            large = end.send_message(data)
            self._wire.carry()
            if large:
                await self._wait(f"{name}(): no room", lambda: end.writable or None, timeout)
                end.core.check_delivery()
            return
        except ConnectionClosed as error:
            closed = error
        raise self._end(closed)

    async def _receive(self, name: str, timeout: float | None) -> str | bytes:
        await anyio.lowlevel.checkpoint()
        try:
            return await self._wait(f"{name}(): no message", self._wire.client_end.next_message, timeout)
        except ConnectionClosed as error:
            closed = error
        finally:
            self._wire.carry()  # there may be room for another message, or a close to answer
        raise self._end(closed)

    @asynccontextmanager
    async def _connected(self, timeout: float | None) -> AsyncGenerator[None, None]:
        wire, call = self._wire, self._call
        error: BaseException | None = None
        async with anyio.create_task_group() as tasks:
            wire.carry()
            tasks.start_soon(wire.keep_time)
            if wire.server.scope is None:
                call.over.set()  # the server refused the request itself
            else:
                tasks.start_soon(call.run)
            try:
                await self._open(timeout)
                yield
            except anyio.get_cancelled_exc_class():
                raise
            except BaseException as raised:  # not raised through the task group, which would wrap it
                error = raised
            if not isinstance(error, TimeoutError):  # after one timeout do not wait for another
                try:
                    await self._leave()
                except TimeoutError as overdue:
                    error = error or overdue
            tasks.cancel_scope.cancel()
        failure = self._failure()
        if failure is not None and (error is None or isinstance(error, Exception)):
            failure.__context__ = failure.__context__ or error
            raise failure
        if error is not None:
            raise error

    async def _open(self, timeout: float | None) -> None:
        """Wait until the application has accepted. Raises WebSocketDenialResponse, HandshakeFailed, TimeoutError."""
        client, end = self._wire.client, self._wire.client_end
        try:
            await self._wait(f"websocket_connect({client.uri}): no answer", lambda: end.handshake_over or None, timeout)
            return
        except HandshakeRefused as error:
            refused = error
        if failure := self._failure():
            raise failure
        info = self._wire.server.close_info
        reason = "" if info is None else info.reason
        raise WebSocketDenialResponse(refused, str(client.uri), reason) from self._call.failure

    async def _leave(self) -> None:
        """Close and wait until the application has returned. Raises TimeoutError if it does not."""
        self._wire.client.close(now=anyio.current_time())
        self._wire.carry()
        with anyio.move_on_after(self._timeout):
            await self._call.over.wait()
            return
        raise TimeoutError(
            f"the application {self._call.doing} {self._timeout:g} s after its connection ended, and was cancelled"
        )

    def _failure(self) -> BaseException | None:
        """Return what the application raised, if the test should raise it and has not yet."""
        if self._raised or not self._raise_server_exceptions or self._call.failure is None:
            return None
        self._raised = True
        return self._call.failure

    async def _wait(self, missing: str, what: Callable[[], T | None], timeout: float | None) -> T:
        seconds = self._timeout if timeout is None else timeout
        with anyio.move_on_after(seconds):
            while (there := what()) is None:
                await self._wire.change()
            return there
        raise TimeoutError(f"{missing} within {seconds:g} s; the application {self._call.doing}")

    def _end(self, closed: ConnectionClosed) -> BaseException:
        return self._failure() or WebSocketDisconnect(closed.code, closed.reason)


def _as(kind: type[T], message: str | bytes) -> T:
    if not isinstance(message, kind):
        expected, got = ("text", "binary") if kind is str else ("binary", "text")
        raise WrongFrameType(f"expected a {expected} message, got the {got} one {message[:80]!r}")
    return message
