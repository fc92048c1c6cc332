"""Which connections are recorded, and into which files."""

from __future__ import annotations

import itertools
import os
import random as chance
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from .._core.asgi.messages import Peer
from .._core.client import ClientConnection
from .._core.config import Config
from .._core.http.uri import URI, parse_uri
from .._core.server import ServerConnection
from .._logs import logger
from .arguments import ClientArguments, ServerArguments
from .header import Medium, begin_client, begin_server
from .journal import FileJournal
from .payloads import KEPT, PayloadPolicy, Payloads
from .redaction import Redaction
from .tape import Line

__all__ = ["Recorder"]

_log = logger("wscore.recording")
_numbers: Final = itertools.count(1)  # of this process: two recorders may share a folder
_UNKNOWN_PEER: Final = Peer()


class Recorder:
    """Makes connections that record themselves, each into a file of its own, or plain ones.

    `server` and `client` take what `ServerConnection` and `ClientConnection` take, and give one of them; pass the
    recorder to `serve` or `connect`, or call them in a transport of your own.

    A disk that is full or a folder that vanishes ends recordings and harms no connection; the logger
    `wscore.recording` says so once.

    Args:
        directory: The folder for the files; it is made where it does not exist.
        payloads: "whole", "truncated": the first `keep` bytes of each message, or "hashed": its size and a digest.
        keep: Bytes of each message that "truncated" keeps.
        sample: The share of connections to record, 0 to 1.
        credentials: Whether to keep credentials: values of headers such as Authorization and Cookie, queries, and
            subprotocols that look like tokens.
        max_size: The largest size of a file in bytes; a recording that would exceed it ends with a line that says so.

    Raises:
        OSError: The folder cannot be made.
        ValueError: An argument has a value that it cannot have.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        payloads: Payloads = "hashed",
        keep: int = 64,
        sample: float = 1.0,
        credentials: bool = False,
        max_size: int = 16 * 2**20,
    ) -> None:
        if payloads not in KEPT:
            raise ValueError(f"payloads={payloads!r}: expected one of {', '.join(KEPT)}")
        if not 0 <= sample <= 1:
            raise ValueError(f"sample={sample!r}: expected a share, 0 to 1")
        if keep < 0 or max_size < 1:
            raise ValueError("keep must be 0 or more, and max_size 1 or more")
        self._directory = Path(directory)
        self._directory.mkdir(parents=True, exist_ok=True)
        self._payloads: Payloads = payloads
        self._keep = keep
        self._sample = sample
        self._credentials = credentials
        self._max_size = max_size
        self._told = False
        self._version = ""

    def server(
        self,
        config: Config,
        *,
        peer: Peer = _UNKNOWN_PEER,
        now: float,
        state: Mapping[str, Any] | None = None,
        access_log: bool = True,
        half_close: bool = True,
        random: Callable[[int], bytes] | None = None,
        root_path: str = "",
    ) -> ServerConnection:
        """Make a server's connection, recorded if it is its turn."""
        arguments: ServerArguments = {
            "peer": peer,
            "now": now,
            "state": state,
            "access_log": access_log,
            "half_close": half_close,
            "random": random,
            "root_path": root_path,
        }
        if not self._chosen():
            return ServerConnection(config, **arguments)
        return begin_server(self._medium("server"), config, arguments)

    def client(
        self,
        uri: str | URI,
        config: Config,
        *,
        now: float,
        random: Callable[[int], bytes],
        subprotocols: Sequence[str] = (),
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        origin: str | None = None,
        half_close: bool = True,
    ) -> ClientConnection:
        """Make a client's connection, recorded if it is its turn. Raises as `ClientConnection`."""
        uri = parse_uri(uri) if isinstance(uri, str) else uri
        arguments: ClientArguments = {
            "now": now,
            "random": random,
            "subprotocols": subprotocols,
            "headers": headers,
            "origin": origin,
            "half_close": half_close,
        }
        if not self._chosen():
            return ClientConnection(uri, config, **arguments)
        return begin_client(self._medium("client"), uri, config, arguments)

    def _chosen(self) -> bool:
        return self._sample >= 1 or chance.random() < self._sample

    def _medium(self, end: str) -> Medium:
        """Begin a recording's file."""
        seconds, nanoseconds = divmod(time.time_ns(), 10**9)
        utc = time.gmtime(seconds)
        name = f"{time.strftime('%Y%m%dT%H%M%S', utc)}.{nanoseconds // 1000:06}Z-{os.getpid()}-{next(_numbers)}-{end}"
        journal = FileJournal(
            str(self._directory / f"{name}.jsonl"), max_size=self._max_size, failed=self._journal_failed
        )
        about: Line = {"wscore": self._wscore_version(), "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", utc)}
        policy = PayloadPolicy(self._payloads, keep=self._keep, key=os.urandom(16))
        return Medium(journal, policy, Redaction(on=not self._credentials), about)

    def _wscore_version(self) -> str:
        if not self._version:
            from importlib.metadata import PackageNotFoundError, version

            try:
                self._version = version("wscore")
            except PackageNotFoundError:
                self._version = "unknown"
        return self._version

    def _journal_failed(self, error: OSError) -> None:
        if not self._told:
            self._told = True
            _log.error("cannot write recordings to %s: %s", self._directory, error.strerror or error)
