"""permessage-deflate (RFC 7692): what is agreed in the handshake, and then each message inflated or deflated.

This module knows no frames and no handshake. It is told header values and payloads, and whoever asks for inflated
bytes says how many there is room for. What a peer can make us hold, or do, is linear in what it sent.

zlib's objects are made at first use: a connection that compresses nothing has none. Without context takeover they are
dropped after each message, so that an idle connection has none either.

What is imperfect: zlib notices a reach beyond its window only across the calls made to it. A peer that compresses with
a larger window than agreed is always caught where it reaches back further than the window and a quarter of it; in
between, it depends on how its bytes happened to be cut.
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
    """A Sec-WebSocket-Extensions header that breaks the grammar of RFC 6455 9.1: the handshake is to be refused."""


class TooLarge(Exception):
    """A message inflates to more bytes than there was room for."""


class CorruptDeflate(Exception):
    """A message that is no deflate data, ends too early, or reaches back beyond the agreed window."""


# -- the handshake


class DeflateParameters(NamedTuple):
    """What server and client agreed on (RFC 7692 7.1)."""

    server_no_context_takeover: bool
    """Each of the server's messages is compressed for itself."""
    client_no_context_takeover: bool
    """Each of the client's messages is compressed for itself."""
    server_window_bits: int
    """The server compresses with a window of this size: 9-15."""
    client_window_bits: int
    """The client does: 8-15. 15 is what deflate has where nothing was said."""

    def header_value(self) -> bytes:
        """Give the value of the response's Sec-WebSocket-Extensions header.

        The client's window is named only where it is limited: a client that did not offer to have it limited must not
        be answered so, and silence means 15 (RFC 7692 7.1.2.2).
        """
        return _header_value(self)


@functools.cache  # there are a few hundred agreements at most
def _header_value(accept_response: DeflateParameters) -> bytes:
    parts = ["permessage-deflate"]
    if accept_response.server_no_context_takeover:
        parts.append("server_no_context_takeover")
    if accept_response.client_no_context_takeover:
        parts.append("client_no_context_takeover")
    # Allowed even where it was not offered (RFC 7692 7.1.2.1): the client need not keep a larger window for us.
    parts.append(f"server_max_window_bits={accept_response.server_window_bits}")
    if accept_response.client_window_bits < 15:
        parts.append(f"client_max_window_bits={accept_response.client_window_bits}")
    return "; ".join(parts).encode()


_REMEMBERED: Final = 128  # bytes of an offer; those of browsers and libraries have 18 to 70


def negotiate(offers: Sequence[bytes], config: Config) -> DeflateParameters | None:
    """Choose from what a client offers: the first permessage-deflate that we can do, or None.

    `offers` are the values of all Sec-WebSocket-Extensions headers in their order. A declined offer leaves nothing
    behind. Raises MalformedExtensions, whether compression is wanted or not.
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
    """Choose as `negotiate` does, with windows of `limit` bits at most; None for a limit accepts nothing."""
    extensions = [extension for header in offers for extension in _parse(header)]
    if not extensions:
        raise MalformedExtensions("a header without an extension")
    if limit is not None:
        for name, parameters in extensions:
            # Byte for byte: RFC 6455 says where a token is compared without regard to case (Upgrade, Connection: 4.2.1)
            # and does not say so here. In another case it is an extension we do not know.
            if name == b"permessage-deflate" and (accept_response := _accept(parameters, limit)):
                return accept_response
    return None


# Each parameter of an offer with the values it may have, None being no value, and what they mean. A table, because
# leading zeros, signs, digits of other scripts and overlong numbers are then no cases at all (RFC 7692 7.1).
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
            return None  # RFC 7692 7: unknown, given twice, or a value it cannot have
        offered[name] = meaning
    client = offered.get(b"client_max_window_bits")
    return DeflateParameters(
        server_no_context_takeover=b"server_no_context_takeover" in offered,
        client_no_context_takeover=b"client_no_context_takeover" in offered,
        server_window_bits=min(offered.get(b"server_max_window_bits", 15), limit),
        client_window_bits=15 if client is None else min(client, limit),
    )


# -- the handshake, from the client's end


class MalformedExtensionResponse(Exception):
    """A server's Sec-WebSocket-Extensions that a client must fail the connection over; the text says why."""


