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
    """What a connection allows its peer and its application. Immutable; one object serves all connections.

    Sizes are bytes and inclusive: a message of exactly `max_message_size` passes. Times are seconds. `None` switches
    off what it is allowed for. A value that cannot work raises ValueError here, not later on a connection.
    """

    # -- the opening handshake
    max_head_size: int = 16 * 1024
    """Largest request head. h11's and Tomcat's order of magnitude; a browser with many cookies stays below it."""
    max_headers: int = 128
    """Most header lines in a request. websockets allows 128; h11 none, and a thousand headers cost real time."""
    max_early_data: int = 64 * 1024
    """Bytes held of what a client sends before it is accepted; then reading pauses. One read of a typical transport: an
    honest client has nothing to say yet, and without a cap it is the client who decides how much is held."""
    max_refusal_size: int = 64 * 1024
    """Bytes that a client keeps of the body of a refusal; what follows is not read. An error page or a JSON explanation
    is smaller, and a server must not decide how much is held."""
    handshake_timeout: float = 10.0
    """From the TCP accept to the end of the request head, TLS included, however many bytes drip in. websockets: 10."""
    accept_timeout: float | None = 20.0
    """How long the application may take to accept or deny, and then for each part of a denial. daphne: 20."""

    # -- messages
    max_message_size: int = 2**24
    """Largest message, after decompression. uvicorn's 16 MiB, so that applications can move over; websockets: 1 MiB."""
    max_fragments: int = 70_000
    """Most frames in one message. Autobahn's longest honest case (9.3.1), 4 MiB in frames of 64 bytes and an empty
    one at the end, has 65,537."""
    max_queue: int = 32
    """Messages held for an application that does not ask for them; then reading pauses. uvicorn: 32."""
    max_queue_size: int = 2**20
    """Bytes held likewise. One message may exceed it, or no large message would ever arrive."""
    max_output_size: int = 2**16
    """Bytes of output held before a transport lets `send()` wait; also the cap for answers to pings that a peer does
    not collect. asyncio's own high-water mark."""

    engine: Literal["native", "wsproto"] = "native"
    """What reads and writes frames. Both do the same, and are tested against each other; wsproto's takes some ten times
    as long, and is for those who want a second opinion."""

    # -- permessage-deflate (RFC 7692)
    compression: bool = True
    """Accept permessage-deflate where a client offers it, and offer it to servers."""
    compression_window_bits: int = 12
    """Window of our compressor, and asked of the peer's, where a server may decline: 9-15. 12 with memory level 5 costs
    a third less CPU than 15 with 8 at the same ratio on 1 KiB JSON, and about 50 KiB a connection instead of 280."""
    compression_mem_level: int = 5
    """zlib's memory level, 1-9; see above."""
    compression_level: int = 6
    """zlib's effort, 0-9: its own default."""
    compression_min_size: int = 64
    """Smaller messages go out as they are; 0 compresses all. Measured on JSON: a message of 32 bytes compressed by
    itself grows, one of 64 loses 4; after others like it they lose 21 and 44, at 3 and 5 us each."""

    # -- a living connection
    ping_interval: float | None = 20.0
    """From the last pong, or the opening, to the next ping; None sends none. Below the 30-60 s at which proxies cut
    silent connections; uvicorn: 20."""
    ping_timeout: float | None = 20.0
    """How long a pinged peer may stay silent; None waits for ever. uvicorn: 20."""
    close_timeout: float = 10.0
    """How long the closing may take, from our close frame or last response byte to the end of the TCP connection; also
    how long a peer's close waits behind messages the application does not ask for. uvicorn, websockets: 10."""

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
    """Connections served at once; above it a client gets 503. None: no limit but the system's."""
    backlog: int = 2048
    """Connections that the system holds for us until they are accepted. uvicorn: 2048."""
    accept_retry: float = 0.5
    """Pause after the system refused to accept because it is out of files or memory; retrying at once would spin."""
    shutdown_code: int = 1012
    """Close code at shutdown: 1012 "service restart" asks clients to come back; 1001 "going away" is older."""
    shutdown_grace: float = 5.0
    """How long applications may go on after the shutdown began; then they are cancelled. With the close timeout and a
    second for the lifespan it bounds the shutdown; container runtimes kill after 10 s, and applications seldom need the
    rest."""
    lifespan_timeout: float | None = None
    """How long the application's startup may take. None: as long as it likes, as uvicorn has it; after 5 s the log says
    what is waited for."""
    root_path: str = ""
    """ASGI `root_path`: where the application is mounted. A prefix of `path` and `raw_path`, as in uvicorn."""
    read_poll_interval: float = 0.05
    """How long an application may do other things before a transport in which it reads for itself (trio's) looks after
    the peer in its place: the most by which a pong or the news of a close or loss is late. Well below what a person
    notices or a peer's timeout; a busy connection pays for one look in that time."""

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
