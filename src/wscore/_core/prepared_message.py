"""A message for many connections, encoded once for all of those that write it alike."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from .config import Config
from .frames.codec import FrameCodec
from .frames.deflate import DeflateParameters
from .outgoing import payload_size

__all__ = ["Encoding", "PreparedMessage", "encoding", "send_nowait_extension"]

Encoding = tuple[int, ...]
"""What a message on the wire depends on, besides itself."""


def encoding(config: Config, deflate: DeflateParameters | None) -> Encoding | None:
    """Tell how a server's connection encodes messages; None where that depends on those before."""
    if deflate is None:
        return ()
    if not deflate.server_no_context_takeover:
        return None
    settings = (config.compression_level, config.compression_mem_level, config.compression_min_size)
    return (deflate.server_window_bits, *settings)


class PreparedMessage:
    """A text or a binary message, to be given to `ServerConnection.send_nowait` of any number of connections.

    What it is on the wire is made when a connection first asks for it, and kept: once where connections do not
    compress, and once per setting where they compress each message for itself. A connection that compresses with what
    it sent before (context takeover, RFC 7692 7.1.1) encodes for itself, and nothing is kept.
    """

    __slots__ = ("_frames", "payload", "size")

    def __init__(self, payload: str | bytes) -> None:
        """Take the payload. UnicodeEncodeError for a text that UTF-8 cannot encode."""
        self.payload = payload
        self.size = payload_size(payload)
        """Bytes of payload, before compression."""
        self._frames: dict[Encoding, bytes] = {}

    def frame(self, codec: FrameCodec, encoding: Encoding | None) -> bytes:
        """Give the frame that `codec` writes for it, which encodes as `encoding` says."""
        frame = None if encoding is None else self._frames.get(encoding)
        if frame is None:
            frame = codec.text(self.payload) if isinstance(self.payload, str) else codec.binary(self.payload)
            if encoding is not None:
                self._frames[encoding] = frame
        return frame


def send_nowait_extension(
    post: Callable[[PreparedMessage], bool], send: Callable[[Any], Awaitable[None]]
) -> dict[str, dict[str, Any]]:
    """Give what a transport adds to `scope["extensions"]`: its way to send without waiting (`wscore.send_nowait`).

    `send` is the one that it gives to the application. Who was given another has a middleware before it that sees
    what is sent, and changes it perhaps, and would be passed by.
    """
    return {"wscore.send_nowait": {"send_nowait": post, "send": send}}
