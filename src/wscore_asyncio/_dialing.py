"""Connecting a client's socket on asyncio: Happy Eyeballs over all addresses of a name (RFC 8305).

asyncio's own implementation is not usable: uvloop does not support its option, and asyncio leaks the socket of an
attempt that connects at the same moment as the winner.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from wscore.transport.connecting import ATTEMPT_DELAY, Destination, interleave_addresses

__all__ = ["dial"]


async def dial(to: Destination) -> socket.socket:
    """Return a connected socket. Raises OSError: if no address answers, the first address's error."""
    loop = asyncio.get_running_loop()
    if to.unix_path is not None:
        return await _connected(socket.AF_UNIX, to.unix_path)
    infos = interleave_addresses(to.address() or await loop.getaddrinfo(to.host, to.port, type=socket.SOCK_STREAM))
    if len(infos) == 1:
        return await _connected(infos[0][0], infos[0][4])
    attempts: list[asyncio.Task[socket.socket]] = []
    winner: asyncio.Task[socket.socket] | None = None
    try:
        while winner is None:
            if infos:
                family, *_, address = infos.pop(0)
                attempts.append(asyncio.create_task(_connected(family, address)))
            pending = [attempt for attempt in attempts if not attempt.done()]
            if not pending:
                break
            await asyncio.wait(pending, timeout=ATTEMPT_DELAY if infos else None, return_when=asyncio.FIRST_COMPLETED)
            winner = next((attempt for attempt in attempts if attempt.done() and not attempt.exception()), None)
    finally:
        for attempt in attempts:
            if attempt is not winner:
                attempt.cancel()
                attempt.add_done_callback(_close)  # it may have connected at the same moment
    return (winner or attempts[0]).result()


def _close(attempt: asyncio.Task[socket.socket]) -> None:
    if not attempt.cancelled() and not attempt.exception():
        attempt.result().close()


async def _connected(family: int, address: Any) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock
