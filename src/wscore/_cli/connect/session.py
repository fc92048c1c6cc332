"""`wscore connect`: sends input lines as messages, and prints messages as lines."""

from __future__ import annotations

import asyncio
import contextlib
import http
import os
import signal
import ssl
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import wscore_asyncio
from wscore import (
    Config,
    ConnectionClosed,
    HandshakeFailed,
    HandshakeRefused,
    InvalidMessage,
    InvalidURI,
    LocalProtocolError,
)

from ..escaping import escape_controls
from ..failure import WRONG_USAGE, Failure, one_line
from .commands import HELP, Command, Help, InvalidLine, SendClose, SendMessage, SendPing, read
from .terminal import Terminal, shown

__all__ = ["ConnectCommand", "tls_context"]

_SEEN: Final = 200  # characters of a refusal's body
_AHEAD: Final = 16  # lines read ahead of sending


class InputReader:
    """Passes lines from the reading thread to the event loop, with backpressure."""

    def __init__(self) -> None:
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._room = threading.Semaphore(_AHEAD)
        self._call = asyncio.get_running_loop().call_soon_threadsafe

    def line(self, line: str | None) -> None:
        """Pass a line on; None means EOF. Called in the reading thread; blocks while too many lines are queued."""
        self._room.acquire()
        with contextlib.suppress(RuntimeError):  # the event loop is closed
            self._call(self._lines.put_nowait, line)

    async def next(self) -> Command | None:
        """Wait for the next line and parse it; None means EOF."""
        line = await self._lines.get()
        self._room.release()
        return None if line is None else read(line)


def tls_context(cafile: str | None, *, insecure: bool) -> ssl.SSLContext:
    """Create the TLS context for `wss://`. Raises Failure."""
    try:
        context = ssl.create_default_context(cafile=cafile)
    except OSError as error:
        raise Failure(f"--cafile {cafile}: {error.strerror or error}", status=WRONG_USAGE) from None
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


@dataclass(frozen=True, slots=True)
class ConnectCommand:
    """One run of `wscore connect`."""

    uri: str
    config: Config
    headers: Sequence[tuple[str, str]]
    subprotocols: Sequence[str]
    origin: str | None
    ssl: ssl.SSLContext | None
    proxy: str | bool | None
    unix_path: str | None
    wait: float
    """With input from a pipe: seconds without a message after which EOF or `/close` takes effect."""
    raw: bool
    """Print only the messages: text as it is, binary in hexadecimal. On a terminal, controls are still spelled out."""

    def run(self) -> None:
        """Connect and exchange messages until either end closes. Raises Failure."""
        try:
            asyncio.run(self._run())
        except asyncio.CancelledError:  # by SIGTERM
            raise KeyboardInterrupt from None
        except BrokenPipeError:
            # The interpreter flushes stdout when it exits, which would fail again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise Failure("nobody reads the output any more") from None
        except HandshakeRefused as error:
            phrase = http.HTTPStatus(error.status).phrase if error.status in _STATUSES else ""
            body = error.body.decode(errors="replace")[:_SEEN]
            where = "" if error.location is None else f", which points at {error.location}"
            raise Failure(f"{error} {phrase}{where}{': ' if body else ''}{body}") from None
        except HandshakeFailed as error:
            hint = " (--cafile FILE trusts an authority, --insecure anybody)" if "certificate" in str(error) else ""
            raise Failure(f"{error}{hint}") from None
        except (InvalidURI, InvalidMessage, ValueError) as error:
            raise Failure(str(error), status=WRONG_USAGE) from None

    async def _run(self) -> None:
        terminal = Terminal()
        connecting = wscore_asyncio.connect(
            self.uri,
            subprotocols=self.subprotocols,
            headers=self.headers,
            origin=self.origin,
            config=self.config,
            ssl=self.ssl,
            proxy=self.proxy,
            unix_path=self.unix_path,
        )
        # SIGTERM, from a service manager or `timeout`, ends it as Ctrl+C does: with a close frame. It is not converted
        # to SIGINT, which shells set to be ignored for background commands.
        this_task = asyncio.current_task()
        assert this_task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this_task.cancel)
        ws: wscore_asyncio.WebSocket | None = None
        try:
            async with connecting as ws:
                agreed = f", {ws.subprotocol}" if ws.subprotocol else ""
                print(f"connected to {ws.uri}{agreed}", file=sys.stderr)
                if terminal.interactive:
                    print("/help tells what can be typed; Ctrl+D closes", file=sys.stderr)
                session = _Session(ws, terminal, self)
                await session.hold()
        finally:
            if ws is not None:  # whatever ended the connection
                reason = f" {shown(ws.close_reason)}" if ws.close_reason else ""
                print(f"closed: {ws.close_code}{reason}", file=sys.stderr)
        if not session.clean:
            raise Failure(f"the connection to {session.address} was lost")
        if session.unsent:
            raise Failure(
                f"not all that was read could be sent: {session.unsent} {_plural(session.unsent, 'line')} could not"
            )


