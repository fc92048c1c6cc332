"""The `wscore` command: `run` serves an application, `connect` talks to a server, `demo` shows a conversation.

A transport is imported only when it is asked for. Whatever cannot be done is one line on stderr that says what to do.
Exit status: 0 the server ended as it was asked to, by a signal too; 1 it could not start or had to be ended by force;
2 the command line itself cannot work; 130 interrupted before there was a server.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

from .. import Config
from .failure import WRONG_USAGE, Failure
from .run.binding import BindAddress, ListeningSocket, inherited_socket, tls_context
from .run.loading import load
from .run.serving import ServerRunner
from .run.watchdog import Watchdog
from .supervisor.worker import InheritedSockets

if TYPE_CHECKING:
    import io
    import ssl

    from .supervisor.policy import SupervisorPolicy

__all__ = ["main", "serve"]

_MARGIN: Final = 2.0  # seconds that a worker gets beyond those in which it ends itself
_LOG_LEVELS: Final = {"critical": 50, "error": 40, "warning": 30, "info": 20, "debug": 10, "trace": 5}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with `arguments` (those of the process, unless given) and return the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(arguments)
    options.arguments = arguments  # a supervisor's workers get the same
    return _status(lambda: options.command(options))


def serve(app: Any, name: str, *, host: str = "127.0.0.1", port: int = 8000, backend: str = "asyncio") -> int:
    """Serve an application that is there already as `wscore run` does, and return the exit status.

    `name` is what the line that says the address calls it. It takes SIGINT and SIGTERM for the time.
    """
    options = _parser().parse_args(["run", name, "--host", host, "--port", str(port), "--backend", backend])
    return _status(lambda: _serve(app, options))


def _status(work: Callable[[], None]) -> int:
    try:
        work()
    except Failure as failure:
        print(f"wscore: {failure.text}", file=sys.stderr)
        return failure.status
    except KeyboardInterrupt:
        return 130
    return 0


# -- wscore run


def _run(options: argparse.Namespace) -> None:
    if options.worker is not None:
        _work(options)
    elif options.workers is not None or options.reload:
        _supervise(options)
    else:
        _serve(None, options)


def _serve(app: Any, options: argparse.Namespace) -> None:
    """Serve `app`, or with None what the options name, in this process."""
    config = _checked(options)
    if app is None:
        app = load(options.app, app_dir=options.app_dir, factory=options.factory)
    place = _place(options)

    def ready(sockets: Sequence[ListeningSocket], _: Callable[[], object]) -> None:
        _announce(options, place, sockets, options.backend)

    _service(app, options, config, place, ready).run()


def _supervise(options: argparse.Namespace) -> None:
    """Listen, and let processes of their own serve."""
    from .supervisor.reloader import Reloader
    from .supervisor.supervisor import Supervisor
    from .supervisor.watching import watch
    from .supervisor.worker_pool import WorkerPool

    if options.reload and options.workers is not None:
        raise Failure(
            "--reload and --workers exclude each other: --reload is for development and has one worker, which SIGHUP "
            "starts again too; with --workers, SIGHUP replaces them all",
            status=WRONG_USAGE,
        )
    config = _checked(options)
    place = _place(options)
    patience = Watchdog(config).seconds + _MARGIN
    plan: SupervisorPolicy
    if options.workers is None:
        plan, how = Reloader(patience=patience), "started again when the code changes"
    else:
        plan = WorkerPool(options.workers, patience=patience, now=time.monotonic())
        how = "1 worker" if options.workers == 1 else f"{options.workers} workers"
    listeners = place.listeners(config.backlog)
    try:
        supervisor = Supervisor(
            options.arguments,
            listeners.sockets,
            plan,
            announce=lambda: _announce(options, place, listeners.sockets, f"{options.backend}, {how}"),
        )
        if options.reload:
            watch(options.app_dir, supervisor.changed)
        supervisor.run()
    finally:
        listeners.close()


def _work(options: argparse.Namespace) -> None:
    """Serve what the options name on a supervisor's sockets, and tell it so, or why not."""
    from .supervisor.worker import ControlChannel

    line = ControlChannel(options.worker.line)
    try:
        config = _checked(options)
        app = load(options.app, app_dir=options.app_dir, factory=options.factory)
        place = BindAddress(sock=options.worker.listening_sockets(), ssl=_tls(options))
        _service(app, options, config, place, lambda _, stop_accepting: line.serves(stop_accepting)).run()
    except Failure as failure:
        line.failed(failure)  # which says it once, whatever the number of workers
        sys.exit(failure.status)


