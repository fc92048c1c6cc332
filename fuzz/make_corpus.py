"""Writes the committed corpus, a seed for each path worth starting from: `python -m fuzz.make_corpus`."""

from __future__ import annotations

import zlib
from pathlib import Path

from fuzz._steps import BYTES, MESSAGES
from fuzz._wire import DEFLATE, DEFLATED, REQUEST, RESPONSE

CORPUS = Path(__file__).parent / "corpus"
CUTS = b"\x00\x02\x0c\x01"  # reads of 1, 3, 13 and 2 bytes


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv1: bool = False, key: bytes = bytes(4)) -> bytes:
    """Write a client's frame, or with an empty key a server's."""
    size = len(payload)
    bit = 0x80 if key else 0
    length = bytes([bit | size]) if size < 126 else bytes([bit | 126]) + size.to_bytes(2)
    if not key:
        return bytes([fin << 7 | rsv1 << 6 | opcode]) + length + payload
    masked = bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))
    return bytes([fin << 7 | rsv1 << 6 | opcode]) + length + key + masked


def deflated(payload: bytes, flush: int = zlib.Z_SYNC_FLUSH) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, -9)
    return (stream.compress(payload) + stream.flush(flush)).removesuffix(b"\x00\x00\xff\xff")


HEAD = {
    "opening": REQUEST + b"\r\n",
    "opening-then-frames": REQUEST + b"\r\n" + frame(1, b"early") + frame(9, b"p") + frame(8),
    "opening-then-garbage": REQUEST + b"\r\n\xff\xff\xff",
    "deflate": REQUEST + DEFLATE + b'Sec-WebSocket-Extensions: x; a="b,c", permessage-deflate\r\n\r\n',
    "subprotocols": REQUEST + b"Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: a, b\r\n\r\n",
    "absolute-form": REQUEST.replace(b"/chat", b"http://h/caf%c3%a9%ff") + b"Origin: http://h\r\n\r\n",
    "bare-line-feeds": REQUEST.replace(b"\r\n", b"\n") + b"\n",
    "plain-get": b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    "post": REQUEST.replace(b"GET", b"POST") + b"Content-Length: 3\r\n\r\nabc",
    "http-1.0": REQUEST.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n",
    "version-8": REQUEST.replace(b"13", b"8") + b"\r\n",
    "chunked": REQUEST + b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n",
    "folded": REQUEST + b"X-Name: a\r\n b\r\n\r\n",
    "many-headers": REQUEST + b"a:b\r\n" * 13 + b"\r\n",
    "large": REQUEST + b"Cookie: " + b"c" * 600 + b"\r\n\r\n",
    "long-request-line": b"GET /" + b"a b" * 200 + b" HTTP/1.1\r\n\r\n",
    "tls-hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\n\n",
}
FRAMES = {
    "n.text": frame(1, "häl€𝄞".encode(), key=b"\x01\x02\x03\x04"),
    "n.fragments-around-ping": frame(1, b"h\xc3", fin=False) + frame(9, b"p") + frame(0, b"\xa4") + frame(10, b"late"),
    "n.empty-kinds": frame(1) + frame(2) + frame(1, fin=False) + frame(0, fin=False) + frame(0) + frame(9),
    "n.messages-then-close": frame(1, b"a") + frame(2, b"b") + frame(8, b"\x03\xe8bye") + frame(1, b"late"),
    "n.empty-close": frame(8),
    "n.close-of-one-byte": frame(8, b"\x03"),
    "n.close-1014": frame(8, b"\x03\xf6"),
    "n.bad-utf-8": frame(1, b"\xed\xa0", fin=False) + frame(0, b"\x80"),
    "n.unmasked": b"\x81\x02hi",
    "n.too-big": b"\x82\xfe\x03\xe9" + bytes(4),
    "n.exactly-the-limit": frame(2, b"x" * 1000),
    "n.too-many-fragments": frame(2, b"x", fin=False) + frame(0, b"x", fin=False) * 8,
    "n.large-length": b"\x82\xff\x80" + bytes(7) + bytes(4),
    "s.slow-application": frame(2, b"y" * 100) * 12 + frame(9, b"p") + frame(8, b"\x0f\xa0"),
    "c.compressed": frame(1, deflated(b"hello hello"), rsv1=True) + frame(1, b"plain"),
    "c.compressed-fragments": frame(2, deflated(b"ab" * 99)[:3], fin=False, rsv1=True)
    + frame(9, b"p")
    + frame(0, deflated(b"ab" * 99)[3:]),
    "c.last-block": frame(1, deflated(b"end", zlib.Z_FINISH), rsv1=True) + frame(1, deflated(b"next"), rsv1=True),
    "c.bomb": frame(2, deflated(bytes(5000)), rsv1=True),
    "c.corrupt": frame(2, b"\xff\xff\xff", rsv1=True),
    "c.empty": frame(1, b"\x00", rsv1=True) + frame(1, b"", rsv1=True) + frame(8),
}


def served(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv1: bool = False) -> bytes:
    return frame(opcode, payload, fin=fin, rsv1=rsv1, key=b"")


