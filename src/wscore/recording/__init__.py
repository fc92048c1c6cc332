"""Recordings: connections that write down what happens to them, and replays of what was written.

A `Recorder` makes connections that record themselves, for `serve`, for `connect` and for a transport of your own.
`read_recording` reads a file, and `replay` feeds its inputs to the core of this version and compares. The format is
described in docs/reference/recordings.md.
"""

from .._public import set_public_module as _set_public_module
from .payloads import Payloads
from .reading import Recording, RecordingError, read_recording
from .recorder import Recorder
from .replaying import Difference, Replay, replay

__all__ = [
    "Difference",
    "Payloads",
    "Recorder",
    "Recording",
    "RecordingError",
    "Replay",
    "read_recording",
    "replay",
]

_set_public_module(__name__, [globals()[name] for name in __all__])
