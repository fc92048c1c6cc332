"""permessage-deflate (RFC 7692): negotiation of its parameters, then inflating and deflating of messages.

This module knows no frames and no handshake. It gets header values and payloads, and callers that inflate pass the
number of bytes they have room for. The memory and work that a peer can cause are linear in what it sent.

zlib's objects are created lazily: a connection that compresses nothing has none. Without context takeover they are
dropped after each message, so an idle connection has none either.

Known imperfection: zlib detects references beyond its window only across calls. A peer that compresses with a larger
window than agreed is always caught if it reaches back further than 1.25 windows; between 1 and 1.25, it depends on how
its bytes happened to be split.
"""

from __future__ import annotations

import functools
import re
import sys
import zlib
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..config import Config
from ..grammar import TOKEN

__all__ = [
    "CorruptDeflate",
    "DeflateParameters",
    "Deflater",
    "Inflater",
    "MalformedExtensionResponse",
    "MalformedExtensions",
    "TooLarge",
    "accept_response",
    "negotiate",
    "offer",
]


class MalformedExtensions(Exception):
    """A Sec-WebSocket-Extensions header breaks the grammar of RFC 6455 9.1: the handshake must be refused."""


class TooLarge(Exception):
    """A message inflates to more bytes than there was room for."""


class CorruptDeflate(Exception):
    """A message is not deflate data, ends too early, or reaches back beyond the agreed window."""


# -- the handshake


class DeflateParameters(NamedTuple):
    """The parameters that server and client agreed on (RFC 7692 7.1)."""

    server_no_context_takeover: bool
    """Whether each message from the server is compressed independently."""
    client_no_context_takeover: bool
    """Whether each message from the client is compressed independently."""
    server_window_bits: int
    """Size of the server's compression window, as a power of two: 9-15."""
    client_window_bits: int
    """Size of the client's compression window: 8-15. 15 is deflate's default."""

    def header_value(self) -> bytes:
        """Return the value of the response's Sec-WebSocket-Extensions header.

        It includes the client's window only if that is limited: the parameter must not be sent to a client that did not
        offer it, and its absence means 15 (RFC 7692 7.1.2.2).
        """
        return _header_value(self)


@functools.cache  # there are a few hundred agreements at most
def _header_value(agreed: DeflateParameters) -> bytes:
    parts = ["permessage-deflate"]
    if agreed.server_no_context_takeover:
        parts.append("server_no_context_takeover")
    if agreed.client_no_context_takeover:
        parts.append("client_no_context_takeover")
    # Allowed even if it was not offered (RFC 7692 7.1.2.1): the client need not keep a larger window for us.
    parts.append(f"server_max_window_bits={agreed.server_window_bits}")
    if agreed.client_window_bits < 15:
        parts.append(f"client_max_window_bits={agreed.client_window_bits}")
    return "; ".join(parts).encode()


_REMEMBERED: Final = 128  # bytes of an offer; those of browsers and libraries have 18 to 70


def negotiate(offers: Sequence[bytes], config: Config) -> DeflateParameters | None:
    """Choose from a client's offers: the first permessage-deflate that we support, or None.

    Args:
        offers: The values of all Sec-WebSocket-Extensions headers, in order. A declined offer has no effect.
        config: Whether compression is wanted, and its window.

    Raises:
        MalformedExtensions: A header breaks the grammar, even if compression is not wanted.
    """
    if not offers:
        return None
    limit = config.compression_window_bits if config.compression else None
    if len(offers) == 1 and len(offers[0]) <= _REMEMBERED:
        return _remembered(offers[0], limit)
    return _choose(offers, limit)


@functools.lru_cache(maxsize=64)  # clients offer in a handful of wordings
def _remembered(offer: bytes, limit: int | None) -> DeflateParameters | None:
    return _choose((offer,), limit)