OPENED = RESPONSE + b"\r\n"
CLIENT = {
    "opening": OPENED,
    "messages": OPENED + served(1, "häl€𝄞".encode()) + served(2, b"x" * 300) + served(9, b"p") + served(1),
    "fragments": OPENED + served(1, b"h\xc3", fin=False) + served(9, b"p") + served(0, b"\xa4") + served(10, b"late"),
    "close": OPENED + served(1, b"a") + served(8, b"\x03\xe8bye") + served(1, b"late"),
    "masked": OPENED + served(1, b"a") + frame(1, b"b"),
    "too-big": OPENED + b"\x82\x7e\x03\xe9",
    "bad-utf-8": OPENED + served(1, b"\xed\xa0", fin=False) + served(0, b"\x80"),
    "slow-application": OPENED + served(2, b"y" * 900) * 9 + served(8, b"\x0f\xa0"),
    "compressed": RESPONSE + DEFLATED + b"\r\n" + served(1, deflated(b"hello hello"), rsv1=True) + served(8),
    "bomb": RESPONSE + DEFLATED + b"\r\n" + served(2, deflated(bytes(5000)), rsv1=True),
    "subprotocol": RESPONSE + b"Sec-WebSocket-Protocol: chat\r\n\r\n",
    "subprotocol-not-offered": RESPONSE + b"Sec-WebSocket-Protocol: other\r\n\r\n",
    "extension-not-offered": RESPONSE + b"Sec-WebSocket-Extensions: x-foo\r\n\r\n",
    "hints": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 3 + OPENED,
    "wrong-accept": OPENED.replace(b"ICX", b"icx"),
    "body-in-101": RESPONSE + b"Content-Length: 5\r\n\r\nhello",
    "refused": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno\n more",
    "refused-in-chunks": b"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nno\r\n0\r\nX: y\r\n\r\n",
    "refused-until-the-end": b"HTTP/1.0 500 Oh\r\n\r\n" + b"oh " * 300,
    "redirected": b"HTTP/1.1 302 Found\r\nLocation: //h2/x\r\nContent-Length: 0\r\n\r\n",
    "tls-alert": b"\x15\x03\x01\x00\x02\x02\x28",
    "bare-line-feeds": OPENED.replace(b"\r\n", b"\n"),
}


def script(*steps: str) -> bytes:
    """Write steps as the target reads them: `peer` and `app` with an index, the others by name."""
    told = {"eof": 0, "lost": 1, "returned": 2, "raised": 3, "shutdown": 4, "full": 5, "early": 6, "later": 77}
    written = b""
    for step in steps:
        what, _, how = step.partition(" ")
        match what:
            case "peer":
                written += bytes([0, int(how)])
            case "app":
                written += bytes([3, int(how)])
            case "take":
                written += b"\x05\x00"
            case "clock":
                written += bytes([7, int(how or 1)])
            case _:
                written += bytes([6, told[what]])
    return written


OPEN = ("peer 0", "take", "app 0")
CONNECTION = {
    "conversation": script(*OPEN, "peer 6", "take", "app 5", "peer 14", "take"),
    "compressed": script("peer 1", "app 0", "peer 10", "take", "app 6", "app 13", "peer 14", "eof", "clock"),
    "early-data": script("peer 0", "peer 18", "app 2", "take", "app 5", "take", "take"),
    "denial": script("peer 0", "app 18", "app 24", "app 25", "app 23", "clock"),
    "denial-length": script("peer 0", "app 19", "app 24", "app 23", "app 26", "returned"),
    "denial-overdue": script("peer 0", "app 18", "app 24", "clock", "take", "app 23"),
    "refused-messages": script("peer 2", *(f"app {n}" for n in (1, 3, 4, 7, 14, 21, 28, 31)), "raised"),
    "every-message-open": script(*OPEN, *(f"app {n}" for n in range(len(MESSAGES)))),
    "keepalive": script(*OPEN, "clock", "peer 12", "clock 0", "clock", "clock", "clock 9"),
    "slow-application": script(*OPEN, *["peer 7"] * 3, "peer 14", "clock", "take", "app 5", "take", "take"),
    "both-close": script(*OPEN, "app 12", "peer 18", "eof", "clock"),
    "end-of-stream": script(*OPEN, "peer 6", "eof", "take", "take", "app 5"),
    "lost": script(*OPEN, "peer 6", "lost", "lost", "eof", "take", "take"),
    "shutdown": script(*OPEN, "shutdown", "app 5", "peer 14", "later", "raised"),
    "shutdown-early": script("peer 3", "shutdown", "peer 4", "clock"),
    "full": script("full", "peer 0", "eof"),
    "overdue": script("peer 3", "clock 0", "clock", "peer 4", "clock"),
    "every-read": script(*OPEN, *(f"peer {n}" for n in range(6, len(BYTES))), "returned"),
}


def main() -> None:
    seeds = {f"head/{name}": CUTS + sent for name, sent in HEAD.items()}
    seeds |= {f"plain/{name}": sent for name, sent in HEAD.items()}
    for name, sent in FRAMES.items():
        compressed, _, _ = name.partition(".")
        kind = b"cf" if compressed == "c" else b"n" + compressed.encode()
        seeds[f"frames/{name.partition('.')[2]}"] = kind + CUTS + sent
    for name, sent in CLIENT.items():
        seeds[f"client/{name}"] = (b"c" if name == "slow-application" else b"n") + CUTS + sent
    seeds |= {f"connection/{name}": steps for name, steps in CONNECTION.items()}
    for name, seed in seeds.items():
        path = CORPUS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(seed)


if __name__ == "__main__":
    main()
