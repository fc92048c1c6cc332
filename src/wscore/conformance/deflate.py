"""permessage-deflate (RFC 7692) for the probe: its parameters, and each message by Python's zlib alone."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

__all__ = ["BadExtensions", "Compressor", "Decompressor", "Parameters", "extensions", "parameters"]

NAME: Final = "permessage-deflate"
TAIL: Final = b"\x00\x00\xff\xff"
INFLATED_LIMIT: Final = 64 * 2**20
"""What one message may inflate to; no case needs more, and a peer must not decide."""

_TOKEN: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_PARAMETER: Final = re.compile(rf'\s*({_TOKEN})\s*(?:=\s*(?:({_TOKEN})|"({_TOKEN})")\s*)?')
_FLAGS: Final = ("server_no_context_takeover", "client_no_context_takeover")
_BITS: Final = ("server_max_window_bits", "client_max_window_bits")


class BadExtensions(Exception):
    """A Sec-WebSocket-Extensions header, or its permessage-deflate, breaks its rules; `str()` says which."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What two ends agreed on (RFC 7692 7.1)."""

    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    server_max_window_bits: int | None = None
    client_max_window_bits: int | None = None


def extensions(values: Iterable[str]) -> list[tuple[str, list[tuple[str, str | None]]]]:
    """Read Sec-WebSocket-Extensions headers (RFC 6455 9.1): names, each with its parameters. Raises BadExtensions."""
    found: list[tuple[str, list[tuple[str, str | None]]]] = []
    for element in ",".join(values).split(","):
        if not element.strip():
            continue
        parts: list[tuple[str, str | None]] = []
        for part in element.split(";"):
            match = _PARAMETER.fullmatch(part)
            if match is None:
                raise BadExtensions(f"Sec-WebSocket-Extensions has {part.strip()!r}, which its grammar does not allow")
            parts.append((match[1], match[2] or match[3]))
        (name, value), *rest = parts
        if value is not None:
            raise BadExtensions(f"Sec-WebSocket-Extensions has a value for the extension's name {name!r}")
        found.append((name, rest))
    return found


def parameters(given: Iterable[tuple[str, str | None]], *, offer: bool = False) -> Parameters:
    """Read permessage-deflate's parameters; in an offer client_max_window_bits needs no value. Raises BadExtensions."""
    read: dict[str, int | bool] = {}
    for name, value in given:
        if name in read:
            raise BadExtensions(f"permessage-deflate has {name} twice (RFC 7692 7.1)")
        if name in _FLAGS:
            if value is not None:
                raise BadExtensions(f"permessage-deflate has a value for {name} (RFC 7692 7.1.1)")
            read[name] = True
        elif name in _BITS:
            read[name] = _window(name, value, offer=offer)
        else:
            raise BadExtensions(f"permessage-deflate has the unknown parameter {name} (RFC 7692 7.1)")
    return Parameters(**read)  # type: ignore[arg-type]  # the names decide the kinds


def _window(name: str, value: str | None, *, offer: bool) -> int:
    if value is None and offer and name == "client_max_window_bits":
        return 15
    if value is None or not re.fullmatch("[89]|1[0-5]", value):
        raise BadExtensions(f"permessage-deflate has {name}={value} (RFC 7692 7.1.2)")
    return int(value)


class _Stream(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self, mode: int = ..., /) -> bytes: ...


class Compressor:
    """Compresses the probe's messages (RFC 7692 7.2.1)."""

    def __init__(self, *, bits: int = 15, takeover: bool = True) -> None:
        """Keep to a window of 2**bits, and begin each message anew where there is no context takeover."""
        self._bits, self._takeover = bits, takeover
        self._stream = self._fresh()

    def _fresh(self) -> _Stream:
        # zlib compresses with a window of 8 bits under no circumstances; stored blocks keep to any window.
        return zlib.compressobj(0 if self._bits == 8 else 6, wbits=-max(self._bits, 9))

    def message(self, data: bytes, *, final: bool = False) -> bytes:
        """Compress one message; with `final` its last block has BFINAL set (RFC 7692 7.2.3.4)."""
        stream = self._fresh() if final or not self._takeover else self._stream
        out = stream.compress(data)
        if final:
            self._stream = self._fresh()
            return out + stream.flush(zlib.Z_FINISH) + b"\0"
        return (out + stream.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)


class Decompressor:
    """Inflates the peer's messages (RFC 7692 7.2.2) with exactly the window that was agreed on."""

    def __init__(self, *, bits: int = 15, takeover: bool = True) -> None:
        """Hold the peer to a window of 2**bits."""
        self._bits, self._takeover = bits, takeover
        self._stream = zlib.decompressobj(-bits)

    def message(self, data: bytes) -> bytes:
        """Inflate one message. Raises zlib.error for what does not inflate, and for more than INFLATED_LIMIT."""
        if not self._takeover:
            self._stream = zlib.decompressobj(-self._bits)
        data += TAIL
        out = b""
        while data:
            out += self._stream.decompress(data, INFLATED_LIMIT - len(out) + 1)
            if len(out) > INFLATED_LIMIT:
                raise zlib.error("more than 64 MiB")
            data = self._stream.unused_data
            if self._stream.eof:  # BFINAL: what follows is a stream of its own
                self._stream = zlib.decompressobj(-self._bits)
        return out
