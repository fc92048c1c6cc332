"""What only the asyncio server has: a context manager, and an end at once beside the graceful one."""

from __future__ import annotations

import asyncio
from typing import Any

from wscore import Config
from wscore_asyncio import serve


def test_an_abort_cuts_a_graceful_end_short() -> None:
    """`abort` during `close` ends both, though the application would never answer its lifespan's shutdown."""
    asked = asyncio.Event()

    async def stubborn(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "lifespan"
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        asked.set()
        await asyncio.Event().wait()

    async def main() -> None:
        config = Config(shutdown_grace=3600, close_timeout=3600)
        async with serve(stubborn, config=config) as server:
            closing = asyncio.create_task(server.close())
            await asked.wait()
            server.abort()
            await asyncio.wait_for(closing, 60)

    asyncio.run(main())
