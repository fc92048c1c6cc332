"""All cases against a server: several at a time, those that wait for its timeouts first."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .case import Case
from .conversation import LONGEST, Conversation
from .frames import Opcode
from .link import Link, SocketLink, TLSLink
from .outcome import Failed, Outcome, Result
from .server_peer import Address, ServerPeer
from .steps import NoAnswer

__all__ = ["CannotTest", "Server", "examine"]


class CannotTest(Exception):
    """There is nothing to test: `str()` is one line that says why."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where a server under test is, and how it is asked for."""

    host: str
    port: int
    address: Address = field(default_factory=Address)
    tls: ssl.SSLContext | None = None

    async def dial(self) -> Link:
        """Connect. Raises OSError, of which ssl.SSLError is one."""
        if self.tls is None:
            return await SocketLink.dial(self.host, self.port)
        return await TLSLink.dial(self.host, self.port, self.tls)


async def examine(
    server: Server,
    cases: Sequence[Case],
    *,
    patience: float = 5.0,
    jobs: int = 8,
    seen: Callable[[Result], None] = lambda _: None,
) -> list[Result]:
    """Hold the cases with a server, at most `jobs` at a time, and return the results in the cases' order.

    Raises CannotTest, before the first, for a server that cannot be reached or is no WebSocket server that echoes.
    """
    await _greet(server, patience)
    free = asyncio.Semaphore(jobs)
    results: dict[str, Result] = {}

    async def run(case: Case) -> None:
        async with free:
            result = results[case.id] = await _judge(server, case, patience)
        seen(result)

    async with asyncio.TaskGroup() as group:
        for case in sorted(cases, key=lambda case: not case.slow):
            if not case.alone:
                group.create_task(run(case))
    for case in cases:
        if case.alone:
            with contextlib.suppress(CannotTest):  # it is still busy with the one before, or gone: the case will tell
                await _greet(server, LONGEST)
            await run(case)
    return [results[case.id] for case in cases]


async def _judge(server: Server, case: Case, patience: float) -> Result:
    assert case.server is not None
    peer = ServerPeer(server.address)
    try:
        async with asyncio.timeout(patience):
            link = await server.dial()
    except OSError as error:  # TimeoutError is one
        why = f"no connection: {_reason(error) or f'no answer within {patience:g} s'}"
        return Result(case.id, case.title, case.source, Outcome.FAIL, why, 0.0)
    conversation = Conversation(link, patience=case.patience(patience), dial=server.dial)
    return await conversation.judge(case, case.server(peer), peer)


def _reason(error: OSError) -> str:
    """Return the system's own words: asyncio's are "Connect call failed"."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror or error)


async def _greet(server: Server, patience: float) -> None:
    """See that there is a server that speaks WebSocket and echoes."""
    where = f"{server.host}:{server.port}"
    try:
        async with asyncio.timeout(patience):
            link = await server.dial()
    except ssl.SSLCertVerificationError as error:
        raise CannotTest(
            f"{where} has a certificate that is not trusted: {error.verify_message} (--insecure trusts any)"
        ) from None
    except ssl.SSLError as error:
        raise CannotTest(f"{where} does not speak TLS: {error.reason or error}") from None
    except TimeoutError:
        raise CannotTest(f"{where} cannot be reached: no answer within {patience:g} s") from None
    except OSError as error:
        raise CannotTest(f"{where} cannot be reached: {_reason(error)}") from None
    peer = ServerPeer(server.address)

    async def greet() -> None:
        await peer.open()
        await peer.echo(peer.text("hello"), opcode=Opcode.TEXT, payload=b"hello")

    try:
        await Conversation(link, patience=patience).hold(greet())
    except (Failed, NoAnswer) as error:
        raise CannotTest(f"{where} is no WebSocket server that echoes: {error}") from None
    finally:
        link.abort()