def _service(
    app: Any,
    options: argparse.Namespace,
    config: Config,
    place: BindAddress,
    ready: Callable[[Sequence[ListeningSocket], Callable[[], object]], None],
) -> ServerRunner:
    return ServerRunner(
        app=app,
        place=place,
        config=config,
        backend=options.backend,
        loop=options.loop,
        lifespan=options.lifespan,
        access_log=options.access_log,
        ready=ready,
        supervised=options.worker is not None,
    )


def _checked(options: argparse.Namespace) -> Config:
    """Refuse options that do not go together, set up the logging, and give the configuration."""
    config = _config(options)
    if options.loop == "uvloop" and options.backend == "trio":
        raise Failure(
            "--loop uvloop is an event loop for asyncio: leave it out, or use --backend asyncio", status=WRONG_USAGE
        )
    if options.ssl_keyfile is not None and options.ssl_certfile is None:
        raise Failure("--ssl-keyfile needs --ssl-certfile: the certificate the key belongs to", status=WRONG_USAGE)
    _set_up_logging(options.log_level, name_process=options.workers is not None or options.reload)
    return config


def _place(options: argparse.Namespace) -> BindAddress:
    return BindAddress(
        host=options.host,
        port=options.port,
        uds=options.uds,
        sock=None if options.fd is None else inherited_socket(options.fd),
        ssl=_tls(options),
    )


def _tls(options: argparse.Namespace) -> ssl.SSLContext | None:
    return None if options.ssl_certfile is None else tls_context(options.ssl_certfile, options.ssl_keyfile)


def _announce(options: argparse.Namespace, place: BindAddress, sockets: Sequence[ListeningSocket], how: str) -> None:
    # On stdout and not a log line: a script that asked for --port 0 reads it, whatever the log level.
    addresses = " and ".join(place.addresses(sockets))
    print(f"wscore serves {options.app} on {addresses} ({how}); Ctrl+C stops it", flush=True)


def _config(options: argparse.Namespace) -> Config:
    values: dict[str, Any] = {}
    for option, field in _CONFIG_OPTIONS.items():
        value = getattr(options, field)
        try:
            Config(**{field: value})
        except ValueError as error:
            expected = str(error).partition(": ")[2]
            raise Failure(f"{option} {value}: {expected}", status=WRONG_USAGE) from None
        values[field] = value
    return Config(**values)


def _set_up_logging(level: str, *, name_process: bool = False) -> None:
    """Set the root logger's level, and give it a handler on stderr where it has none.

    With `name_process` each line has the number of the process that wrote it.

    The root, so that the application's own loggers are seen as well: with only wscore's, as uvicorn has it, they are
    not, and the handler that Python falls back to shows warnings alone.
    """
    logging.addLevelName(_LOG_LEVELS["trace"], "TRACE")
    process = "[%(process)d] " if name_process else ""
    logging.basicConfig(format=f"%(asctime)s {process}%(levelname)s %(name)s: %(message)s")
    logging.getLogger().setLevel(_LOG_LEVELS[level])


# -- wscore connect


def _connect(options: argparse.Namespace) -> None:
    from .connect.session import ConnectCommand, tls_context

    headers: list[tuple[str, str]] = []
    for header in options.header:
        name, colon, value = header.partition(":")
        if not colon:
            raise Failure(f"--header {header!r}: expected 'Name: value'", status=WRONG_USAGE)
        headers.append((name.strip(), value.strip()))
    secure = options.uri.lower().startswith("wss:")
    if not secure and (options.insecure or options.cafile):
        raise Failure("--insecure and --cafile are for wss://", status=WRONG_USAGE)
    _set_up_logging("warning")
    with contextlib.suppress(AttributeError):  # something else than a file may stand in for it
        cast("io.TextIOWrapper", sys.stdout).reconfigure(errors="backslashreplace")  # a terminal may be ASCII
    try:
        config = Config(handshake_timeout=options.timeout)
    except ValueError as error:
        raise Failure(f"--timeout {options.timeout}: {str(error).partition(': ')[2]}", status=WRONG_USAGE) from None
    ConnectCommand(
        uri=options.uri,
        config=config,
        headers=headers,
        subprotocols=options.subprotocol,
        origin=options.origin,
        ssl=tls_context(options.cafile, insecure=options.insecure) if secure else None,
        proxy=options.proxy,
        unix_path=options.uds,
        wait=options.wait,
        raw=options.raw,
    ).run()


# -- wscore demo


