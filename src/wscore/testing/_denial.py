"""A connection that was refused, as a test sees it."""

from __future__ import annotations

import json
from typing import Any

from wscore import CloseCode, HandshakeRefused
from wscore.app import WebSocketDisconnect
from wscore.app._disconnect import derived

__all__ = ["WebSocketDenialResponse"]


class WebSocketDenialResponse(HandshakeRefused, WebSocketDisconnect):
    """The application did not accept; this is its HTTP response, and a `WebSocketDisconnect` as in Starlette.

    `status`, `headers` (pairs of bytes) and `body` are the response's; `code` is 1006, and `reason` says what the
    application did.
    """

    def __init__(self, refused: HandshakeRefused, address: str, reason: str) -> None:
        why = f"the application answered {refused.status}" + (f" ({reason})" if reason else "")
        HandshakeRefused.__init__(
            self,
            address,
            why,
            status=refused.status,
            headers=refused.headers,
            body=refused.body,
            location=refused.location,
        )
        self.code = CloseCode.ABNORMAL_CLOSURE
        self.reason = reason

    @derived
    def status_code(self) -> int:
        """The response's status, under Starlette's name."""
        return self.status

    @property
    def content(self) -> bytes:
        """The response's body, under Starlette's name."""
        return self.body

    @property
    def text(self) -> str:
        """The body as text in UTF-8, with U+FFFD for what is not."""
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        """Read the body as JSON."""
        return json.loads(self.body)
