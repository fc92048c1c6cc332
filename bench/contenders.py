"""Who is measured: a name, the module that is started, and the packages that it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["BROADCAST", "CLIENTS", "CONTENDERS", "MAIN", "WORKERS", "Contender", "Loop"]

Loop = Literal["asyncio", "uvloop", "trio"]


@dataclass(frozen=True, slots=True)
class Contender:
    """A server or a client, as `python -m bench.PACKAGE.MODULE PORT ARGUMENTS` starts it."""

    name: str
    module: str
    arguments: tuple[str, ...]
    loop: Loop
    packages: tuple[str, ...]
    """What has to be installed, by the names that packages have on the index; their versions are reported."""
    role: Literal["ours", "peer", "floor"] = "peer"
    needs: str = ""
    """A module that has to be importable besides; where it is not, the server is skipped and the module named."""
    package: Literal["servers", "callers"] = "servers"


_UVICORN: Final = ("uvicorn", "websockets", "h11")

CONTENDERS: Final = (
    Contender("wscore-asyncio", "wscore_asyncio", ("asyncio",), "asyncio", ("wscore",), "ours"),
    Contender("wscore-uvloop", "wscore_asyncio", ("uvloop",), "uvloop", ("wscore", "uvloop"), "ours"),
    Contender("wscore-trio", "wscore_trio", (), "trio", ("wscore", "trio"), "ours"),
    Contender("uvicorn-sansio", "uvicorn", ("websockets-sansio", "asyncio"), "asyncio", _UVICORN),
    Contender("uvicorn-wsproto", "uvicorn", ("wsproto", "asyncio"), "asyncio", ("uvicorn", "wsproto", "h11")),
    Contender("hypercorn-asyncio", "hypercorn", ("asyncio",), "asyncio", ("hypercorn", "wsproto")),
    Contender("websockets-asyncio", "websockets", ("asyncio",), "asyncio", ("websockets",)),
    Contender("aiohttp-asyncio", "aiohttp", ("asyncio",), "asyncio", ("aiohttp",)),
    Contender("picows-asyncio", "picows", ("asyncio",), "asyncio", ("picows",)),
    Contender("uvicorn-sansio-uvloop", "uvicorn", ("websockets-sansio", "uvloop"), "uvloop", (*_UVICORN, "uvloop")),
    Contender(
        "uvicorn-wsproto-uvloop", "uvicorn", ("wsproto", "uvloop"), "uvloop", ("uvicorn", "wsproto", "h11", "uvloop")
    ),
    Contender("aiohttp-uvloop", "aiohttp", ("uvloop",), "uvloop", ("aiohttp", "uvloop")),
    Contender("picows-uvloop", "picows", ("uvloop",), "uvloop", ("picows", "uvloop")),
    Contender("granian-uvloop", "granian", ("uvloop",), "uvloop", ("granian", "uvloop")),
    Contender("hypercorn-trio", "hypercorn", ("trio",), "trio", ("hypercorn", "wsproto", "trio")),
    Contender("websockets-trio", "websockets", ("trio",), "trio", ("websockets", "trio")),
    Contender("trio-websocket", "trio_websocket", (), "trio", ("trio-websocket", "wsproto", "trio")),
    Contender("tcp-asyncio", "tcp", ("asyncio",), "asyncio", (), "floor"),
    Contender("tcp-uvloop", "tcp", ("uvloop",), "uvloop", ("uvloop",), "floor"),
    Contender("tcp-trio", "tcp", ("trio",), "trio", ("trio",), "floor"),
)

_NAMED_BY_GOALS: Final = ("uvicorn-sansio", "aiohttp", "picows", "trio-websocket")

# wscore, and on each loop those that its goals are about: for modes that take long, and for runs that must not.
MAIN: Final = tuple(each for each in CONTENDERS if each.role == "ours" or each.name.startswith(_NAMED_BY_GOALS))

# The same names as above: what they cost at broadcasting is theirs, though another application runs in them.
BROADCAST: Final = tuple(
    Contender(each.name, "wscore_broadcast", (each.loop,), each.loop, each.packages, "ours", needs="wscore.app")
    for each in CONTENDERS
    if each.role == "ours"
)

# Likewise: the same servers, with two processes each.
WORKERS: Final = tuple(
    Contender(each.name, "two_workers", (each.name.partition("-")[0], each.loop), each.loop, each.packages, each.role)
    for each in MAIN
    if each.role == "ours" or each.module == "uvicorn"
)

CLIENTS: Final = (
    Contender("wscore-asyncio", "wscore_asyncio", (), "asyncio", ("wscore",), "ours", package="callers"),
    Contender("websockets-asyncio", "websockets", (), "asyncio", ("websockets",), package="callers"),
    Contender("aiohttp-asyncio", "aiohttp", (), "asyncio", ("aiohttp",), package="callers"),
    Contender("wscore-trio", "wscore_trio", (), "trio", ("wscore", "trio"), "ours", package="callers"),
    Contender("trio-websocket", "trio_websocket", (), "trio", ("trio-websocket", "trio"), package="callers"),
)
