"""Daphne with Django Channels and one group for all, through the channel layer and the Redis of the command line.

A connection to `/control` that says anything sends the payload to the group; all other connections are members.
"""

from __future__ import annotations

import sys
from typing import Any

import django
from django.conf import settings

LAYERS = {"core": "channels_redis.core.RedisChannelLayer", "pubsub": "channels_redis.pubsub.RedisPubSubChannelLayer"}

settings.configure(
    CHANNEL_LAYERS={"default": {"BACKEND": LAYERS[sys.argv[2]], "CONFIG": {"hosts": [sys.argv[3]]}}},
    LOGGING_CONFIG=None,
)
django.setup()

from channels.generic.websocket import AsyncWebsocketConsumer
from daphne.server import Server

from bench.servers.payload import PAYLOAD


class Consumer(AsyncWebsocketConsumer):
    """A member, or the one who commands."""

    async def connect(self) -> None:
        if self.scope["path"] != "/control":
            await self.channel_layer.group_add("all", self.channel_name)
        await self.accept()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        await self.channel_layer.group_send("all", {"type": "said", "text": PAYLOAD})

    async def said(self, event: dict[str, Any]) -> None:
        await self.send(event["text"])

    async def disconnect(self, code: int) -> None:
        if self.scope["path"] != "/control":
            await self.channel_layer.group_discard("all", self.channel_name)


if __name__ == "__main__":
    Server(Consumer.as_asgi(), endpoints=[f"tcp:port={sys.argv[1]}:interface=127.0.0.1"], signal_handlers=False).run()
