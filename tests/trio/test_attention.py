"""An application that is away misses nothing: the watcher reads in its place, and both share one socket."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from wscore import ClientDisconnected, Config, LocalProtocolError, ServerConfig
from wscore_trio import serve

from ..conformance.wire import CLOSE, PING, PONG, TEXT, close_frame, frame, request

QUICK = ServerConfig(read_poll_interval=0.01, ping_interval=None)
NEVER = 1000.0  # seconds: what has this interval does not happen


class Client:
    """Writes and reads frames by hand."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._buffer = b""

    async def send(self, *frames: bytes) -> None:
        await self.stream.send_all(b"".join(frames))

    async def read_head(self) -> bytes:
        while b"\r\n\r\n" not in self._buffer:
            await self._more()
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        return head

    async def read(self) -> tuple[int, bytes]:
        """Give the opcode and the payload of the next frame, which is small."""
        while len(self._buffer) < 2 or len(self._buffer) < 2 + self._buffer[1]:
            await self._more()
        end = 2 + self._buffer[1]
        opcode, payload, self._buffer = self._buffer[0] & 15, self._buffer[2:end], self._buffer[end:]
        return opcode, payload

    async def read_until(self, opcode: int) -> bytes:
        while True:
            found, payload = await self.read()
            if found == opcode:
                return payload

    def reset(self) -> None:
        self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.stream.socket.close()

    async def _more(self) -> None:
        data = await self.stream.receive_some()
        assert data, f"end of stream after {self._buffer[:200]!r}"
        self._buffer += data