class _Session:
    """The exchange of messages on one connection."""

    def __init__(self, ws: wscore_asyncio.WebSocket, terminal: Terminal, call: ConnectCommand) -> None:
        self._ws = ws
        self._terminal = terminal
        self._call = call
        self.address = str(ws.uri)
        self._heard = asyncio.Event()
        self._pings: set[asyncio.Task[None]] = set()
        self.clean = False
        """Both ends sent a close frame."""
        self.unsent = 0
        """Invalid lines from a pipe; someone typing sees each error instead."""

    async def hold(self) -> None:
        """Exchange messages until either end closes."""
        lines = InputReader()
        with self._terminal.begin(lines.line, lambda: lines.line(None)):
            listening = asyncio.create_task(self._listen())
            typing = asyncio.create_task(self._type(lines))
            try:
                await asyncio.wait((listening, typing), return_when=asyncio.FIRST_COMPLETED)
                if typing.done():
                    typing.result()
                    await self._ws.close()
                await listening
            finally:
                for task in (typing, listening, *self._pings):
                    task.cancel()

    async def _listen(self) -> None:
        """Print messages until the connection ends."""
        try:
            while True:
                message = await self._ws.recv()
                self._heard.set()
                self._terminal.tell(self._line(message))
        except ConnectionClosed as error:
            self.clean = error.clean

    def _line(self, message: str | bytes) -> str:
        if self._call.raw:
            text = message if isinstance(message, str) else message.hex()
            # Even with --raw, a peer must not control the user's terminal.
            return escape_controls(text, lines=True) if sys.stdout.isatty() else text
        if isinstance(message, str):
            return f"< text, {_size(len(message.encode()))}: {shown(message)}"
        return f"< binary, {_size(len(message))}: {shown(message.hex(' '))}"

    async def _type(self, lines: InputReader) -> None:
        """Carry out input lines until EOF or `/close`."""
        while (typed := await lines.next()) is not None:
            try:
                if isinstance(typed, SendClose):
                    await self._close(typed)
                    return
                await self._do(typed)
            except (InvalidMessage, LocalProtocolError) as error:
                self._wrong(one_line(error))
            except ConnectionClosed:
                return
        await self._close(SendClose())

    async def _close(self, how: SendClose) -> None:
        """Close. With input from a pipe, first wait until no message has come for `wait` seconds."""
        while not self._terminal.interactive:
            self._heard.clear()
            try:
                async with asyncio.timeout(self._call.wait):
                    await self._heard.wait()
            except TimeoutError:
                break
        await self._ws.close(how.code, how.reason)

    async def _do(self, typed: SendMessage | SendPing | Help | InvalidLine) -> None:
        match typed:
            case SendMessage(message):
                await self._ws.send(message)
            case SendPing(payload):
                ping = asyncio.create_task(self._ping(payload))  # so that the next line does not wait for the pong
                self._pings.add(ping)
                ping.add_done_callback(self._pings.discard)
                await asyncio.sleep(0)  # let the ping go out before the next line
            case Help():
                self._terminal.note(HELP)
            case InvalidLine(why):
                self._wrong(why)

    async def _ping(self, payload: bytes | None) -> None:
        try:
            seconds = await self._ws.ping(payload)
        except (InvalidMessage, LocalProtocolError) as error:
            self._wrong(one_line(error))
        except ConnectionClosed:
            pass  # reported elsewhere
        else:
            self._heard.set()
            self._terminal.note(f"pong after {seconds * 1000:.1f} ms")

    def _wrong(self, why: str) -> None:
        self.unsent += not self._terminal.interactive
        self._terminal.note(shown(why))


_STATUSES: Final = frozenset(http.HTTPStatus)


def _size(count: int) -> str:
    return f"{count:,} {_plural(count, 'byte')}"


def _plural(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"
