"""What `wscore run` does: check the options, load the application, listen, and serve or supervise."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from ... import ServerConfig
from ..failure import WRONG_USAGE, Failure
from ..output import configure_logging
from .binding import BindAddress, ListeningSocket, inherited_socket, tls_context
from .config_options import config_from
from .loading import load
from .serving import ServerRunner
from .watchdog import Watchdog

if TYPE_CHECKING:
    import ssl

    from ...recording import Recorder
    from ..supervisor.policy import SupervisorPolicy

__all__ = ["run", "serve_here"]

_MARGIN: Final = 2.0  # seconds that a worker gets beyond those in which it ends itself


def run(options: argparse.Namespace) -> None:
    """Serve what the options name, in this process or in others. Raises Failure."""
    if options.worker is not None:
        _work(options)
    elif options.workers is not None or options.reload:
        _supervise(options)
    else:
        serve_here(None, options)


def serve_here(app: Any, options: argparse.Namespace) -> None:
    """Serve `app`, or with None what the options name, in this process. Raises Failure."""
    config = _checked(options)
    if app is None:
        app = load(options.app, app_dir=options.app_dir, factory=options.factory)
    place = _place(options)

    def ready(sockets: Sequence[ListeningSocket], _: Callable[[], object]) -> None:
        _announce(options, place, sockets, options.backend)

    _runner(app, options, config, place, ready).run()


def _supervise(options: argparse.Namespace) -> None:
    """Listen, and let processes of their own serve."""
    from ..supervisor.reloader import Reloader
    from ..supervisor.supervisor import Supervisor
    from ..supervisor.watching import watch
    from ..supervisor.worker_pool import WorkerPool

    if options.reload and options.workers is not None:
        raise Failure(
            "--reload and --workers exclude each other: --reload is for development and has one worker, which SIGHUP "
            "starts again too; with --workers, SIGHUP replaces them all",
            status=WRONG_USAGE,
        )
    config = _checked(options)
    _recorder(options)  # a folder that cannot be made is found before the workers start
    place = _place(options)
    patience = Watchdog(config).seconds + _MARGIN
    policy: SupervisorPolicy
    if options.workers is None:
        policy, how = Reloader(patience=patience), "started again when the code changes"
    else:
        policy = WorkerPool(options.workers, patience=patience, now=time.monotonic())
        how = "1 worker" if options.workers == 1 else f"{options.workers} workers"
    listeners = place.listeners(config.backlog)
    try:
        supervisor = Supervisor(
            options.arguments,
            listeners.sockets,
            policy,
            announce=lambda: _announce(options, place, listeners.sockets, f"{options.backend}, {how}"),
        )
        if options.reload:
            watch(options.app_dir, supervisor.changed)
        supervisor.run()
    finally:
        listeners.close()


def _work(options: argparse.Namespace) -> None:
    """Serve what the options name on a supervisor's sockets, and tell it so, or why not."""
    from ..supervisor.worker import ControlChannel

    line = ControlChannel(options.worker.line)
    try:
        config = _checked(options)
        app = load(options.app, app_dir=options.app_dir, factory=options.factory)
        place = BindAddress(sock=options.worker.listening_sockets(), ssl=_tls(options))
        _runner(app, options, config, place, lambda _, stop_accepting: line.serves(stop_accepting)).run()
    except Failure as failure:
        line.failed(failure)  # which says it once, whatever the number of workers
        sys.exit(failure.status)


def _runner(
    app: Any,
    options: argparse.Namespace,
    config: ServerConfig,
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
        recorder=_recorder(options),
        ready=ready,
        supervised=options.worker is not None,
    )


def _recorder(options: argparse.Namespace) -> Recorder | None:
    """Return what records connections, if that is asked for."""
    if options.record is None:
        return None
    from ...recording import Recorder

    try:
        return Recorder(
            options.record,
            sample=options.record_sample,
            payloads=options.record_payloads,
            credentials=options.record_credentials,
        )
    except OSError as error:
        raise Failure(f"--record {options.record}: {error.strerror or error}") from None


def _checked(options: argparse.Namespace) -> ServerConfig:
    """Refuse options that do not go together, set up the logging, and give the configuration."""
    config = config_from(options)
    if options.loop == "uvloop" and options.backend == "trio":
        raise Failure(
            "--loop uvloop is an event loop for asyncio: leave it out, or use --backend asyncio", status=WRONG_USAGE
        )
    if options.ssl_keyfile is not None and options.ssl_certfile is None:
        raise Failure("--ssl-keyfile needs --ssl-certfile: the certificate the key belongs to", status=WRONG_USAGE)
    if options.record is None and (options.record_sample, options.record_payloads) != (1.0, "hashed"):
        raise Failure("--record-sample and --record-payloads need --record: the folder", status=WRONG_USAGE)
    configure_logging(options.log_level, name_process=options.workers is not None or options.reload)
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