def _choose(offers: Sequence[bytes], limit: int | None) -> DeflateParameters | None:
    """Choose as `negotiate` does, with windows of at most `limit` bits; a limit of None accepts nothing."""
    extensions = [extension for header in offers for extension in _parse(header)]
    if not extensions:
        raise MalformedExtensions("a header without an extension")
    if limit is not None:
        for name, parameters in extensions:
            # Case-sensitive: RFC 6455 says which tokens are not (Upgrade, Connection: 4.2.1), and this is not one of
            # them. In another case it is an unknown extension.
            if name == b"permessage-deflate" and (agreed := _accept(parameters, limit)):
                return agreed
    return None


# Each parameter of an offer with its allowed values (None: no value) and their meanings. With a table, leading zeros,
# signs, digits of other scripts and overlong numbers need no special cases (RFC 7692 7.1).
_PARAMETERS: Final[Mapping[bytes, Mapping[bytes | None, int]]] = {
    b"server_no_context_takeover": {None: True},
    b"client_no_context_takeover": {None: True},
    b"server_max_window_bits": {b"%d" % bits: bits for bits in range(9, 16)},  # our compressor, zlib, cannot do 8
    b"client_max_window_bits": {None: 15} | {b"%d" % bits: bits for bits in range(8, 16)},
}


def _accept(parameters: list[tuple[bytes, bytes | None]], limit: int) -> DeflateParameters | None:
    offered: dict[bytes, int] = {}
    for name, value in parameters:
        meaning = _PARAMETERS.get(name, {}).get(value)
        if meaning is None or name in offered:
            return None  # RFC 7692 7: unknown, given twice, or an invalid value
        offered[name] = meaning
    client = offered.get(b"client_max_window_bits")
    return DeflateParameters(
        server_no_context_takeover=b"server_no_context_takeover" in offered,
        client_no_context_takeover=b"client_no_context_takeover" in offered,
        server_window_bits=min(offered.get(b"server_max_window_bits", 15), limit),
        client_window_bits=15 if client is None else min(client, limit),
    )


# -- the handshake on the client's side


class MalformedExtensionResponse(Exception):
    """A server's Sec-WebSocket-Extensions for which a client must fail the connection; the text says why."""


def offer(config: Config) -> bytes | None:
    """Return the value of the request's Sec-WebSocket-Extensions header; None if compression is not wanted."""
    if not config.compression:
        return None
    bits = config.compression_window_bits
    # What browsers offer. Without a value, `client_max_window_bits` says that the server may limit our window.
    plain = b"permessage-deflate; client_max_window_bits"
    if bits == 15:
        return plain
    # RFC 7692 7.1.3: offers come in order of preference. Some servers answer an offer of `server_max_window_bits`
    # without the parameter (gorilla/websocket), some do not know it; the second offer is one that their answer fits, or
    # that they can accept.
    return b"permessage-deflate; server_max_window_bits=%d; client_max_window_bits=%d, %b" % (bits, bits, plain)


def accept_response(answers: Sequence[bytes], config: Config) -> DeflateParameters | None:
    """Read a server's answer to `offer`; None for no compression.

    Args:
        answers: The values of all Sec-WebSocket-Extensions headers.
        config: The one that the offer was made with.

    Raises:
        MalformedExtensionResponse: The answer does not match the offer (RFC 6455 9.1, RFC 7692 5.1, 7.1).
    """
    try:
        extensions = [extension for header in answers for extension in _parse(header)]
    except MalformedExtensions:
        raise MalformedExtensionResponse("malformed") from None
    if not extensions:
        return None
    if len(extensions) > 1 or extensions[0][0] != b"permessage-deflate" or not config.compression:
        raise MalformedExtensionResponse("an extension that was not offered")
    limit = config.compression_window_bits
    answered: dict[bytes, int] = {}
    for name, value in extensions[0][1]:
        meaning = _ANSWERED.get(name, {}).get(value)
        if meaning is None or name in answered:
            raise MalformedExtensionResponse("a parameter that is unknown, or has a value it cannot have")
        answered[name] = meaning
    return DeflateParameters(
        server_no_context_takeover=b"server_no_context_takeover" in answered,
        client_no_context_takeover=b"client_no_context_takeover" in answered,
        # Every size matches one of the offers, and no size means 15 (RFC 7692 7.1.2.1), which costs us just 32 KiB.
        server_window_bits=answered.get(b"server_max_window_bits", 15),
        # Our value was a hint, which a server may ignore (7.1.2.2).
        client_window_bits=min(answered.get(b"client_max_window_bits", limit), limit),
    )


