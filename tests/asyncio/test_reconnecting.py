"""`async for ws in connect(...)` on asyncio, where a loop may stop with tasks that have not begun."""

from __future__ import annotations

import asyncio
import gc
import socket
from pathlib import Path

import anyio
from tests.transports.peer import Peer, acceptance

from wscore.testing import virtual_asyncio as virtual
from wscore_asyncio import connect


def test_a_connection_is_closed_although_the_loop_stops_as_it_is_left(tmp_path: Path) -> None:
    """The server gets a close frame and the end of the stream, though nothing in the program waits for that."""
    peers: list[Peer] = []

    async def accept(listener: socket.socket) -> None:
        await anyio.wait_readable(listener)
        peer = Peer(listener.accept()[0])
        await anyio.wait_readable(peer.socket)
        peer.exchange()
        peer.sends(acceptance(peer.written.key))
        peers.append(peer)

    async def main(listener: socket.socket) -> None:
        accepting = asyncio.create_task(accept(listener))
        async for _ in connect("ws://localhost/", unix_path=str(tmp_path / "s")):
            await accepting
            break
        gc.collect()  # for Pythons that do not count references

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        virtual.run(main, listener)
    (peer,) = peers
    peer.exchange()
    assert peer.written.items[1:] == [(0x88, b"\x03\xe8")]
    assert peer.ended
    peer.closes()
