"""Messages, and frames that carry them (RFC 6455 5): allowed ones, with what a receiver reads; and others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Self

from hypothesis import strategies as st

from wscore import Close, Opcode

from .._annotated import AnnotatedBytes, Line, annotated
from ..frames import Compressor, close, fragments, frame

__all__ = [
    "Frames",
    "arbitrary_frames",
    "close_frames",
    "compressed_messages",
    "fragmentations",
    "frames",
    "hostile_frames",
    "messages",
    "streams",
]


class Frames(AnnotatedBytes):
    """Frames that are allowed on an open connection, and what the end that reads them gets."""

    messages: tuple[str | bytes, ...]
    """The messages that they carry, in order."""
    pings: tuple[bytes, ...]
    """The payloads of the pings among them."""
    close: Close | None
    """The close frame, which is the last."""

    @classmethod
    def carrying(
        cls,
        data: AnnotatedBytes,
        *,
        messages: Iterable[str | bytes] = (),
        pings: Iterable[bytes] = (),
        close: Close | None = None,
    ) -> Self:
        """Return `data` with what it carries."""
        self = cls.of(*data.lines)
        self.messages, self.pings, self.close = tuple(messages), tuple(pings), close
        return self

    @classmethod
    def joined(cls, parts: Iterable[Frames]) -> Self:
        """Return the parts one after the other; only the last may have a close frame."""
        kept = list(parts)
        return cls.carrying(
            AnnotatedBytes.concatenate(kept),
            messages=[message for part in kept for message in part.messages],
            pings=[payload for part in kept for payload in part.pings],
            close=kept[-1].close if kept else None,
        )


def messages(*, max_size: int = 125) -> st.SearchStrategy[str | bytes]:
    """Messages as an application sends and receives them: `str` and `bytes`, empty ones among them.

    Args:
        max_size: Bytes that a message takes at most, text in UTF-8.
    """
    # The borders of a frame's three kinds of length (RFC 6455 5.2), and the limit.
    sizes = sorted({size for size in (125, 126, 65535, 65536, max_size) if size <= max_size})
    lengths = st.sampled_from([0, 0, 0, 0, *sizes])
    texts = st.tuples(st.text(max_size=20), st.sampled_from(["a", "ä", "€"]), lengths)
    binaries = st.tuples(st.binary(max_size=40), st.sampled_from([b"\x00", b"a", b"\xff"]), lengths)
    # Both draw alike, so that neither is simpler than the other: the simplest message is "".
    return st.one_of(
        texts.map(lambda parts: _fitting(parts[0] + parts[1] * parts[2], max_size)),
        binaries.map(lambda parts: (parts[0] + parts[1] * parts[2])[:max_size]),
    )


def frames(*, masked: bool = True, max_size: int = 125) -> st.SearchStrategy[Frames]:
    """One frame each: a whole message, a ping or a pong.

    Args:
        masked: True for a client's frames, which have to be masked; False for a server's.
        max_size: Bytes of a message at most. Control frames have up to 125 (RFC 6455 5.5).
    """
    return st.one_of(
        st.builds(_message, messages(max_size=max_size), _keys(masked)),
        st.builds(_ping, _control_payloads, _keys(masked)),
        st.builds(_pong, _control_payloads, _keys(masked)),
    )


def close_frames(*, masked: bool = True) -> st.SearchStrategy[Frames]:
    """Close frames that may be sent (RFC 6455 7.4): empty ones, and codes with and without a reason.

    Args:
        masked: True for a client's frames.
    """
    codes = st.sampled_from([1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4000, 4999])
    reasons = st.one_of(st.just(""), st.text(max_size=30), st.just("ä" * 61))
    return st.one_of(
        st.builds(_close, st.none(), st.just(""), _keys(masked)),
        st.builds(_close, codes, reasons, _keys(masked)),
    )


def fragmentations(*, masked: bool = True, max_size: int = 125, max_fragments: int = 5) -> st.SearchStrategy[Frames]:
    """One message each, in two or more frames, with pings and pongs between them (RFC 6455 5.4).

    Text is cut anywhere, within a character too.

    Args:
        masked: True for a client's frames.
        max_size: Bytes of the message at most.
        max_fragments: Frames of the message at most, 2 or more.
    """
    return st.builds(
        _fragmented,
        messages(max_size=max_size),
        st.lists(st.integers(0, max_size), min_size=1, max_size=max_fragments - 1),
        st.lists(_controls(masked), max_size=2),
        _keys(masked),
    )


def compressed_messages(
    *, masked: bool = True, max_size: int = 125, window_bits: int = 9, max_fragments: int = 3
) -> st.SearchStrategy[Frames]:
    """One message each, compressed (RFC 7692), in one frame or several.

    Each is compressed on its own, so that they may be sent in any order and number, whatever was agreed about context
    takeover.

    Args:
        masked: True for a client's frames.
        max_size: Bytes of the message at most.
        window_bits: The window that was agreed, as a power of two, 9 to 15, or a smaller one.
        max_fragments: Frames of the message at most.
    """

    def build(message: str | bytes, level: int, places: list[int], mask: bytes | None) -> Frames:
        compressed = Compressor(window_bits=window_bits, level=level).payload(_encoded(message))
        parts = fragments(_opcode(message), *_cut(compressed, places), rsv=0b100, mask=mask)
        return Frames.carrying(AnnotatedBytes.concatenate(parts), messages=[message])

    places = st.lists(st.integers(0, max_size), max_size=max_fragments - 1)
    return st.builds(build, messages(max_size=max_size), st.sampled_from([6, 0, 9]), places, _keys(masked))


def streams(
    *,
    masked: bool = True,
    max_size: int = 125,
    max_fragments: int = 5,
    max_messages: int = 8,
    compressed: bool = False,
    closed: bool | None = None,
) -> st.SearchStrategy[Frames]:
    """All that one end sends on an open connection, and nothing is wrong with it.

    Args:
        masked: True for a client's frames.
        max_size: Bytes of a message at most.
        max_fragments: Frames of a message at most, 2 or more.
        max_messages: Messages, pings and pongs at most; those between the fragments of a message not counted.
        compressed: Whether compression was agreed, so that some messages are compressed.
        closed: Whether a close frame is the last; None for either.
    """
    kinds = [
        frames(masked=masked, max_size=max_size),
        fragmentations(masked=masked, max_size=max_size, max_fragments=max_fragments),
    ]
    if compressed:
        kinds.append(compressed_messages(masked=masked, max_size=max_size, max_fragments=max_fragments))
    nothing: list[Frames] = []
    ends: st.SearchStrategy[list[Frames]] = close_frames(masked=masked).map(lambda end: [end])
    if closed is not True:
        ends = st.just(nothing) if closed is False else st.just(nothing) | ends
    parts = st.lists(st.one_of(kinds), max_size=max_messages)
    return st.tuples(parts, ends).map(lambda both: Frames.joined([*both[0], *both[1]]))


def hostile_frames(*, masked: bool = True) -> st.SearchStrategy[AnnotatedBytes]:
    """Frames that break the protocol, and fail a connection that reads them between two messages.

    They fail it where no extension was agreed. Of each it is the first frame that is wrong, or the second, where the
    first begins a message.

    Args:
        masked: True for what a client sends wrongly, to a server; False for what a server does.
    """
    keys, others = _keys(masked), _keys(not masked)
    short = st.binary(max_size=5)
    kinds = st.sampled_from([Opcode.TEXT, Opcode.BINARY])
    controls = st.sampled_from([Opcode.PING, Opcode.PONG, Opcode.CLOSE])
    reserved = st.sampled_from([*range(3, 8), *range(0xB, 0x10)])
    known = st.sampled_from([Opcode.TEXT, Opcode.BINARY, Opcode.PING, Opcode.PONG])
    bad_codes = st.sampled_from([0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535])
    no_text = st.sampled_from([b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5", "€".encode()[:2]])

    def nested(first: Opcode, second: Opcode, payload: bytes, mask: bytes | None) -> AnnotatedBytes:
        return frame(first, payload, fin=False, mask=mask) + frame(second, payload, mask=mask)

    return st.one_of(
        st.builds(frame, known, short, mask=others),  # 5.1: masked, or not
        st.builds(frame, known, short, mask=keys, rsv=st.integers(1, 7)),  # 5.2: what no extension gave a meaning
        st.builds(frame, reserved, short, mask=keys),
        st.builds(frame, st.just(Opcode.BINARY), short, mask=keys, length_in=st.sampled_from([16, 64])),
        st.builds(frame, st.just(Opcode.BINARY), mask=keys, announces=st.integers(1 << 63, (1 << 64) - 1)),
        st.builds(frame, controls, st.binary(min_size=126, max_size=130), mask=keys),  # 5.5: too long, or in parts
        st.builds(frame, controls, short, mask=keys, fin=st.just(False)),
        st.builds(frame, st.just(Opcode.CONTINUATION), short, mask=keys),  # 5.4: of nothing
        st.builds(nested, kinds, kinds, short, keys),  # a message within another
        st.builds(frame, st.just(Opcode.CLOSE), st.just(b"\x03"), mask=keys),  # 5.5.1: half a code
        st.builds(close, bad_codes, mask=keys),  # 7.4
        st.builds(close, st.just(1000), no_text, mask=keys),  # 8.1: no UTF-8
        st.builds(frame, st.just(Opcode.TEXT), no_text, mask=keys),
    )


def arbitrary_frames(*, masked: bool = True, max_size: int = 130) -> st.SearchStrategy[AnnotatedBytes]:
    """What a frame's fields can say, allowed or not, half a frame and bytes that are none among it.

    Args:
        masked: True for what a client sends: most have a mask.
        max_size: Bytes of a payload at most.
    """
    fields = st.builds(
        frame,
        st.integers(0, 15),
        st.binary(max_size=max_size),
        fin=st.booleans(),
        rsv=st.sampled_from([0, 0, 0, 4, 1, 7]),
        mask=st.one_of(_keys(masked), _keys(masked), _keys(not masked)),
        length_in=st.sampled_from([None, None, 64]),
    )
    halves = st.tuples(fields, st.integers(1, 20)).map(lambda both: both[0].cut([both[1]])[0])
    return st.one_of(fields, halves, st.binary(min_size=1, max_size=60).map(annotated))


# -- parts

_control_payloads = st.tuples(st.binary(max_size=8), st.sampled_from([0, 0, 0, 117]).map(bytes)).map(b"".join)


def _keys(masked: bool) -> st.SearchStrategy[bytes | None]:
    """Masking keys. The simplest is of zeros, with which a payload is on the wire as it is."""
    return st.integers(0, (1 << 32) - 1).map(lambda key: key.to_bytes(4)) if masked else st.none()


def _fitting(text: str, max_size: int) -> str:
    """Cut a text to so many bytes of UTF-8."""
    return text.encode()[:max_size].decode(errors="ignore")


def _opcode(message: str | bytes) -> int:
    return Opcode.TEXT if isinstance(message, str) else Opcode.BINARY


def _encoded(message: str | bytes) -> bytes:
    return message.encode() if isinstance(message, str) else message


def _message(message: str | bytes, mask: bytes | None) -> Frames:
    return Frames.carrying(frame(_opcode(message), _encoded(message), mask=mask), messages=[message])


def _ping(payload: bytes, mask: bytes | None) -> Frames:
    return Frames.carrying(frame(Opcode.PING, payload, mask=mask), pings=[payload])


def _pong(payload: bytes, mask: bytes | None) -> Frames:
    return Frames.carrying(frame(Opcode.PONG, payload, mask=mask))


def _close(code: int | None, reason: str, mask: bytes | None) -> Frames:
    return Frames.carrying(close(code, reason, mask=mask), close=Close(code, reason))


def _controls(masked: bool) -> st.SearchStrategy[Frames]:
    kinds: list[Callable[[bytes, bytes | None], Frames]] = [_ping, _pong]
    return st.one_of([st.builds(kind, _control_payloads, _keys(masked)) for kind in kinds])


def _cut(payload: bytes, places: list[int]) -> list[bytes]:
    """Cut at each of the places, counted round and round; parts may be empty."""
    ends = [0, *sorted(place % (len(payload) + 1) for place in places), len(payload)]
    return [payload[start:stop] for start, stop in pairwise(ends)]


def _fragmented(message: str | bytes, places: list[int], controls: list[Frames], mask: bytes | None) -> Frames:
    parts = fragments(_opcode(message), *_cut(_encoded(message), places), mask=mask)
    between = AnnotatedBytes.concatenate(controls)
    lines: list[Line] = [*parts[0].lines, *between.lines]
    lines += [line for part in parts[1:] for line in part.lines]
    pings = [payload for control in controls for payload in control.pings]
    return Frames.carrying(AnnotatedBytes.of(*lines), messages=[message], pings=pings)