@asynccontextmanager
async def talking_to(app: Any, config: Config = QUICK) -> AsyncIterator[Client]:
    """Serve the application, and open one connection to it."""

    async def accepting(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await app(receive, send)

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            server = await nursery.start(partial(serve, accepting, config=config, lifespan="off"))
            async with await trio.open_tcp_stream("127.0.0.1", server.port) as stream:
                client = Client(stream)
                await client.send(request())
                assert b" 101 " in await client.read_head()
                yield client
            nursery.cancel_scope.cancel()


def text(data: str) -> dict[str, str]:
    return {"type": "websocket.send", "text": data}


def test_an_application_that_only_sends_answers_pings_and_sees_a_close() -> None:
    """A ping is answered, and a close is too and ends the sending, although nobody calls receive()."""
    raised: list[BaseException] = []

    async def main() -> None:
        over = trio.Event()

        async def app(receive: Any, send: Any) -> None:
            try:
                while True:
                    await send(text("tick"))
                    await trio.sleep(0.001)
            except ClientDisconnected as error:
                raised.append(error)
                over.set()

        async with talking_to(app) as client:
            await client.send(frame(PING, "are you there"))
            assert await client.read_until(PONG) == b"are you there"
            await client.send(close_frame(1000))
            assert await client.read_until(CLOSE) == (1000).to_bytes(2)
            await over.wait()

    trio.run(main)
    assert isinstance(raised[0], ClientDisconnected)
    assert raised[0].code == 1000


def test_keepalive_goes_on_while_the_application_sleeps() -> None:
    """Pings are sent, and their pongs are taken, without the application; a missing one ends the connection."""

    async def app(receive: Any, send: Any) -> None:
        await trio.sleep_forever()

    async def main() -> None:
        config = ServerConfig(read_poll_interval=0.01, ping_interval=0.02, ping_timeout=0.5)
        async with talking_to(app, config) as client:
            for _ in range(3):
                await client.send(frame(PONG, await client.read_until(PING)))
            await client.read_until(PING)
            opcode, payload = await client.read()
            assert opcode == CLOSE
            assert int.from_bytes(payload[:2]) == 1011

    trio.run(main)


def test_a_pong_that_nobody_has_read_yet_is_in_time() -> None:
    """What lies in the socket when a ping's time is over counts as life, however seldom somebody looks."""

    async def app(receive: Any, send: Any) -> None:
        await trio.sleep_forever()

    async def main() -> None:
        config = ServerConfig(read_poll_interval=NEVER, ping_interval=0.02, ping_timeout=0.2)
        async with talking_to(app, config) as client:
            for _ in range(2):
                opcode, payload = await client.read()
                assert opcode == PING
                await client.send(frame(PONG, payload))

    trio.run(main)


def test_cancelled_in_receive_at_any_moment_loses_no_message() -> None:
    """A receive() that is cancelled in any turn of the loop has taken nothing."""
    expected = [str(number) for number in range(300)]
    got: list[str] = []
    cancelled = 0

    async def main() -> None:
        over = trio.Event()

        async def app(receive: Any, send: Any) -> None:
            nonlocal cancelled
            scope = trio.CancelScope()

            async def disturb() -> None:
                while True:
                    scope.cancel()
                    await trio.lowlevel.checkpoint()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(disturb)
                while len(got) < len(expected):
                    with trio.CancelScope() as scope:
                        got.append((await receive())["text"])
                    cancelled += scope.cancelled_caught
                nursery.cancel_scope.cancel()
            over.set()

        async with talking_to(app) as client:
            for number in expected:
                await client.send(frame(TEXT, number))
                await trio.lowlevel.checkpoint()
            await over.wait()

    trio.run(main)
    assert got == expected
    assert cancelled > 0


def test_two_tasks_receive_at_once() -> None:
    """Each message goes to one of them and none waits for the other; one gets the disconnect, the other hears of it."""
    ends: list[str] = []

    async def main() -> None:
        over = trio.Event()

        async def app(receive: Any, send: Any) -> None:
            async def echo() -> None:
                try:
                    while (message := await receive())["type"] == "websocket.receive":
                        await send(text(message["text"]))
                    ends.append("disconnect")
                except LocalProtocolError:
                    ends.append("too late")

            async with trio.open_nursery() as nursery:
                nursery.start_soon(echo)
                nursery.start_soon(echo)
            over.set()

        async with talking_to(app, ServerConfig(read_poll_interval=NEVER)) as client:
            for number in range(50):
                await client.send(frame(TEXT, f"{number} a"), frame(TEXT, f"{number} b"))
                assert {(await client.read())[1] for _ in "ab"} == {b"%d a" % number, b"%d b" % number}
            await client.send(close_frame(1000))
            await over.wait()

    trio.run(main)
    assert ends == ["disconnect", "too late"]


def test_a_loss_is_noticed_while_the_application_sleeps(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A connection that is reset ends soon, and the application finds the disconnect when it comes back."""
    caplog.set_level(logging.INFO, "wscore.access")
    messages: list[Any] = []

    async def main() -> None:
        lost, over = trio.Event(), trio.Event()

        class Noticing(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                if "1006" in record.getMessage():
                    lost.set()

        monkeypatch.setattr(logging.getLogger("wscore.access"), "handlers", [Noticing()])

        async def app(receive: Any, send: Any) -> None:
            await lost.wait()
            messages.append(await receive())
            over.set()

        async with talking_to(app) as client:
            client.reset()
            await over.wait()

    trio.run(main)
    assert messages[0]["code"] == 1006


def test_an_answer_leaves_although_more_messages_wait() -> None:
    """What is sent while more messages are queued goes out when the application turns to something else."""

    async def app(receive: Any, send: Any) -> None:
        await send(text((await receive())["text"]))
        await trio.sleep_forever()

    async def main() -> None:
        async with talking_to(app, ServerConfig(read_poll_interval=NEVER)) as client:
            await client.send(frame(TEXT, "a"), frame(TEXT, "b"), frame(TEXT, "c"))
            assert await client.read() == (TEXT, b"a")

    trio.run(main)


def test_a_disconnect_by_another_task_wakes_who_receives() -> None:
    """A close sent by one task of the application ends the receive() of another, which was reading."""
    messages: list[Any] = []

    async def main() -> None:
        over = trio.Event()

        async def app(receive: Any, send: Any) -> None:
            async def take() -> None:
                messages.append(await receive())

            async with trio.open_nursery() as nursery:
                nursery.start_soon(take)
                await trio.testing.wait_all_tasks_blocked()
                await send({"type": "websocket.close", "code": 4000})
            over.set()

        async with talking_to(app) as client:
            assert await client.read() == (CLOSE, (4000).to_bytes(2))
            await client.send(close_frame(4000))
            await over.wait()

    trio.run(main)
    assert messages[0]["type"] == "websocket.disconnect"


async def echo(receive: Any, send: Any) -> None:
    while (message := await receive())["type"] == "websocket.receive":
        await send(text(message["text"]))


def test_a_message_that_comes_when_a_ping_is_due_is_answered() -> None:
    """It may come in the very pass of a busy loop in which the deadline has passed: the application hears of it."""
    interval = 0.02

    async def main() -> None:
        async with talking_to(echo, Config(ping_interval=interval, ping_timeout=NEVER)) as client:
            payload = await client.read_until(PING)
            for _ in range(25):
                await client.send(frame(PONG, payload))
                await trio.testing.wait_all_tasks_blocked()
                time.sleep(interval * 1.5)  # noqa: ASYNC251 - the loop is busy until then
                await client.send(frame(TEXT, "x"))
                with trio.fail_after(5):
                    found = [await client.read(), await client.read()]
                assert (TEXT, b"x") in found
                (payload,) = [payload for opcode, payload in found if opcode == PING]

    trio.run(main)


def test_a_close_that_comes_when_a_ping_is_due_is_taken(caplog: pytest.LogCaptureFixture) -> None:
    """Likewise: the application gets its disconnect, and the watcher and it do not meet at the socket."""
    interval = 0.02

    async def main() -> None:
        for _ in range(25):
            async with talking_to(echo, Config(ping_interval=interval, ping_timeout=NEVER)) as client:
                await client.send(frame(PONG, await client.read_until(PING)))
                await trio.testing.wait_all_tasks_blocked()
                time.sleep(interval * 1.5)  # noqa: ASYNC251 - the loop is busy until then
                await client.send(close_frame(4000))
                with trio.fail_after(5):
                    assert await client.read_until(CLOSE) == (4000).to_bytes(2)
                    assert not await client.stream.receive_some()

    trio.run(main)
    assert [record.getMessage() for record in caplog.records if record.name == "wscore.error"] == []
