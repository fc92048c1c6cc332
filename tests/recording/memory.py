"""A recorder that keeps its recordings in memory, for cores that a test drives by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wscore import ClientConnection, Config, Peer, ServerConnection, parse_uri
from wscore.recording import Payloads, Recording, Replay, replay
from wscore.recording.arguments import ClientArguments, ServerArguments
from wscore.recording.header import Medium, begin_client, begin_server
from wscore.recording.payloads import PayloadPolicy
from wscore.recording.reading import parse_recording
from wscore.recording.redaction import Redaction

__all__ = ["MemoryJournal", "MemoryRecorder"]


class MemoryJournal:
    """Keeps lines."""

    def __init__(self) -> None:
        self.open = True
        self.lines: list[str] = []

    def write(self, line: str, now: float) -> None:
        del now
        self.lines.append(line)

    def flush(self) -> None: ...

    def cut(self, reason: str) -> None:
        self.lines.append(f'{{"cut": "{reason}"}}')
        self.open = False


class MemoryRecorder:
    """Makes connections that record themselves into `journals`."""

    def __init__(self, payloads: Payloads = "whole", *, credentials: bool = False) -> None:
        self.payloads: Payloads = payloads
        self.credentials = credentials
        self.journals: list[MemoryJournal] = []
        self.connections: list[Any] = []

    def server(self, config: Config, *, now: float, **given: Any) -> ServerConnection:
        arguments: ServerArguments = {
            "peer": Peer(),
            "now": now,
            "state": None,
            "access_log": True,
            "half_close": True,
            "random": None,
            "root_path": "",
        }
        arguments.update(given)
        self.connections.append(begin_server(self._medium(), config, arguments))
        return self.connections[-1]

    def client(
        self, uri: Any, config: Config, *, now: float, random: Callable[[int], bytes], **given: Any
    ) -> ClientConnection:
        arguments: ClientArguments = {
            "now": now,
            "random": random,
            "subprotocols": (),
            "headers": (),
            "origin": None,
            "half_close": True,
        }
        arguments.update(given)
        uri = parse_uri(uri) if isinstance(uri, str) else uri
        self.connections.append(begin_client(self._medium(), uri, config, arguments))
        return self.connections[-1]

    def recording(self, number: int = 0) -> Recording:
        """Read a recording, as far as it has come."""
        self.connections[number].finish()
        return parse_recording("\n".join([*self.journals[number].lines, ""]), "memory")

    def replays(self) -> list[Replay]:
        """Replay every recording."""
        return [replay(self.recording(number)) for number in range(len(self.journals))]

    def _medium(self) -> Medium:
        self.journals.append(MemoryJournal())
        policy = PayloadPolicy(self.payloads, keep=4, key=b"test")
        return Medium(self.journals[-1], policy, Redaction(on=not self.credentials), {})
