"""A connection that is over is freed at once: what only the collector could free costs time when it runs."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from .harness import Notes
from .wire import close_frame


@pytest.mark.uvloop_too
def test_a_connection_leaves_no_garbage(serve: Any) -> None:
    """Of a hundred connections, opened and closed, nothing of ours is left to the garbage collector."""
    notes = Notes()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        notes.put("over")

    start = serve(app)

    def connect() -> None:
        wire = start.open()
        wire.send(close_frame(1000))
        assert notes.next() == "over"
        wire.read_to_end()
        wire.close()  # only now is it over at the other end

    connect()
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for _ in range(100):
            connect()
        gc.collect()
        ours = {type(each).__qualname__ for each in gc.garbage if type(each).__module__.startswith("wscore")}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert ours == set()