def _demo(options: argparse.Namespace) -> None:
    from .demo.chat import chat
    from .demo.conversation import ConversationFailed, hold_conversation

    _set_up_logging("warning")
    with contextlib.suppress(AttributeError):  # something else than a file may stand in for it
        cast("io.TextIOWrapper", sys.stdout).reconfigure(errors="backslashreplace")  # a terminal may be ASCII
    place = BindAddress(port=options.port)

    def show(line: str) -> None:
        print(line, flush=True)

    def ready(sockets: Sequence[ListeningSocket], _: Callable[[], object]) -> None:
        show(
            f"The example chat is served on {place.addresses(sockets)[0]} ({options.backend}). Two clients talk in it:"
        )

    def beside(sockets: Sequence[ListeningSocket]) -> None:
        address = sockets[0].getsockname()[:2]
        try:
            hold_conversation(address, show)
        except ConversationFailed as error:
            raise Failure(f"the conversation failed: {error}") from error
        show("All of it was heard as it should be.")
        if options.keep:
            url = f"{place.addresses(sockets)[0]}/lobby?name=you"
            show("\nThe chat goes on; Ctrl+C stops it. Talk to it from a browser's console (twice, to hear yourself):")
            show(f"  s = new WebSocket({url!r}); s.onmessage = e => console.log(e.data)")
            show("  s.send('hello')")

    ServerRunner(
        app=chat,
        place=place,
        config=Config(shutdown_grace=1.0, close_timeout=2.0),
        backend=options.backend,
        lifespan="off",
        access_log=False,
        ready=ready,
        beside=beside,
        keep=options.keep,
    ).run()


# -- the command line


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say it in one line: argparse puts the usage before it, twenty lines for `run`."""
        self.exit(WRONG_USAGE, f"{self.prog}: {message} ({self.prog} --help explains)\n")


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Tells the defaults that say something: numbers and names, and no None, no empty list, no flag that is off."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        switch = isinstance(action, argparse.BooleanOptionalAction)
        if action.default in (None, "", []) or (isinstance(action.default, bool) and not switch):
            return action.help
        return super()._get_help_string(action)


class _Version(argparse.Action):
    """`--version`, which looks the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib.metadata import PackageNotFoundError, version

        try:
            found = version("wscore")
        except PackageNotFoundError:
            found = "(a source folder that is not installed)"
        print(f"wscore {found}")
        parser.exit()


_CONFIG_OPTIONS: Final = {
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


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="wscore", description="A WebSocket server for ASGI applications.", allow_abbrev=False)
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_run(commands)
    _add_connect(commands)
    _add_demo(commands)
    return parser


def _add_run(commands: Any) -> None:
    run = commands.add_parser(
        "run",
        help="serve an ASGI application",
        description="Serve an ASGI application. The options have uvicorn's names where it has them.",
        formatter_class=_Help,
        allow_abbrev=False,
    )
    run.set_defaults(command=_run, workers=None)
    run.add_argument("app", metavar="MODULE:APP", help="the module to import, and the application in it")
    run.add_argument("--backend", choices=("asyncio", "trio"), default="asyncio", help="what the server runs on")
    run.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio", help="the event loop of asyncio")
    run.add_argument("--app-dir", default=".", metavar="PATH", help="the folder put first where modules are looked for")
    run.add_argument("--factory", action="store_true", help="APP is a function that returns the application")
    processes = run.add_argument_group("processes", "Without either, this process serves.")
    processes.add_argument(
        "--workers",
        type=_workers,
        default=argparse.SUPPRESS,
        metavar="N",
        help="serve in N processes, behind one that watches them; SIGHUP replaces them without refusing a connection",
    )
    processes.add_argument(
        "--reload", action="store_true", help="for development: start again when Python files below --app-dir change"
    )
    processes.add_argument("--worker", type=InheritedSockets.parse, help=argparse.SUPPRESS)  # what a supervisor adds

    run.add_argument("--lifespan", choices=("auto", "on", "off"), default="auto", help="ASGI lifespan")

    where = run.add_argument_group("where to listen")
    where.add_argument("--host", default="127.0.0.1", help="address or name to listen on")
    where.add_argument("--port", type=_port, default=8000, help="port to listen on; 0 takes a free one")
    sockets = where.add_mutually_exclusive_group()
    sockets.add_argument("--uds", metavar="PATH", help="listen on a unix socket instead")
    sockets.add_argument("--fd", type=_count, metavar="N", help="listen on an inherited, listening socket instead")
    where.add_argument("--ssl-certfile", metavar="FILE", help="serve wss with the certificate chain in this PEM file")
    where.add_argument("--ssl-keyfile", metavar="FILE", help="its private key, where that is another file")

    logs = run.add_argument_group("logging")
    logs.add_argument("--log-level", choices=_LOG_LEVELS, default="info", help="level of the root logger")
    logs.add_argument(
        "--access-log", action=argparse.BooleanOptionalAction, default=True, help="log connections to wscore.access"
    )

    limits = run.add_argument_group("limits and timeouts", "Sizes are bytes, times are seconds.")
    defaults = Config()

    def add(option: str, kind: Callable[[str], Any], metavar: str, description: str) -> None:
        field = _CONFIG_OPTIONS[option]
        default = getattr(defaults, field)
        limits.add_argument(
            option,
            dest=field,
            type=kind,
            default=argparse.SUPPRESS if default is None else default,
            metavar=metavar,
            help=description,
        )
        limits.set_defaults(**{field: default})

    add("--root-path", str, "PATH", "where the application is mounted")
    add("--limit-concurrency", _off(_count), "N", "connections served at once, others get 503; 0 or none: no limit")
    add("--ws-max-size", _count, "BYTES", "largest message, inclusive, after decompression")
    add("--ws-max-queue", _count, "N", "messages held for an application that does not ask for them")
    add("--ws-ping-interval", _off(_seconds), "SECONDS", "between a pong and the next ping; 0 or none: no pings")
    add("--ws-ping-timeout", _off(_seconds), "SECONDS", "how long a pinged client may be silent; 0 or none: for ever")
    add("--ws-close-timeout", _seconds, "SECONDS", "how long the closing of a connection may take")
    limits.add_argument(
        "--ws-per-message-deflate",
        dest="compression",
        action=argparse.BooleanOptionalAction,
        default=defaults.compression,
        help="accept compression where a client offers it",
    )
    add("--handshake-timeout", _seconds, "SECONDS", "from the TCP accept to the end of the request's head")
    add("--accept-timeout", _off(_seconds), "SECONDS", "how long the application may decide; 0 or none: for ever")
    add("--timeout-graceful-shutdown", _seconds, "SECONDS", "how long the application may go on after the first signal")


