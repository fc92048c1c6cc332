"""A recording's first line: which end it is, with what it was made, and what the recording keeps.

From it a replay makes the same connection again, recorded in its turn: what differs then is in the lines.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from .._core.asgi.messages import Peer
from .._core.client import ClientConnection
from .._core.config import Config
from .._core.http.uri import URI
from .._core.server import ServerConnection
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


def begin_server(
    medium: Medium,
    config: Config,
    *,
    peer: Peer,
    now: float,
    state: Mapping[str, Any] | None,
    access_log: bool,
    half_close: bool,
    random: Callable[[int], bytes] | None,
    root_path: str,
) -> ServerConnection:
    """Make a recorded connection; the other arguments are those of `ServerConnection`."""
    tape = Tape(medium.journal, medium.policy, medium.redaction, server=True, now=now, random=random)
    connection = RecordedServerConnection(
        tape,
        config,
        peer=peer,
        now=now,
        state=state,
        access_log=access_log,
        half_close=half_close,
        random=random,
        root_path=root_path,
    )
    options = {
        "peer": {"client": peer.client, "server": peer.server, "tls": peer.tls},
        "access_log": access_log,
        "half_close": half_close,
        "random": random is not None,
        "root_path": root_path,
    }
    tape.begin(_header("server", medium, config, now, options))
    return connection


def begin_client(
    medium: Medium,
    uri: URI,
    config: Config,
    *,
    now: float,
    random: Callable[[int], bytes],
    subprotocols: Sequence[str],
    headers: Mapping[str, str] | Iterable[tuple[str, str]],
    origin: str | None,
    half_close: bool,
) -> ClientConnection:
    """Make a recorded connection; the other arguments are those of `ClientConnection`, which says what it raises."""
    tape = Tape(medium.journal, medium.policy, medium.redaction, server=False, now=now, random=random)
    redaction = medium.redaction
    pairs = list(_pairs(headers))
    connection = RecordedClientConnection(
        tape, uri, config, now=now, subprotocols=subprotocols, headers=pairs, origin=origin, half_close=half_close
    )
    hidden = redaction.uri(uri)
    options: Line = {
        "uri": {**hidden._asdict(), "authorization": hidden.authorization and hidden.authorization.decode("latin-1")},
        "subprotocols": [redaction.subprotocol(name) for name in subprotocols],
        "headers": tape.headers((name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs),
        "origin": origin,
        "half_close": half_close,
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
    connection: ServerConnection | ClientConnection
    if header["end"] == "server":
        peer = options["peer"]
        client, server = (None if peer[name] is None else tuple(peer[name]) for name in ("client", "server"))
        connection = begin_server(
            medium,
            config,
            peer=Peer(client, server, peer["tls"]),
            now=now,
            state=None,
            access_log=options["access_log"],
            half_close=options["half_close"],
            random=random if options["random"] else None,
            root_path=options["root_path"],
        )
    else:
        uri = dict(options["uri"])
        if uri["authorization"] is not None:
            uri["authorization"] = uri["authorization"].encode("latin-1")
        connection = begin_client(
            medium,
            URI(**uri),
            config,
            now=now,
            random=random,
            subprotocols=options["subprotocols"],
            headers=[(name, value) for name, value in options["headers"]],
            origin=options["origin"],
            half_close=options["half_close"],
        )
    assert isinstance(connection, RecordedServerConnection | RecordedClientConnection)
    return connection


def _number(value: Any) -> Any:
    """Return the value of a file, where every number with a point is a decimal fraction, as it was."""
    return float(value) if isinstance(value, Decimal) else value
