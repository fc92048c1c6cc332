"""Which option of `wscore run` sets which field of the configuration."""

from __future__ import annotations

import argparse
from typing import Final

from ... import InvalidConfig, ServerConfig
from ..failure import WRONG_USAGE, Failure

__all__ = ["CONFIG_OPTIONS", "config_from"]

CONFIG_OPTIONS: Final = {
    "--root-path": "root_path",
    "--limit-concurrency": "max_connections",
    "--ws-max-size": "max_message_size",
    "--ws-max-queue": "max_queue",
    "--ws-ping-interval": "ping_interval",
    "--ws-ping-timeout": "ping_timeout",
    "--ws-close-timeout": "close_timeout",
    "--ws-per-message-deflate": "compression",
    "--handshake-timeout": "handshake_timeout",
    "--accept-timeout": "accept_timeout",
    "--timeout-graceful-shutdown": "shutdown_grace",
}


def config_from(options: argparse.Namespace) -> ServerConfig:
    """Make the configuration. Raises Failure, which names the option."""
    try:
        return ServerConfig(**{field: getattr(options, field) for field in CONFIG_OPTIONS.values()})
    except InvalidConfig as error:
        option = next(option for option, field in CONFIG_OPTIONS.items() if field == error.field)
        raise Failure(f"{option} {error.value}: expected {error.expected}", status=WRONG_USAGE) from None
