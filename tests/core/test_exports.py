"""The public surface."""

import importlib.metadata
import inspect
import subprocess
import sys
from typing import Any

import pytest

import wscore

PUBLIC = [
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
    "Opcode",
    "LogEntry",
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
    "URI",
    "admission",
    "caused_by_disconnect",
    "failure_log_entry",
    "is_resource_exhaustion",
    "parse_uri",
    "send_nowait_extension",
    "tls_extension",
]

# The interface that ServerConnection is: a name that comes or goes is a change for everyone who embeds the core.
CONNECTION = [
    "access_records",
    "application_raised",
    "application_returned",
    "begin_shutdown",
    "check_delivery",
    "check_receive",
    "close_info",
    "closing",
    "config",
    "connection_lost",
    "data_to_send",
    "forget_scope",
    "from_request",
    "generation",
    "handle_timeout",
    "has_message",
    "needs_room",
    "next_message",
    "next_timeout",
    "output_full",
    "output_size",
    "receive_data",
    "receive_eof",
    "reject",
    "report_unsent",
    "response",
    "scope",
    "secured",
    "send",
    "send_nowait",
    "state",
    "stats",
    "wants_read",
    "work_pending",
]

# Likewise ClientConnection's.
CLIENT_CONNECTION = [
    "abandon_message",
    "check_delivery",
    "check_open",
    "check_pong",
    "check_receive",
    "close",
    "close_info",
    "closing",
    "config",
    "connection_lost",
    "data_to_send",
    "generation",
    "handle_timeout",
    "has_message",
    "next_message",
    "next_timeout",
    "opened",
    "output_full",
    "output_size",
    "ping",
    "pongs_received",
    "receive_data",
    "receive_eof",
    "report_unsent",
    "response",
    "send",
    "send_fragment",
    "state",
    "stats",
    "subprotocol",
    "uri",
    "wants_read",
    "work_pending",
]

# What importing the core must not bring, neither directly nor through others.
IMPURE = {"asyncio", "trio", "anyio", "socket", "_socket", "ssl", "_ssl", "threading", "random"}


def test_the_public_names():
    """`wscore` publishes exactly these names, and no other without an underscore but its modules."""
    assert sorted(wscore.__all__) == sorted(PUBLIC)
    others = {name for name in vars(wscore) if not name.startswith("_")} - set(PUBLIC)
    assert all(inspect.ismodule(getattr(wscore, name)) for name in others)


def test_the_connections_names():
    """ServerConnection has exactly these public attributes."""
    connection = wscore.ServerConnection(wscore.Config(), now=0)
    assert [name for name in dir(connection) if not name.startswith("_")] == CONNECTION


def test_the_client_connections_names():
    """ClientConnection has exactly these public attributes."""
    connection = wscore.ClientConnection("ws://h", wscore.Config(), now=0, random=bytes)
    assert [name for name in dir(connection) if not name.startswith("_")] == CLIENT_CONNECTION


def documented(name: str, thing: Any) -> list[str]:
    """The names in `thing`, itself included, that have no docstring of their own."""
    missing = [] if (thing.__doc__ or "").strip() else [name]
    if inspect.isclass(thing) and thing.__module__.startswith("wscore"):
        for attribute, value in vars(thing).items():
            function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
            written_here = inspect.isfunction(function) and getattr(function, "__module__", "").startswith("wscore")
            if not attribute.startswith("_") and written_here and not (function.__doc__ or "").strip():
                missing.append(f"{name}.{attribute}")
    return missing


ALIASES = {"Application", "Headers", "LifespanMode", "ReceivedMessage"}  # of types: they cannot carry one


@pytest.mark.parametrize("name", [name for name in PUBLIC if name not in ALIASES])
def test_everything_public_has_a_docstring(name: str):
    """Each public class and function, and each public method, says what it is."""
    missing = documented(name, getattr(wscore, name))
    if name == "TLSObject":  # a protocol: its methods are Python's, and Python's to explain
        missing = [each for each in missing if "." not in each]
    assert missing == []


def test_importing_the_core_brings_no_io():
    """The core is pure: a program that imports it has no event loop, no socket, no thread and no randomness."""
    program = (
        f"import sys; before = set(sys.modules); import wscore; print(*({IMPURE!r} & (set(sys.modules) - before)))"
    )
    # Without `site`: what an environment loads at its start is not ours.
    paths = [path for path in sys.path if path]
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:] = {paths!r}; {program}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == ""


def test_the_version_is_that_of_the_installed_package():
    """`wscore.__version__` is looked up on demand; no other name that is missing is."""
    assert wscore.__version__ == importlib.metadata.version("wscore")
    with pytest.raises(AttributeError, match=r"module 'wscore' has no attribute '__versoin__'"):
        wscore.__versoin__  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "module",
    [
        *("wscore", "wscore.app", "wscore.recording", "wscore.testing", "wscore_asyncio", "wscore_trio"),
        *(f"wscore.testing.{name}" for name in ("frames", "handshakes", "machine", "memory", "pair", "strategies")),
    ],
)
def test_public_names_show_where_they_are_imported_from(module: str):
    """A traceback says `wscore.ConnectionClosed`, wherever its class is written."""
    public = importlib.import_module(module)
    things = [getattr(public, name) for name in public.__all__]
    ours = [thing for thing in things if inspect.isclass(thing) or inspect.isfunction(thing)]
    assert ours
    elsewhere = {thing.__module__ for thing in ours} - {module}
    assert elsewhere <= ({"wscore.app", "wscore.testing.network"} if module == "wscore.testing" else {"typing"})
