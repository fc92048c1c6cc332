"""Every limit and every timeout, each default with its reason. Sizes are bytes, times are seconds.

`Config` is what a connection keeps to, at either end; `ServerConfig` adds what a server is told.
"""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar, Final, Literal, Self

from .close import is_sendable

__all__ = ["Config", "InvalidConfig", "ServerConfig"]


class InvalidConfig(ValueError):
    """A value that cannot work: `field` has `value`, where something else was `expected`."""

    def __init__(self, kind: str, field: str, value: object, expected: str) -> None:
        super().__init__(f"{kind}({field}={value!r}): expected {expected}")
        self.field = field
        self.value = value
        self.expected = expected


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The limits and timeouts of a connection, at either end. Immutable; one object serves all connections.

    Sizes are bytes and inclusive: a message of exactly `max_message_size` passes. Times are seconds. `None`, where
    allowed, disables the limit.

    Raises:
        InvalidConfig: A value cannot work; raised here, not later on a connection.
    """

    # -- the opening handshake
    max_head_size: int = 16 * 1024
    """Maximum size of a request head in bytes. h11 and Tomcat have the same order of magnitude; a browser with many
    cookies stays below it."""
    max_headers: int = 128
    """Maximum number of header lines in a request. websockets allows 128; h11 has no limit, and a thousand headers take
    noticeable time."""
    max_early_data: int = 64 * 1024
    """Maximum bytes buffered from a client before it is accepted; then reading pauses. One read of a typical transport:
    an honest client sends nothing yet, and without a limit the client would decide how much is buffered."""
    max_refusal_size: int = 64 * 1024
    """Maximum bytes that a client keeps of a refusal's body; the rest is not read. An error page or a JSON explanation
    is smaller, and a server must not decide how much is kept."""
    handshake_timeout: float = 10.0
    """Seconds from the TCP accept to the end of the request head, including TLS, even if bytes keep arriving.
    websockets: 10."""
    accept_timeout: float | None = 20.0
    """Seconds for the application to accept or deny, and then for each part of a denial. daphne: 20."""

    # -- messages
    max_message_size: int = 2**24
    """Maximum size of a message in bytes, after decompression. uvicorn's 16 MiB, for easy migration; websockets: 1
    MiB."""
    max_fragments: int = 70_000
    """Maximum number of frames in a message. Autobahn's longest legitimate case (9.3.1), 4 MiB in frames of 64 bytes
    and an empty one at the end, has 65,537."""
    max_queue: int = 32
    """Maximum number of messages queued for an application that does not receive them; then reading pauses. uvicorn:
    32."""
    max_queue_size: int = 2**20
    """Maximum bytes in that queue. One message may exceed it, since no larger message could arrive otherwise."""
    max_output_size: int = 2**16
    """Bytes of buffered output from which a transport makes `send()` wait; also limits pongs for a peer that does not
    read them. asyncio's own high-water mark."""

    engine: Literal["native", "wsproto"] = "native"
    """The engine that reads and writes frames. Both do the same and are tested against each other; wsproto takes some
    ten times as long, and serves as a second opinion."""

    # -- permessage-deflate (RFC 7692)
    compression: bool = True
    """Accept permessage-deflate if a client offers it, and offer it to servers."""
    compression_window_bits: int = 12
    """Window of our compressor as a power of two, 9-15; also requested for the peer's, which a server may decline. 12
    with memory level 5 takes a third less CPU than 15 with 8, at the same ratio on 1 KiB JSON, and about 50 KiB per
    connection instead of 280."""
    compression_mem_level: int = 5
    """zlib's memory level, 1-9; see above."""
    compression_level: int = 6
    """zlib's compression level, 0-9; 6 is zlib's default."""
    compression_min_size: int = 64
    """Minimum size of a message to compress, in bytes; 0 compresses all. Measured on JSON: compressed independently, a
    message of 32 bytes grows and one of 64 shrinks by 4; after similar messages they shrink by 21 and 44, at 3 and 5 us
    each."""

    # -- a living connection
    ping_interval: float | None = 20.0
    """Seconds from the last pong, or the opening, to the next ping; None sends none. Below the 30-60 s after which
    proxies cut silent connections; uvicorn: 20."""
    ping_timeout: float | None = 20.0
    """Seconds that a pinged peer may stay silent; None means no limit. uvicorn: 20."""
    close_timeout: float = 10.0
    """Seconds for the closing, from our close frame or last response byte to the end of the TCP connection; also how
    long a peer's close waits behind messages that the application does not receive. uvicorn, websockets: 10."""

    # Which fields take which values; subclasses have more.
    _COUNTS: ClassVar[tuple[str, ...]] = (
        "max_head_size",
        "max_headers",
        "max_early_data",
        "max_refusal_size",
        "max_message_size",
        "max_fragments",
        "max_queue",
        "max_queue_size",
        "max_output_size",
    )
    _DURATIONS: ClassVar[tuple[str, ...]] = ("handshake_timeout", "close_timeout")
    _OPTIONAL_DURATIONS: ClassVar[tuple[str, ...]] = ("accept_timeout", "ping_interval", "ping_timeout")

    def __post_init__(self) -> None:
        """Raise InvalidConfig for values that cannot work."""
        for name in self._COUNTS:
            value = getattr(self, name)
            self._require(_is_int(value) and value >= 1, name, "a whole number, 1 or more")
        for name in self._DURATIONS:
            value = getattr(self, name)
            self._require(_is_duration(value) and value > 0, name, "seconds above 0")
        for name in self._OPTIONAL_DURATIONS:
            value = getattr(self, name)
            self._require(value is None or (_is_duration(value) and value > 0), name, "seconds above 0, or None")
        for name, allowed, expected in _RANGES:
            value = getattr(self, name)
            self._require(_is_int(value) and value in allowed, name, expected)
        size = self.compression_min_size
        self._require(_is_int(size) and size >= 0, "compression_min_size", "a whole number, 0 or more")
        self._require(self.engine in ("native", "wsproto"), "engine", "'native' or 'wsproto'")

    def _require(self, condition: bool, name: str, expected: str) -> None:
        if not condition:
            raise InvalidConfig(type(self).__name__, name, getattr(self, name), expected)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig(Config):
    """What a server is told: all that `Config` has, which holds for each of its connections, and the server's own."""

    max_connections: int | None = None
    """Maximum number of concurrent connections; above it a client gets 503. None: only the system's limit."""
    backlog: int = 2048
    """Length of the system's queue of connections not accepted yet. uvicorn: 2048."""
    accept_retry: float = 0.5
    """Seconds to pause when accepting fails because the system is out of file descriptors or memory; an immediate retry
    would spin."""
    shutdown_code: int = 1012
    """Close code at shutdown: 1012 "service restart" asks clients to reconnect; 1001 "going away" is older."""
    shutdown_grace: float = 5.0
    """Seconds that applications may continue after the shutdown began; then they are cancelled. With the close timeout
    and a second for the lifespan it bounds the shutdown; container runtimes kill after 10 s, and applications seldom
    need the full time."""
    lifespan_timeout: float | None = None
    """Seconds for the application's startup. None means no limit, as in uvicorn; after 5 s the log says what it waits
    for."""
    root_path: str = ""
    """ASGI `root_path`: where the application is mounted. A prefix of `path` and `raw_path`, as in uvicorn."""
    read_poll_interval: float = 0.05
    """Seconds without a receive after which a transport in which the application itself reads (trio's) reads on its
    behalf: the maximum delay of a pong, and of noticing a close or a loss. Well below what a person notices, and below
    a peer's timeout; a busy connection pays for one read in that time."""

    _COUNTS: ClassVar[tuple[str, ...]] = (*Config._COUNTS, "backlog")
    _DURATIONS: ClassVar[tuple[str, ...]] = (*Config._DURATIONS, "read_poll_interval", "accept_retry")
    _OPTIONAL_DURATIONS: ClassVar[tuple[str, ...]] = (*Config._OPTIONAL_DURATIONS, "lifespan_timeout")

    def __post_init__(self) -> None:
        """Raise InvalidConfig for values that cannot work."""
        Config.__post_init__(self)  # `super()` would look for the class that `slots=True` has replaced
        grace, connections = self.shutdown_grace, self.max_connections
        self._require(_is_duration(grace) and grace >= 0, "shutdown_grace", "seconds, 0 or more")
        allowed = connections is None or (_is_int(connections) and connections >= 1)
        self._require(allowed, "max_connections", "a whole number, 1 or more, or None")
        code = self.shutdown_code
        self._require(_is_int(code) and is_sendable(code), "shutdown_code", "a code that may be sent")
        path = self.root_path
        well_formed = not path or (path.startswith("/") and not path.endswith("/"))
        self._require(well_formed, "root_path", "'' or a path that starts with a slash and does not end with one")

    @classmethod
    def of(cls, config: Config | None) -> Self:
        """Return a server's configuration as it is; complete a connection's, or None, with the defaults."""
        if config is None:
            return cls()
        if isinstance(config, cls):
            return config
        return cls(**{field.name: getattr(config, field.name) for field in dataclasses.fields(config)})


_RANGES: Final = (
    ("compression_window_bits", range(9, 16), "9 to 15"),  # zlib cannot do raw deflate with a window of 8 bits
    ("compression_mem_level", range(1, 10), "1 to 9"),
    ("compression_level", range(10), "0 to 9"),
)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_duration(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
