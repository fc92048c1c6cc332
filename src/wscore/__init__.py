"""The WebSocket half of an ASGI server, without I/O: bytes in, ASGI messages out, and back.

`ServerConnection` is where to start; `_lifecycle` is where a connection's life is written down. The map:

    _lifecycle    the states, the triggers and what follows from them, as a table
    _server       ServerConnection: feeds the table, performs its effects, owns the outputs
    _client       ClientConnection: the other end, with a table of its own
    _closing      what a transport has to do at the end
    _driver       what a transport owes a connection, all but the waiting; _server_driver, _client_driver: of each end
    _channel      what may lie between socket and connection: TLS, a proxy
    _endpoint     what both ends do alike: messages, pings, the peer's end
    _ends         every way in which a connection ends, and what each side is told
    _losses       why a connection was lost, read off an exception
    _handshake    request heads, refusals, the 101 and denials; on h11
    _client_handshake   requests, and the responses to them; on h11
    _uri          ws:// and wss:// URIs
    _proxy        the way through an HTTP proxy
    _backoff      how long to wait before connecting again
    _frames       the seam between connection and frame engine, and the engine on wsproto
    _deflate      permessage-deflate: negotiation and bounded inflating
    _inbox        messages for the application, bounded
    _output       bytes for the peer, gathered
    _prepared     a message for many connections, encoded once
    _timers       what is being waited for, and until when
    _keepalive    pings, and the pongs they await
    _access       what is told of a connection: counts, and lines in the access log
    _asgi         ASGI's types; an application's messages checked
    _config       every limit and timeout
    _close        close codes
    _lifespan     ASGI lifespan, a machine of its own
    _shutdown     when a server's end is over, another
    _failures     what is told of an application that failed
    _tls          ASGI's tls extension
    _admission    whether one more connection is served
    _errors       the exceptions
    cli           the `wscore` command

Beside the core, each loaded by who asks for it. What knows sockets, TLS or the log, and no event loop: `connecting`
(with `_tunnel` and `_proxy_environment`), `client`, `listening` (with `_claim`), `serving` (with `_interface`,
`_lifespan_task` and `_waiting`), `sockets`, `tls`, `logs`, `memory`. What is for people: `app`, the application's side;
`compat`, the names of other frameworks; `testing`, clients for tests.

Nothing that this module imports imports asyncio, trio, anyio, socket, ssl, threading or random.
"""

from ._core.access import Stats
from ._core.admission import Admission, admission, out_of_resources
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
from ._core.backoff import Backoff
from ._core.driver.channel import Channel
from ._core.client import ClientConnection
from ._core.driver.client import ClientDriver
from ._core.close import Close
from ._core.closing import Closing
from ._core.config import Config
from ._core.driver.base import Driver
from ._core.termination import CloseInfo
from ._core.errors import (
    ClientDisconnected,
    ConnectionClosed,
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
from ._core.asgi.failures import Report, why_logged
from ._core.http.server_handshake import Request, Response
from ._core.lifecycle import State
from ._core.asgi.lifespan import Lifespan, LifespanMode, LifespanPhase
from ._core.prepared_message import Prepared, post_extension
from ._core.server import ServerConnection
from ._core.driver.server import ServerDriver
from ._core.shutdown import Shutdown, ShutdownAct
from ._core.asgi.tls_extension import TLSObject, tls_extension
from ._core.http.uri import URI, parse_uri

__all__ = [
    "URI",
    "Admission",
    "Application",
    "Backoff",
    "Channel",
    "ClientConnection",
    "ClientDisconnected",
    "ClientDriver",
    "Close",
    "CloseInfo",
    "Closing",
    "Config",
    "ConnectMessage",
    "ConnectionClosed",
    "DisconnectMessage",
    "Driver",
    "HandshakeFailed",
    "HandshakeRefused",
    "HandshakeTimeout",
    "Headers",
    "InvalidMessage",
    "InvalidURI",
    "Lifespan",
    "LifespanMode",
    "LifespanPhase",
    "LocalProtocolError",
    "Peer",
    "Prepared",
    "ProxyRefused",
    "ReceiveMessage",
    "ReceivedMessage",
    "Report",
    "Request",
    "Response",
    "Scope",
    "ServerConnection",
    "ServerDriver",
    "Shutdown",
    "ShutdownAct",
    "StartupFailed",
    "State",
    "Stats",
    "TLSObject",
    "admission",
    "caused_by_disconnect",
    "out_of_resources",
    "parse_uri",
    "post_extension",
    "tls_extension",
    "why_logged",
]