_BITS: Final[Mapping[bytes | None, int]] = {b"%d" % bits: bits for bits in range(8, 16)}
_ANSWERED: Final[Mapping[bytes, Mapping[bytes | None, int]]] = {
    b"server_no_context_takeover": {None: True},
    b"client_no_context_takeover": {None: True},
    b"server_max_window_bits": _BITS,
    b"client_max_window_bits": _BITS,
}


# RFC 6455 9.1. All quantifiers are possessive: no character can match two neighbouring parts, so nothing backtracks.
_QUOTED: Final = rb'"((?:[\t !#-\[\]-~]|\\[\t -~])*+)"'
_NAME: Final = re.compile(rb"[ \t,]*+(%b)[ \t]*+" % TOKEN)  # elements of a list may be empty (RFC 7230 7)
_PARAMETER: Final = re.compile(rb";[ \t]*+(%b)[ \t]*+(?:=[ \t]*+(?:(%b)|%b)[ \t]*+)?+" % (TOKEN, TOKEN, _QUOTED))
_ESCAPE: Final = re.compile(rb"\\(.)")


def _parse(header: bytes) -> Iterator[tuple[bytes, list[tuple[bytes, bytes | None]]]]:
    """Parse one header: yield its extensions, each with its parameters. Raises MalformedExtensions.

    A quoted value that is not a token, as in `a="b,c"`, is accepted: RFC 6455 forbids it, but it is unambiguous, and a
    mistake in another extension is no reason to refuse a client.
    """
    header = header.strip(b" \t,")
    position = 0
    while position < len(header):
        name = _NAME.match(header, position)
        if name is None:
            raise MalformedExtensions(f"no extension's name at byte {position}")
        position = name.end()
        parameters: list[tuple[bytes, bytes | None]] = []
        while parameter := _PARAMETER.match(header, position):
            key, token, quoted = parameter.groups()
            parameters.append((key, token if quoted is None else _ESCAPE.sub(rb"\1", quoted)))
            position = parameter.end()
        if header[position : position + 1] not in {b",", b""}:
            raise MalformedExtensions(f"neither a parameter nor a comma at byte {position}")
        yield name[1], parameters


# -- the messages

_TAIL: Final = b"\x00\x00\xff\xff"  # removed by the compressor, added again by the decompressor (RFC 7692 7.2)
_EMPTY: Final = b"\x00"  # the payload of an empty message (RFC 7692 7.2.3.6)
_FINAL_BLOCK: Final = b"\x03\x00"  # an empty last block; it ends a stream only at a block boundary
_MAX_STREAMS: Final = 64  # a last block ends a stream: one or two in a message are odd, a million empty ones an attack
_SLICE: Final = 4096  # zlib returns unread input as a copy: with slices, the cost of copying stays linear


