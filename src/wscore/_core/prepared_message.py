"""A message for many connections, encoded once per encoding instead of once per connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from .config import Config
from .frames.codec import FrameCodec
from .frames.deflate import DeflateParameters
from .outgoing import payload_size

__all__ = ["Encoding", "PreparedMessage", "encoding", "send_nowait_extension"]

Encoding = tuple[int, ...]
"""The settings that determine a message's bytes on the wire."""


def encoding(config: Config, deflate: DeflateParameters | None) -> Encoding | None:
    """Return how a server's connection encodes messages; None if that depends on earlier messages."""
    if deflate is None:
        return ()
    if not deflate.server_no_context_takeover:
        return None
    settings = (config.compression_level, config.compression_mem_level, config.compression_min_size)
    return (deflate.server_window_bits, *settings)


class PreparedMessage:
    """A text or binary message for `ServerConnection.send_nowait` of any number of connections.

    Its frame is encoded lazily and cached: once for all connections without compression, and once per compression
    setting for those that compress each message independently. A connection with context takeover (RFC 7692 7.1.1)
    encodes it individually, and nothing is cached.
    """

    __slots__ = ("_frames", "payload", "size")

    def __init__(self, payload: str | bytes) -> None:
        """Keep the payload.

        Args:
            payload: `str` for a text message, `bytes` for a binary one.

        Raises:
            UnicodeEncodeError: The text holds a lone surrogate.
        """
        self.payload = payload
        self.size = payload_size(payload)
        """Payload size in bytes, before compression."""
        self._frames: dict[Encoding, bytes] = {}

    def frame(self, codec: FrameCodec, encoding: Encoding | None) -> bytes:
        """Return the frame that `codec` writes for this message, from the cache if `encoding` allows."""
        frame = None if encoding is None else self._frames.get(encoding)
        if frame is None:
            frame = codec.text(self.payload) if isinstance(self.payload, str) else codec.binary(self.payload)
            if encoding is not None:
                self._frames[encoding] = frame
        return frame


def send_nowait_extension(
    post: Callable[[PreparedMessage], bool], send: Callable[[Any], Awaitable[None]]
) -> dict[str, dict[str, Any]]:
    """Return the `wscore.send_nowait` entry for `scope["extensions"]`: the transport's way to send without waiting.

    Args:
        post: Writes a prepared message at once; False if there is no room for it.
        send: The `send` that the transport passes to the application. If the application received a different `send`,
            a middleware wraps it and must see every message: then `post` must not bypass it.

    Returns:
        A dict to merge into `scope["extensions"]`.
    """
    return {"wscore.send_nowait": {"send_nowait": post, "send": send}}
