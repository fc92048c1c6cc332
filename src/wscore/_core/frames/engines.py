"""Chooses the frame engine that a configuration asks for. wsproto is imported only then."""

from __future__ import annotations

from collections.abc import Callable

from ..config import Config
from .codec import ClientFrameCodec, FrameCodec
from .deflate import DeflateParameters
from .native import NativeCodec
from .native_client import NativeClientCodec

__all__ = ["client_codec", "server_codec"]


def server_codec(config: Config, deflate: DeflateParameters | None) -> FrameCodec:
    """Return a codec for the server's end of a connection."""
    if config.engine == "native":
        return NativeCodec(config, deflate)
    from .wsproto import WsprotoCodec

    return WsprotoCodec(config, deflate)


def client_codec(config: Config, deflate: DeflateParameters | None, key: Callable[[], bytes]) -> ClientFrameCodec:
    """Return a codec for the client's end; `key` makes masking keys of four random bytes."""
    if config.engine == "native":
        return NativeClientCodec(config, deflate, key)
    from .wsproto import WsprotoCodec

    return WsprotoCodec(config, deflate, key)
