"""The exception for a connection that the application refused."""

from __future__ import annotations

import json
from typing import Any

from wscore import CloseCode, HandshakeRefused
from wscore.app import WebSocketDisconnect
from wscore.app._disconnect import derived

__all__ = ["WebSocketDenialResponse"]


class WebSocketDenialResponse(HandshakeRefused, WebSocketDisconnect):
    """The application did not accept. Holds its HTTP response; as in Starlette, also a `WebSocketDisconnect`.

    `status`, `headers` (pairs of bytes), `body` and `location` are the response's; `code` is 1006, and `reason` says
    what the application did.
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
        """The response's status, by Starlette's name."""
        return self.status

    @property
    def content(self) -> bytes:
        """The response's body, by Starlette's name."""
        return self.body

    @property
    def text(self) -> str:
        """The body decoded as UTF-8, with U+FFFD for invalid bytes."""
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        """Parse the body as JSON. Raises json.JSONDecodeError if it is not."""
        return json.loads(self.body)