def offer(config: Config) -> bytes | None:
    """Give the value of the request's Sec-WebSocket-Extensions header; None where compression is not wanted."""
    if not config.compression:
        return None
    bits = config.compression_window_bits
    # What browsers offer. Without a value `client_max_window_bits` says that the server may limit our window.
    plain = b"permessage-deflate; client_max_window_bits"
    if bits == 15:
        return plain
    # RFC 7692 7.1.3: what is liked best comes first. Some servers answer an offer with `server_max_window_bits` without
    # it (gorilla/websocket), some know no such parameter; the second offer is one that they can have meant, or take.
    return b"permessage-deflate; server_max_window_bits=%d; client_max_window_bits=%d, %b" % (bits, bits, plain)


def accept_response(answers: Sequence[bytes], config: Config) -> DeflateParameters | None:
    """Read what a server answers to `offer`; None for no compression.

    `answers` are the values of all Sec-WebSocket-Extensions headers. Raises MalformedAnswer for any that does not
    follow from the offer (RFC 6455 9.1, RFC 7692 5.1, 7.1).
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
        # Any size answers one of the offers, and none is 15 (RFC 7692 7.1.2.1): 32 KiB, which is all it costs us.
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


# RFC 6455 9.1. Possessive throughout: no character can belong to two neighbours, so nothing is ever tried twice.
_QUOTED: Final = rb'"((?:[\t !#-\[\]-~]|\\[\t -~])*+)"'
_NAME: Final = re.compile(rb"[ \t,]*+(%b)[ \t]*+" % TOKEN)  # elements of a list may be empty (RFC 7230 7)
_PARAMETER: Final = re.compile(rb";[ \t]*+(%b)[ \t]*+(?:=[ \t]*+(?:(%b)|%b)[ \t]*+)?+" % (TOKEN, TOKEN, _QUOTED))
_ESCAPE: Final = re.compile(rb"\\(.)")


def _parse(header: bytes) -> Iterator[tuple[bytes, list[tuple[bytes, bytes | None]]]]:
    """Give the extensions in one header, each with its parameters; raise MalformedExtensions.

    A quoted value that is no token, as in `a="b,c"`, is let through: RFC 6455 forbids it, but it can be read beyond
    doubt, and some other extension's oddity is no reason to refuse a client.
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

_TAIL: Final = b"\x00\x00\xff\xff"  # cut off by who compresses, put back by who decompresses (RFC 7692 7.2)
_EMPTY: Final = b"\x00"  # the whole of an empty message (RFC 7692 7.2.3.6)
_FINAL_BLOCK: Final = b"\x03\x00"  # an empty last block, and it ends its stream exactly where a block may begin
_MAX_STREAMS: Final = 64  # a last block ends a stream: one or two in a message are odd, a million of nothing an attack
_SLICE: Final = 4096  # zlib hands back what it did not read as a copy: in slices, the copies stay linear


