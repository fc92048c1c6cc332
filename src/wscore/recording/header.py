"""A recording's first line: which end it is, with what it was made, and what the recording keeps.

From it a replay makes the same connection again, recorded in its turn: what differs then is in the lines.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, Final

from .._core.asgi.messages import Peer
from .._core.config import Config
from .._core.http.uri import URI
from .arguments import ClientArguments, ServerArguments
from .client import RecordedClientConnection
from .journal import Journal
from .payloads import PayloadPolicy
from .redaction import Redaction
from .server import RecordedServerConnection
from .tape import Line, Tape

__all__ = ["FORMAT", "Medium", "begin_client", "begin_server", "recorded_again"]

FORMAT: Final = 1
"""The version of the format that is written; older ones can be read."""
_FIELDS: Final = [field.name for field in dataclasses.fields(Config)]


@dataclasses.dataclass(frozen=True, slots=True)
class Medium:
    """Where a recording goes, what it keeps, and what its first line says of its origin."""

    journal: Journal
    policy: PayloadPolicy
    redaction: Redaction
    about: Line


def begin_server(medium: Medium, config: Config, arguments: ServerArguments) -> RecordedServerConnection:
    """Make a recorded connection."""
    now, random, peer = arguments["now"], arguments["random"], arguments["peer"]
    tape = Tape(medium.journal, medium.policy, medium.redaction, server=True, now=now, random=random)
    connection = RecordedServerConnection(tape, config, arguments)
    options = {
        "peer": {"client": peer.client, "server": peer.server, "tls": peer.tls},
        "access_log": arguments["access_log"],
        "half_close": arguments["half_close"],
        "random": random is not None,
        "root_path": arguments["root_path"],
    }
    tape.begin(_header("server", medium, config, now, options))
    return connection


def begin_client(medium: Medium, uri: URI, config: Config, arguments: ClientArguments) -> RecordedClientConnection:
    """Make a recorded connection. Raises as `ClientConnection`."""
    now, redaction = arguments["now"], medium.redaction
    tape = Tape(medium.journal, medium.policy, redaction, server=False, now=now, random=arguments["random"])
    headers = list(_pairs(arguments["headers"]))  # an iterator is read only once
    connection = RecordedClientConnection(tape, uri, config, {**arguments, "headers": headers})
    hidden = redaction.uri(uri)
    options: Line = {
        "uri": {**hidden._asdict(), "authorization": hidden.authorization and hidden.authorization.decode("latin-1")},
        "subprotocols": [redaction.subprotocol(name) for name in arguments["subprotocols"]],
        "headers": tape.headers((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers),
        "origin": arguments["origin"],
        "half_close": arguments["half_close"],
    }
    tape.begin(_header("client", medium, config, now, options))
    return connection


def _pairs(headers: Any) -> Iterable[tuple[str, str]]:
    """Return headers as pairs, which a mapping has as its items."""
    pairs: Iterable[tuple[str, str]] = headers.items() if hasattr(headers, "items") else headers
    return pairs


def _header(end: str, medium: Medium, config: Config, now: float, options: Line) -> Line:
    policy = medium.policy
    return {
        "wscore_recording": FORMAT,
        "end": end,
        **medium.about,
        "zlib": zlib.ZLIB_RUNTIME_VERSION,
        "began": float(now),
        "payloads": policy.payloads,
        "keep": policy.keep,
        "redacted": medium.redaction.on,
        "config": {name: getattr(config, name) for name in _FIELDS},
        "options": options,
    }


def recorded_again(
    header: Line, journal: Journal, random: Callable[[int], bytes]
) -> RecordedServerConnection | RecordedClientConnection:
    """Make the connection of a recording again, recorded into `journal`.

    Raises:
        KeyError, TypeError, ValueError: The first line lacks something, or has what it cannot have.
    """
    options = header["options"]
    policy = PayloadPolicy(header["payloads"], keep=int(header["keep"]), key=b"")
    medium = Medium(journal, policy, Redaction(on=bool(header["redacted"])), {})
    config = Config(**{name: _number(value) for name, value in header["config"].items()})
    now = _number(header["began"])
    if header["end"] == "server":
        peer = options["peer"]
        client, server = (None if peer[name] is None else tuple(peer[name]) for name in ("client", "server"))
        for_server: ServerArguments = {
            "peer": Peer(client, server, peer["tls"]),
            "now": now,
            "state": None,
            "access_log": options["access_log"],
            "half_close": options["half_close"],
            "random": random if options["random"] else None,
            "root_path": options["root_path"],
        }
        return begin_server(medium, config, for_server)
    uri = dict(options["uri"])
    if uri["authorization"] is not None:
        uri["authorization"] = uri["authorization"].encode("latin-1")
    for_client: ClientArguments = {
        "now": now,
        "random": random,
        "subprotocols": options["subprotocols"],
        "headers": [(name, value) for name, value in options["headers"]],
        "origin": options["origin"],
        "half_close": options["half_close"],
    }
    return begin_client(medium, URI(**uri), config, for_client)


def _number(value: Any) -> Any:
    """Return the value of a file, where every number with a point is a decimal fraction, as it was."""
    return float(value) if isinstance(value, Decimal) else value
