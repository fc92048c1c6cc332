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

from ._access import Stats
from ._admission import Admission, admission, out_of_resources
from ._asgi import (
    Application,
    ConnectMessage,
    DisconnectMessage,
    Headers,
    Peer,
    ReceivedMessage,
    ReceiveMessage,
    Scope,
)
from ._backoff import Backoff
from ._channel import Channel
from ._client import ClientConnection
from ._client_driver import ClientDriver
from ._close import Close
from ._closing import Closing
from ._config import Config
from ._driver import Driver
from ._ends import CloseInfo
from ._errors import (
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
from ._failures import Report, why_logged
from ._handshake import Request, Response
from ._lifecycle import State
from ._lifespan import Lifespan, LifespanMode, LifespanPhase
from ._prepared import Prepared, post_extension
from ._server import ServerConnection
from ._server_driver import ServerDriver
from ._shutdown import Shutdown, ShutdownAct
from ._tls import TLSObject, tls_extension
from ._uri import URI, parse_uri

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