class Inflater:
    """The receiving half of a connection: wire bytes of compressed messages in, their content out.

    For each message call `inflate` with its payload, cut in any way, and then `end_message`. After an exception the
    object is of no use: the connection is to be failed.
    """

    __slots__ = ("_begun", "_chunk", "_context_takeover", "_stream", "_streams_ended", "_window_bits", "unread")

    unread: bytes
    """What the last call to `inflate` left of its data, having inflated enough: the next call's data begins with it."""

    def __init__(self, *, window_bits: int, context_takeover: bool) -> None:
        """Inflate what is compressed with the agreed `window_bits`, 8-15, with or without context takeover."""
        self._window_bits = max(window_bits, 9)  # zlib's raw streams have no 8; whoever writes 9 for 8 is read as well
        self._context_takeover = context_takeover
        # Never more from zlib at once: within one call it does not see that a reach goes beyond the window.
        self._chunk = 1 << self._window_bits >> 2
        self._stream: zlib._Decompress | None = None  # pyright: ignore[reportPrivateUsage]  # zlib publishes no name
        self._begun = False
        self._streams_ended = 0  # in this message
        self.unread = b""

    def inflate(self, data: bytes, room: int, enough: int = sys.maxsize) -> bytes:
        """Give what a piece of a message's payload inflates to, at most `room` bytes (0 or more).

        Where it comes to `enough` bytes, the rest of the piece is `unread`.

        Raises TooLarge, with never more than `room` + 1 bytes inflated; CorruptDeflate.
        """
        inflated = bytearray()  # not a list of pieces: a peer could make those very small, and each has its overhead
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
                # One byte more than there is room for, to tell a message that just fits from one that does not.
                most = min(self._chunk, room - len(inflated) + 1)
                try:
                    piece = self._stream.decompress(rest, most)
                except zlib.error as error:
                    raise CorruptDeflate(str(error)) from None
                inflated += piece
                if len(inflated) > room:
                    raise TooLarge
                if self._stream.eof:
                    # A block marked as the last, and more may follow it, even in this message (RFC 7692 7.2.1).
                    rest = self._stream.unused_data
                    self._stream = None
                    self._streams_ended += 1
                    if self._streams_ended > _MAX_STREAMS:
                        raise CorruptDeflate("too many last blocks in one message")
                    more = bool(rest)
                else:
                    # All read is not all written: a full chunk may leave more inside zlib.
                    rest = self._stream.unconsumed_tail
                    more = bool(rest) or len(piece) == most
                if rest and len(inflated) >= enough:
                    self.unread = rest + data[start + _SLICE :]
                    return bytes(inflated)
        return bytes(inflated)

    def end_message(self, room: int) -> bytes:
        """Give what is left of the message, at most `room` bytes, and be ready for the next. Raises as `inflate`."""
        rest = b""
        # Two kinds of messages must not get the tail: one of no bytes at all, which some peers send for an empty one
        # because zlib gave them nothing to flush, and one that ends with a last block and nothing after it.
        if self._begun and self._stream is not None:
            rest = self.inflate(_TAIL, room)
            self._check_whole_blocks()
        self._begun = False
        self._streams_ended = 0
        if not self._context_takeover:
            self._stream = None
        return rest

    def _check_whole_blocks(self) -> None:
        """Raise CorruptDeflate for a message cut short: zlib would silently take the next one for its continuation."""
        if self._stream is not None:
            probe = self._stream.copy() if self._context_takeover else self._stream
            try:
                probe.decompress(_FINAL_BLOCK, 1)
            except zlib.error as error:
                raise CorruptDeflate(str(error)) from None
            if not probe.eof:
                raise CorruptDeflate("the message ends within a block")


class Deflater:
    """The sending half of a connection: whole messages in, the payload of their frames out."""

    __slots__ = ("_context_takeover", "_level", "_mem_level", "_stream", "_window_bits")

    def __init__(self, *, window_bits: int, context_takeover: bool, level: int, mem_level: int) -> None:
        """Compress with a window of `window_bits`, 9-15, zlib's `level` 0-9 and `mem_level` 1-9."""
        self._window_bits = window_bits
        self._context_takeover = context_takeover
        self._level = level
        self._mem_level = mem_level
        self._stream: zlib._Compress | None = None  # pyright: ignore[reportPrivateUsage]  # zlib publishes no name

    def deflate(self, data: bytes, *, final: bool = True) -> bytes:
        """Give the payload for a whole message, or for its next piece, or with `final` its last."""
        stream = self._stream
        if data and stream is None:
            stream = zlib.compressobj(self._level, zlib.DEFLATED, -self._window_bits, self._mem_level)
        self._stream = stream if self._context_takeover or not final else None
        if not data or stream is None:
            return _EMPTY if final else b""  # without zlib, which gives nothing at all when flushed twice in a row
        deflated = stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)
        return deflated[: -len(_TAIL)] if final else deflated
