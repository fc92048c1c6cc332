"""How much asyncio's transport holds."""

from __future__ import annotations

import anyio
from tests.transports.peer import Peer
from tests.transports.test_room import Send, run

from wscore import Config


def test_output_is_held_up_to_its_limit() -> None:
    """A peer that does not read makes nobody wait before, whatever asyncio's own limit is."""
    sent: list[int] = []

    async def use(send: Send, peer: Peer) -> None:
        with anyio.move_on_after(5):
            for number in range(10):
                await send(bytes(100_000))
                sent.append(number)

    async def play(peer: Peer) -> None:
        pass

    for end in ("server", "client"):
        run("asyncio", end, Config(max_output_size=2_000_000), use, play)
    assert sent == [*range(10)] * 2
