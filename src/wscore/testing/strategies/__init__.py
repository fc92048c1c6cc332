"""Strategies for Hypothesis: what peers, applications and networks do, lawful and hostile.

What they generate are bytes that say what they are, `AnnotatedBytes`: a failing example is lines of hex with comments.
Needs Hypothesis, which comes with the extra `hypothesis`.
"""

from ..._public import set_public_module as _set_public_module
from .._hypothesis import require_hypothesis as _require_hypothesis

_require_hypothesis(__name__)

from ._asgi import (  # noqa: E402
    application_messages,
    arbitrary_application_messages,
    unlawful_application_messages,
)
from ._handshakes import handshakes, hostile_handshakes, hostile_responses, responses  # noqa: E402
from ._messages import (  # noqa: E402
    Frames,
    arbitrary_frames,
    close_frames,
    compressed_messages,
    fragmentations,
    frames,
    hostile_frames,
    messages,
    streams,
)
from ._network import cuts, network_schedules  # noqa: E402

__all__ = [
    "Frames",
    "application_messages",
    "arbitrary_application_messages",
    "arbitrary_frames",
    "close_frames",
    "compressed_messages",
    "cuts",
    "fragmentations",
    "frames",
    "handshakes",
    "hostile_frames",
    "hostile_handshakes",
    "hostile_responses",
    "messages",
    "network_schedules",
    "responses",
    "streams",
    "unlawful_application_messages",
]

_set_public_module(__name__, [globals()[name] for name in __all__])
