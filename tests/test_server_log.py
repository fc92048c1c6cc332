"""What servers log of their connections, and in which words."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from wscore import AccessRecord
from wscore.transport.server_log import LoggedServerDriver, access_line

RECORD: dict[str, Any] = {
    "event": "closed",
    "client": ("192.0.2.7", 50123),
    "method": "GET",
    "path": "/chat",
    "status": 101,
    "code": 4000,
    "cause": "application",
    "reason": "bye",
    "messages_received": 3,
    "bytes_received": 30,
    "messages_sent": 2,
    "bytes_sent": 20,
    "duration": 1.23456,
}


def record(**fields: Any) -> AccessRecord:
    return AccessRecord(**{**RECORD, **fields})


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"event": "accepted"}, '192.0.2.7:50123 "GET /chat" 101'),
        ({"event": "refused", "status": 403}, '192.0.2.7:50123 "GET /chat" 403'),
        ({"event": "refused", "status": 400, "method": None, "path": None}, '192.0.2.7:50123 "-" 400'),
        ({}, '192.0.2.7:50123 "GET /chat" closed 4000 by application, 3 in, 2 out, 1.235 s'),
        ({"client": None}, '- "GET /chat" closed 4000 by application, 3 in, 2 out, 1.235 s'),
    ],
)
def test_a_record_is_one_line(fields: dict[str, Any], line: str) -> None:
    """It names client, method and path, and then the status, or how the connection ended and what it carried."""
    assert access_line(record(**fields)) == line


@pytest.mark.parametrize(
    ("event", "level"), [("accepted", "INFO"), ("refused", "INFO"), ("closed", "INFO"), ("unused", "DEBUG")]
)
def test_a_record_is_logged_with_its_fields(event: str, level: str, caplog: pytest.LogCaptureFixture) -> None:
    """Each is an attribute of the LogRecord; probes of a port are logged at DEBUG alone."""
    caplog.set_level(logging.DEBUG, "wscore.access")
    LoggedServerDriver.log_access(object(), record(event=event))  # type: ignore[arg-type]
    [logged] = caplog.records
    assert (logged.name, logged.levelname) == ("wscore.access", level)
    assert {name: getattr(logged, name) for name in RECORD} == {**RECORD, "event": event}


def test_what_is_no_failure_has_a_logger_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    """Notices go to wscore.server, failures with their traceback to wscore.error."""
    caplog.set_level(logging.DEBUG)
    error = ValueError("x")
    LoggedServerDriver.log_notice(object(), "TLS handshake failed")  # type: ignore[arg-type]
    LoggedServerDriver.log_failure(object(), "the application failed", error)  # type: ignore[arg-type]
    notice, failure = caplog.records
    assert (notice.name, notice.levelname, notice.getMessage()) == ("wscore.server", "INFO", "TLS handshake failed")
    assert (failure.name, failure.levelname) == ("wscore.error", "ERROR")
    assert failure.exc_info is not None
    assert failure.exc_info[1] is error
