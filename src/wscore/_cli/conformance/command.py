"""The options of `wscore conformance`, and what becomes of them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..arguments import add_command, count, port, seconds
from ..failure import WRONG_USAGE, Failure
from ..output import escape_unencodable_output

__all__ = ["add_arguments"]


def add_arguments(commands: Any) -> None:
    """Declare `conformance`, what it tests, and its options."""
    parser = add_command(commands, "conformance", help="test a WebSocket server or client in any language")
    parser.description = (
        "Test a WebSocket server or client, in any language, against RFC 6455 and RFC 7692. Exit status 0 "
        "where every MUST is kept, with --strict every SHOULD as well."
    )
    kinds = parser.add_subparsers(metavar="WHAT", required=True)
    _add_server(kinds)
    _add_client(kinds)
    _add_report(kinds)


def _add_server(kinds: Any) -> None:
    parser = add_command(kinds, "server", _server, help="test a server that echoes")
    parser.description = "Test a server: at the URI it accepts any connection and sends back each message as it came."
    parser.add_argument("uri", metavar="URI", nargs="?", help="ws:// or wss://")
    parser.add_argument("--header", action="append", default=[], metavar="'NAME: VALUE'", help="add a header")
    parser.add_argument("--cafile", metavar="FILE", help="trust the authorities in this PEM file")
    parser.add_argument("--insecure", action="store_true", help="trust any certificate")
    parser.add_argument("--jobs", type=count, default=8, metavar="N", help="cases at a time")
    _add_common(parser)


def _add_client(kinds: Any) -> None:
    parser = add_command(kinds, "client", _client, help="be the server for a client that echoes")
    parser.description = (
        "Serve the cases to a client: it asks /getCaseCount, connects to /runCase?case=N&agent=NAME for "
        "each N from 1, sends back each message as it came until the connection ends, and asks for /updateReports."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=port, default=9001, help="port to listen on; 0 takes a free one")
    _add_common(parser)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", action="append", default=[], metavar="GLOB", help="only cases whose id matches")
    parser.add_argument("--list", action="store_true", help="print the cases and exit")
    parser.add_argument("--timeout", type=seconds, default=5.0, metavar="SECONDS", help="wait so long for an answer")
    parser.add_argument("--strict", action="store_true", help="exit with 1 for a lenient pass too")
    parser.add_argument("--name", metavar="NAME", help="what the reports call the one that is tested")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write a report, with all conversations")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit's XML")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page")


def _add_report(kinds: Any) -> None:
    parser = add_command(kinds, "report", _report, help="show reports side by side")
    parser.description = "Show the JSON reports of several runs side by side, on one page."
    parser.add_argument("reports", type=Path, nargs="+", metavar="FILE", help="JSON written with --json")
    parser.add_argument("--html", type=Path, required=True, metavar="FILE", help="the page to write")


def _server(options: argparse.Namespace) -> None:
    from .running import list_cases, test_server

    _prepare(options)
    if options.list:
        list_cases("server", options)
        return
    if options.uri is None:
        raise Failure("conformance server: the URI is missing", status=WRONG_USAGE)
    if options.jobs < 1:
        raise Failure("--jobs 0: expected 1 or more", status=WRONG_USAGE)
    test_server(options)


def _client(options: argparse.Namespace) -> None:
    from .running import list_cases, test_client

    _prepare(options)
    if options.list:
        list_cases("client", options)
        return
    test_client(options)


def _report(options: argparse.Namespace) -> None:
    from ...conformance.reports import document, html
    from .files import write_file

    try:
        reports = [document.read(file) for file in options.reports]
    except document.NotAReport as error:
        raise Failure(str(error)) from None
    write_file(options.html, html.write(reports))


def _prepare(options: argparse.Namespace) -> None:
    escape_unencodable_output()
    if not 0 < options.timeout < 3600:
        raise Failure(f"--timeout {options.timeout:g}: expected seconds above 0", status=WRONG_USAGE)
