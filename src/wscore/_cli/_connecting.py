"""`wscore connect`: lines become messages, messages become lines."""

from __future__ import annotations

import asyncio
import http
import ssl
import sys
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

from ._failure import WRONG_USAGE, Failure, one_line
from ._terminal import Terminal, shown
from ._typed import HELP, CloseIt, Help, PingIt, Say, Typed, Wrong, read

__all__ = ["Call", "tls_context"]

_SEEN: Final = 200  # characters of a refusal's body

Typist = asyncio.Queue[Typed | None]


def tls_context(cafile: str | None, *, insecure: bool) -> ssl.SSLContext:
    """Make the context for `wss://`. Raises Failure."""
    try:
        context = ssl.create_default_context(cafile=cafile)
    except OSError as error:
        raise Failure(f"--cafile {cafile}: {error.strerror or error}", status=WRONG_USAGE) from None
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


@dataclass(frozen=True, slots=True)
class Call:
    """A connection to `uri`, from its opening to its end."""

    uri: str
    config: Config
    headers: Sequence[tuple[str, str]]
    subprotocols: Sequence[str]
    origin: str | None
    ssl: ssl.SSLContext | None
    proxy: str | bool | None
    unix_path: str | None
    wait: float
    """Seconds without a message after which a pipe's conversation is over."""
    raw: bool
    """Print messages as they are, text as text and binary in hexadecimal, and nothing else on stdout."""

    def run(self) -> None:
        """Connect, and talk until either end closes. Raises Failure."""
        try:
            asyncio.run(self._run())
        except HandshakeRefused as error:
            phrase = http.HTTPStatus(error.status).phrase if error.status in _STATUSES else ""
            body = shown(error.body.decode(errors="replace"))[:_SEEN]
            raise Failure(f"{error} {phrase}{': ' if body else ''}{body}") from None
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
        async with connecting as ws:
            agreed = f", {ws.subprotocol}" if ws.subprotocol else ""
            print(f"connected to {ws.uri}{agreed}", file=sys.stderr)
            if terminal.interactive:
                print("/help tells what can be typed; Ctrl+D closes", file=sys.stderr)
            heard = asyncio.Event()
            typist: Typist = asyncio.Queue()
            call = asyncio.get_running_loop().call_soon_threadsafe
            with terminal.begin(
                lambda line: call(typist.put_nowait, read(line)), lambda: call(typist.put_nowait, None)
            ):
                listening = asyncio.create_task(self._listen(ws, terminal, heard))
                typing = asyncio.create_task(self._type(ws, terminal, typist, heard))
                try:
                    await asyncio.wait((listening, typing), return_when=asyncio.FIRST_COMPLETED)
                    if typing.done():
                        typing.result()
                        await ws.close()
                        await listening
                finally:
                    typing.cancel()
                    listening.cancel()
        reason = f" {shown(ws.close_reason)}" if ws.close_reason else ""
        print(f"closed: {ws.close_code}{reason}", file=sys.stderr)
        if not listening.result():
            raise Failure(f"the connection to {ws.uri} was lost")

    async def _listen(self, ws: wscore_asyncio.WebSocket, terminal: Terminal, heard: asyncio.Event) -> bool:
        """Print what comes, until the end; True where that was a proper one."""
        try:
            while True:
                message = await ws.recv()
                heard.set()
                terminal.tell(self._line(message))
        except ConnectionClosed as error:
            return error.clean

    def _line(self, message: str | bytes) -> str:
        if self.raw:
            return message if isinstance(message, str) else message.hex()
        if isinstance(message, str):
            return f"< text, {_size(len(message.encode()))}: {shown(message)}"
        return f"< binary, {_size(len(message))}: {shown(message.hex(' '))}"

    async def _type(
        self, ws: wscore_asyncio.WebSocket, terminal: Terminal, typist: Typist, heard: asyncio.Event
    ) -> None:
        """Do what is typed, until that ends or closes; after a pipe's last line, wait for the answers."""
        while (typed := await typist.get()) is not None:
            try:
                if isinstance(typed, CloseIt):
                    return await ws.close(typed.code, typed.reason)
                await self._do(typed, ws, terminal)
            except (InvalidMessage, LocalProtocolError) as error:
                terminal.tell(one_line(error))
            except ConnectionClosed:
                return None
        while not terminal.interactive:
            heard.clear()
            try:
                async with asyncio.timeout(self.wait):
                    await heard.wait()
            except TimeoutError:
                return None
        return None

    async def _do(self, typed: Say | PingIt | Help | Wrong, ws: wscore_asyncio.WebSocket, terminal: Terminal) -> None:
        match typed:
            case Say(message):
                await ws.send(message)
            case PingIt(payload):
                seconds = await ws.ping(payload)
                terminal.tell(f"pong after {seconds * 1000:.1f} ms")
            case Help():
                terminal.tell(HELP)
            case Wrong(why):
                terminal.tell(why)


_STATUSES: Final = frozenset(http.HTTPStatus)


def _size(count: int) -> str:
    return f"{count:,} byte{'' if count == 1 else 's'}"