class Inflater:
    """The receiving half of a connection: compressed payload in, message content out.

    For each message call `inflate` with its payload, split in any way, and then `end_message`. After an exception the
    object is unusable: fail the connection.
    """

    __slots__ = ("_begun", "_chunk", "_context_takeover", "_stream", "_streams_ended", "_window_bits", "unread")

    unread: bytes
    """Data left over by the last `inflate` that stopped at `enough`: the next call's data must begin with it."""

    def __init__(self, *, window_bits: int, context_takeover: bool) -> None:
        """Prepare for the agreed parameters; `window_bits` is 8-15."""
        self._window_bits = max(window_bits, 9)  # zlib's raw streams have no 8; this also reads peers that use 9 for 8
        self._context_takeover = context_takeover
        # The most to take from zlib per call: within one call it does not detect references beyond the window.
        self._chunk = 1 << self._window_bits >> 2
        self._stream: zlib._Decompress | None = None  # pyright: ignore[reportPrivateUsage]  # zlib publishes no name
        self._begun = False
        self._streams_ended = 0  # in this message
        self.unread = b""

    def inflate(self, data: bytes, room: int, enough: int = sys.maxsize) -> bytes:
        """Inflate a piece of a message's payload.

        Args:
            data: The piece.
            room: The most bytes that it may inflate to, 0 or more.
            enough: Inflated bytes after which to stop; the rest of the piece is then `unread`.

        Raises:
            TooLarge: It inflates to more; at most `room` + 1 bytes were inflated.
            CorruptDeflate: It is not valid deflate data.
        """
        inflated = bytearray()  # not a list of pieces: a peer could make those very small, and each has overhead
        self.unread = b""
        for start in range(0, len(data), _SLICE):
            if len(inflated) >= enough:
                self.unread = data[start:]
                break
            self._begun = True
            rest = data[start : start + _SLICE]
            more = True
            while more:
                if self._stream is None:
                    self._stream = zlib.decompressobj(-self._window_bits)
                # One byte more than there is room for, to distinguish a message that just fits from a larger one.
                most = min(self._chunk, room - len(inflated) + 1)
                try:
                    piece = self._stream.decompress(rest, most)
                except zlib.error as error:
                    raise CorruptDeflate(str(error)) from None
                inflated += piece
                if len(inflated) > room:
                    raise TooLarge
                if self._stream.eof:
                    # A last block may be followed by more blocks, even in this message (RFC 7692 7.2.1).
                    rest = self._stream.unused_data
                    self._stream = None
                    self._streams_ended += 1
                    if self._streams_ended > _MAX_STREAMS:
                        raise CorruptDeflate("too many last blocks in one message")
                    more = bool(rest)
                else:
                    # All input read does not mean all output written: after a full chunk zlib may hold more.
                    rest = self._stream.unconsumed_tail
                    more = bool(rest) or len(piece) == most
                if rest and len(inflated) >= enough:
                    self.unread = rest + data[start + _SLICE :]
                    return bytes(inflated)
        return bytes(inflated)

    def end_message(self, room: int) -> bytes:
        """Return the rest of the message, at most `room` bytes, and prepare for the next. Raises as `inflate`."""
        rest = b""
        # Two kinds of messages must not get the tail: one with no bytes, which some peers send for an empty message
        # because zlib gave them nothing to flush, and one that ends with a last block.
        if self._begun and self._stream is not None:
            rest = self.inflate(_TAIL, room)
            self._check_whole_blocks()
        self._begun = False
        self._streams_ended = 0
        if not self._context_takeover:
            self._stream = None
        return rest

    def _check_whole_blocks(self) -> None:
        """Raise CorruptDeflate for a truncated message: zlib would silently treat the next one as its continuation."""
        if self._stream is not None:
            probe = self._stream.copy() if self._context_takeover else self._stream
            try:
                probe.decompress(_FINAL_BLOCK, 1)
            except zlib.error as error:
                raise CorruptDeflate(str(error)) from None
            if not probe.eof:
                raise CorruptDeflate("the message ends within a block")


class Deflater:
    """The sending half of a connection: message content in, compressed payload out."""

    __slots__ = ("_context_takeover", "_level", "_mem_level", "_stream", "_window_bits")

    def __init__(self, *, window_bits: int, context_takeover: bool, level: int, mem_level: int) -> None:
        """Compress with a window of `window_bits`, 9-15, zlib's `level` 0-9 and `mem_level` 1-9."""
        self._window_bits = window_bits
        self._context_takeover = context_takeover
        self._level = level
        self._mem_level = mem_level
        self._stream: zlib._Compress | None = None  # pyright: ignore[reportPrivateUsage]  # zlib publishes no name

    def deflate(self, data: bytes, *, final: bool = True) -> bytes:
        """Return the payload for a whole message or a piece of one; `final` marks the last piece."""
        stream = self._stream
        if data and stream is None:
            stream = zlib.compressobj(self._level, zlib.DEFLATED, -self._window_bits, self._mem_level)
        self._stream = stream if self._context_takeover or not final else None
        if not data or stream is None:
            return _EMPTY if final else b""  # without zlib, which returns nothing when flushed twice in a row
        deflated = stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)
        return deflated[: -len(_TAIL)] if final else deflated
