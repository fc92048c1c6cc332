"""The WebSocket half of an ASGI server, without I/O: bytes in, ASGI messages out, and back.

Start at `ServerConnection`; the life of a connection is a table, in `_core/lifecycle.py`. The map, where each folder
says what it may import:

    _core/           the core: no I/O, no clock, no randomness; all that is public of it is exported here
        lifecycle         the states, the triggers and what follows from them, as a table
        server, client    ServerConnection and ClientConnection: feed the table, perform its effects, own the outputs
        endpoint          what both ends do alike: messages, pings, the peer's end
        termination       every way in which a connection ends, and what each side is told
        close, closing    close codes and frames (RFC 6455 7.4); what a transport has to do at the end
        lane              messages for the application and bytes for the peer, bounded, and their way past the table
        prepared_message  a message for many connections, encoded once
        timers, keepalive what is being waited for, and until when; pings, and the pongs they await
        outgoing          checks of what an application sends
        grammar           HTTP's tokens and values
        config, errors    every limit and timeout; the exceptions
        access            statistics, and the lines of the access log
        admission, backoff, shutdown    machines of servers and clients: overload, retries, the end of a server
        loss              why a connection was lost, read off an exception
        driver/           what a transport owes a connection, all but the waiting
        frames/           the frame engines (RFC 6455 5), the C part, and permessage-deflate (RFC 7692)
        http/             both sides of the handshake, proxies and URIs; on h11
        asgi/             ASGI's types and messages, its lifespan and tls extension, failures of applications
    transport/       what transports share: sockets, TLS, listening, connecting; no event loop
    app/             the application's side: routing, injection, rooms
    compat/          the names of other frameworks
    recording/       connections that write down what happens to them, and replays of that
    testing/         clients for tests, a simulated network, strategies and state machines, the battery for transports
    conformance/     the suite for servers and clients in any language; it imports nothing of what it judges
    _cli/            the `wscore` command
    _logs            loggers that an application's logging configuration cannot disable
    _public          the module that public names show in tracebacks

The packages wscore_asyncio and wscore_trio do the waiting. Nothing that this module imports imports asyncio, trio,
anyio, socket, ssl, threading or random.
"""

import typing

from ._core.access import AccessRecord, Stats
from ._core.admission import Admission, admission, is_resource_exhaustion
from ._core.asgi.failures import LogEntry, failure_log_entry
from ._core.asgi.lifespan import Lifespan, LifespanMode, LifespanPhase
from ._core.asgi.messages import (
    Application,
    ConnectMessage,
    DisconnectMessage,
    Headers,
    Peer,
    ReceivedMessage,
    ReceiveMessage,
    Scope,
)
from ._core.asgi.tls_extension import TLSObject, tls_extension
from ._core.backoff import Backoff
from ._core.client import ClientConnection
from ._core.close import Close, CloseCode
from ._core.closing import Closing
from ._core.config import Config, InvalidConfig, ServerConfig
from ._core.driver.base import Driver
from ._core.driver.channel import Channel
from ._core.driver.client import ClientDriver
from ._core.driver.server import ServerDriver
from ._core.errors import (
    ClientDisconnected,
    ConnectionClosed,
    Disconnected,
    HandshakeFailed,
    HandshakeRefused,
    HandshakeTimeout,
    InvalidMessage,
    InvalidURI,
    LocalProtocolError,
    ProxyRefused,
    StartupFailed,
    caused_by_disconnect,
)
from ._core.frames.opcodes import Opcode
from ._core.http.server_handshake import Request, Response
from ._core.http.uri import URI, parse_uri
from ._core.lifecycle import State
from ._core.prepared_message import PreparedMessage, send_nowait_extension
from ._core.server import ServerConnection
from ._core.shutdown import Shutdown, ShutdownAction
from ._core.termination import CloseInfo
from ._public import set_public_module as _set_public_module

__all__ = [
    "URI",
    "AccessRecord",
    "Admission",
    "Application",
    "Backoff",
    "Channel",
    "ClientConnection",
    "ClientDisconnected",
    "ClientDriver",
    "Close",
    "CloseCode",
    "CloseInfo",
    "Closing",
    "Config",
    "ConnectMessage",
    "ConnectionClosed",
    "DisconnectMessage",
    "Disconnected",
    "Driver",
    "HandshakeFailed",
    "HandshakeRefused",
    "HandshakeTimeout",
    "Headers",
    "InvalidConfig",
    "InvalidMessage",
    "InvalidURI",
    "Lifespan",
    "LifespanMode",
    "LifespanPhase",
    "LocalProtocolError",
    "LogEntry",
    "Opcode",
    "Peer",
    "PreparedMessage",
    "ProxyRefused",
    "ReceiveMessage",
    "ReceivedMessage",
    "Request",
    "Response",
    "Scope",
    "ServerConfig",
    "ServerConnection",
    "ServerDriver",
    "Shutdown",
    "ShutdownAction",
    "StartupFailed",
    "State",
    "Stats",
    "TLSObject",
    "admission",
    "caused_by_disconnect",
    "failure_log_entry",
    "is_resource_exhaustion",
    "parse_uri",
    "send_nowait_extension",
    "tls_extension",
]

_set_public_module(__name__, [globals()[name] for name in __all__])

__version__: str

if not typing.TYPE_CHECKING:  # a type checker would take every misspelt name for one that is looked up

    def __getattr__(name: str) -> str:
        """Look `__version__` up on demand: what `import wscore` loads does not include importlib.metadata."""
        if name == "__version__":
            from importlib.metadata import version

            return version("wscore")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
