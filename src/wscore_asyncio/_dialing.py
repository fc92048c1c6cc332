"""Making a client's socket on asyncio: every address of a name, one soon after the other (RFC 8305).

asyncio has that too, but uvloop does not know its option, and neither does it close what connects at the same moment.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from wscore.connecting import ATTEMPT_DELAY, Destination, in_turn

__all__ = ["dial"]


async def dial(to: Destination) -> socket.socket:
    """Give a socket that is connected. Raises OSError, the first address' own where no address answers."""
    loop = asyncio.get_running_loop()
    if to.unix_path is not None:
        return await _connected(socket.AF_UNIX, to.unix_path)
    infos = in_turn(await loop.getaddrinfo(to.host, to.port, type=socket.SOCK_STREAM))
    attempts: list[asyncio.Task[socket.socket]] = []
    winner: socket.socket | None = None
    try:
        while winner is None:
            if infos:
                family, *_, address = infos.pop(0)
                attempts.append(asyncio.create_task(_connected(family, address)))
            pending = [attempt for attempt in attempts if not attempt.done()]
            if not pending:
                return await attempts[0]  # which raises
            await asyncio.wait(
                pending, timeout=ATTEMPT_DELAY if infos else None, return_when=asyncio.FIRST_COMPLETED
            )
            winner = next((each.result() for each in attempts if each.done() and each.exception() is None), None)
        return winner
    finally:
        for attempt in attempts:
            attempt.cancel()
        for result in await asyncio.gather(*attempts, return_exceptions=True):
            if isinstance(result, socket.socket) and result is not winner:
                result.close()


async def _connected(family: int, address: Any) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock
