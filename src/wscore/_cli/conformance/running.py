"""What `wscore conformance server` and `client` do: hold the cases, print the table, write the reports."""

from __future__ import annotations

import argparse
import asyncio
import datetime
import ssl
import time
from importlib.metadata import PackageNotFoundError, version
from typing import Final, Literal
from urllib.parse import urlsplit

from ...conformance.case import Case
from ...conformance.cases import chosen
from ...conformance.clients import Clients
from ...conformance.outcome import Result
from ...conformance.reports import document, html, junit, table
from ...conformance.server_peer import Address
from ...conformance.servers import CannotTest, Server, examine
from ..escaping import escape_controls
from ..failure import CANNOT, WRONG_USAGE, Failure
from .files import write_file
from .progress import Progress

__all__ = ["list_cases", "test_client", "test_server"]

End = Literal["server", "client"]

DEFAULT_PORTS: Final = {"ws": 80, "wss": 443}


def list_cases(end: End, options: argparse.Namespace) -> None:
    """Print the ids with what each case says. Raises Failure."""
    cases = _chosen(end, options)
    width = max(len(case.id) for case in cases)
    for case in cases:
        print(f"{case.id:{width}}  {case.title} ({case.source})")


def test_server(options: argparse.Namespace) -> None:
    """Test a server. Raises Failure."""
    cases = _chosen("server", options)
    server = _server(options)
    progress = Progress(len(cases))
    began = time.time()
    try:
        results = asyncio.run(examine(server, cases, patience=options.timeout, jobs=options.jobs, seen=progress.add))
    except CannotTest as error:
        raise Failure(str(error)) from None
    finally:
        progress.end()
    _conclude(options, _report("server", options, options.name or options.uri, results, began))


def test_client(options: argparse.Namespace) -> None:
    """Test a client that connects. Raises Failure."""
    cases = _chosen("client", options)
    progress = Progress(len(cases))
    began = time.time()

    async def serve() -> tuple[str, list[Result]]:
        clients = Clients(cases, patience=options.timeout, seen=progress.add)
        try:
            host, port = clients.listen(options.host, options.port)
        except OSError as error:
            where = f"{options.host}:{options.port}"
            raise Failure(f"{where} cannot be listened on: {error.strerror or error}") from None
        shown = f"[{host}]" if ":" in host else host
        print(f"{len(cases)} cases wait for a client at ws://{shown}:{port}/", flush=True)
        results = await clients.wait()
        return clients.agent, results

    try:
        agent, results = asyncio.run(serve())
    finally:
        progress.end()
    _conclude(options, _report("client", options, options.name or agent or "the client", results, began))


def _chosen(end: End, options: argparse.Namespace) -> list[Case]:
    cases = chosen(end, options.only)
    if not cases:
        raise Failure(f"--only {' '.join(options.only)}: no case matches (--list shows them)", status=WRONG_USAGE)
    return cases


def _server(options: argparse.Namespace) -> Server:
    uri: str = options.uri
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError as error:
        raise Failure(f"{uri!r} is no URI: {error}", status=WRONG_USAGE) from None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or parts.fragment:
        raise Failure(f"{uri!r} is no URI of a WebSocket server: ws://HOST:PORT/", status=WRONG_USAGE)
    secure = parts.scheme == "wss"
    if not secure and (options.insecure or options.cafile):
        raise Failure("--insecure and --cafile are for wss://", status=WRONG_USAGE)
    headers: list[tuple[str, str]] = []
    for header in options.header:
        name, colon, value = header.partition(":")
        if not colon or "\n" in header or "\r" in header:
            raise Failure(f"--header {header!r}: expected 'Name: value'", status=WRONG_USAGE)
        headers.append((name.strip(), value.strip()))
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    address = Address(
        host=host if port in (None, DEFAULT_PORTS[parts.scheme]) else f"{host}:{port}",
        target=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        headers=tuple(headers),
    )
    tls = _tls(options.cafile, insecure=options.insecure) if secure else None
    return Server(parts.hostname, port or DEFAULT_PORTS[parts.scheme], address, tls)


def _tls(cafile: str | None, *, insecure: bool) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=cafile)
    except (OSError, ssl.SSLError) as error:
        raise Failure(f"--cafile {cafile}: {error.strerror or error}", status=CANNOT) from None
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _report(end: End, options: argparse.Namespace, name: str, results: list[Result], began: float) -> document.Report:
    return document.Report(
        end=end,
        name=name,
        tool=_tool(),
        started=datetime.datetime.fromtimestamp(began, datetime.UTC).isoformat(timespec="seconds"),
        seconds=time.time() - began,
        patience=options.timeout,
        results=results,
    )


def _conclude(options: argparse.Namespace, report: document.Report) -> None:
    """Print the table and write the files. Raises Failure where a MUST, or with --strict a SHOULD, is not kept."""
    for line in table.lines(report):
        print(escape_controls(line))
    if options.json:
        write_file(options.json, document.write(report))
    if options.junit:
        write_file(options.junit, junit.write(report, strict=options.strict))
    if options.html:
        write_file(options.html, html.write([report]))
    if not report.passes(strict=options.strict):
        raise Failure(f"{report.failures(strict=options.strict)} of {len(report.results)} cases failed")


def _tool() -> str:
    try:
        return f"wscore {version('wscore')}"
    except PackageNotFoundError:
        return "wscore"