def _add_connect(commands: Any) -> None:
    connect = commands.add_parser(
        "connect",
        help="talk to a WebSocket server",
        description="Talk to a WebSocket server: lines typed, or read from a pipe, are sent as text; what comes is "
        "printed with its kind and size. /help tells the commands. Exit status 1 where the handshake is refused or the "
        "connection is lost.",
        formatter_class=_Help,
        allow_abbrev=False,
    )
    connect.set_defaults(command=_connect)
    connect.add_argument("uri", metavar="URI", help="ws:// or wss://")
    handshake = connect.add_argument_group("the handshake")
    handshake.add_argument("--header", action="append", default=[], metavar="'NAME: VALUE'", help="add a header")
    handshake.add_argument("--subprotocol", action="append", default=[], metavar="NAME", help="offer a subprotocol")
    handshake.add_argument("--origin", metavar="ORIGIN", help="the Origin header")
    handshake.add_argument("--timeout", type=_seconds, default=10.0, metavar="SECONDS", help="how long it may take")
    way = connect.add_argument_group("the way there")
    way.add_argument("--cafile", metavar="FILE", help="trust the authorities in this PEM file")
    way.add_argument("--insecure", action="store_true", help="trust any certificate")
    way.add_argument("--uds", metavar="PATH", help="connect to a unix socket instead of the URI's host and port")
    proxies = way.add_mutually_exclusive_group()
    proxies.add_argument("--proxy", default=True, metavar="URL", help="an HTTP proxy, instead of the environment's")
    proxies.add_argument("--no-proxy", dest="proxy", action="store_const", const=None, help="use no proxy")
    talk = connect.add_argument_group("the conversation")
    talk.add_argument(
        "--wait",
        type=_seconds,
        default=1.0,
        metavar="SECONDS",
        help="close when a pipe has ended and so long nothing came",
    )
    talk.add_argument(
        "--raw",
        action="store_true",
        help="print messages alone, text as it is (on a terminal without controls) and binary in hexadecimal",
    )


def _add_demo(commands: Any) -> None:
    demo = commands.add_parser(
        "demo",
        help="serve an example chat and hold a conversation with it",
        description="Serve an example chat on a free port of this machine and hold a conversation with it.",
        formatter_class=_Help,
        allow_abbrev=False,
    )
    demo.set_defaults(command=_demo)
    demo.add_argument("--backend", choices=("asyncio", "trio"), default="asyncio", help="what the server runs on")
    demo.add_argument("--port", type=_port, default=0, help="port to serve on; 0 takes a free one")
    demo.add_argument("--keep", action="store_true", help="go on serving after the conversation")


# -- the kinds of values; argparse prints their ArgumentTypeError after the option's name


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def _workers(text: str) -> int:
    number = _count(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number of processes: 1 or more")
    return number


def _port(text: str) -> int:
    number = _count(text)
    if number > 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port: 0 to 65535")
    return number


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from None
    return number


def _off(kind: Callable[[str], float]) -> Callable[[str], float | None]:
    """Let a value be switched off by 0 or "none"."""

    def read(text: str) -> float | None:
        return None if text.lower() == "none" else kind(text) or None

    return read
