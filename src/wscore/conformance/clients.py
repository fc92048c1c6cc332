"""A server to which a client under test connects, once for each case.

Its paths are those of Autobahn's fuzzingserver, so whatever drives a client through that drives it through this:

    /getCaseCount                    one text message, the number of cases, and a close
    /runCase?case=N&agent=NAME       a case: N from 1, or an id
    /updateReports?agent=NAME        the client has done them all
    /getCaseInfo?case=N              one text message, JSON: the case's id and what it says
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable, Sequence
from urllib.parse import parse_qs, urlsplit

from .case import Case
from .client_peer import ClientPeer
from .conversation import Conversation
from .heads import BadHead, Head, head_end, read_head, write_response
from .link import Link, SocketLink
from .outcome import Failed, Outcome, Result
from .steps import Gone, NoAnswer

__all__ = ["Clients"]


class Clients:
    """The server, and the results of the client that it has seen."""

    def __init__(
        self, cases: Sequence[Case], *, patience: float = 5.0, seen: Callable[[Result], None] = lambda _: None
    ) -> None:
        """Offer the cases; `seen` is called with each result."""
        self._cases = list(cases)
        self._patience = patience
        self._seen = seen
        self._results: dict[str, Result] = {}
        self._keys: set[str] = set()
        self._over = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listening: asyncio.Task[None] | None = None
        self.agent = ""

    def listen(self, host: str, port: int) -> tuple[str, int]:
        """Listen, and return the address. Raises OSError."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family)
        listener.setblocking(False)
        self._listening = asyncio.get_running_loop().create_task(self._accept(listener))
        address = listener.getsockname()
        return address[0], address[1]

    async def wait(self) -> list[Result]:
        """Wait until the client says that it has done them all, and return the results in the cases' order."""
        await self._over.wait()
        if self._listening is not None:
            self._listening.cancel()
        for task in list(self._tasks):
            await task
        return [self._results.get(case.id) or _never(case) for case in self._cases]

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with listener:
            while True:
                try:
                    sock, _ = await loop.sock_accept(listener)
                    link = SocketLink(sock)
                except OSError:  # the client is gone again, or there are too many files: then others end meanwhile
                    await asyncio.sleep(0.1)
                    continue
                task = loop.create_task(self._serve(link))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _serve(self, link: Link) -> None:
        head, data = await self._head(link)
        if head is None:
            link.abort()
            return
        parts = urlsplit(head.first.split(" ")[1])
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        self.agent = query.get("agent", self.agent)
        peer = ClientPeer(self._keys)
        self._keys |= set(head.all("sec-websocket-key"))
        case = self._case(query.get("case", ""))
        patience = self._patience if case is None else case.patience(self._patience)
        conversation = Conversation(link, patience=patience, pushed_back=data)
        match parts.path:
            case "/getCaseCount":
                await self._tell(conversation, peer, str(len(self._cases)))
            case "/getCaseInfo" if case is not None:
                info = {"id": case.id, "description": case.title, "source": case.source}
                await self._tell(conversation, peer, json.dumps(info))
            case "/runCase" if case is not None and case.client is not None:
                result = await conversation.judge(case, case.client(peer), peer)
                self._results[case.id] = result
                self._seen(result)
            case "/updateReports":
                await self._tell(conversation, peer, None)
                self._over.set()
            case _:
                await link.send(write_response("404 Not Found", [("Content-Length", "0"), ("Connection", "close")]))
                link.end_writing()
                await link.receive(self._patience)
        link.abort()

    async def _head(self, link: Link) -> tuple[Head | None, bytes]:
        """Read the request's head, None for what is none; with it comes all that was read, for the script."""
        data = b""
        try:
            while (end := head_end(data)) < 0:
                more = await link.receive(self._patience)
                if not isinstance(more, bytes):
                    return None, data
                data += more
            head = read_head(data[:end], response=False)
        except BadHead:
            return None, data
        return head, data

    def _case(self, name: str) -> Case | None:
        if name.isascii() and name.isdecimal():
            number = int(name)
            return self._cases[number - 1] if 1 <= number <= len(self._cases) else None
        return next((case for case in self._cases if case.id == name), None)

    async def _tell(self, conversation: Conversation, peer: ClientPeer, text: str | None) -> None:
        """Say one thing, and close."""

        async def script() -> None:
            await peer.open()
            if text is not None:
                await peer.send(peer.text(text))
            await peer.send_close(1000)
            if not isinstance(await peer.next_event("the close frame"), Gone):
                await peer.finish()

        with contextlib.suppress(Failed, NoAnswer):  # it was told
            await conversation.hold(script())


def _never(case: Case) -> Result:
    return Result(case.id, case.title, case.source, Outcome.NO_ANSWER, "the client did not connect for it", 0.0)
