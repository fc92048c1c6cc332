"""A deterministic network with a clock of its own, between wscore's cores and under real transports.

`Network` is where to begin: docs/howto/simulate-a-network.md.
"""

from ..._public import set_public_module as _set_public_module
from .._hang import Hang
from .link import Link
from .loop import Dialed, LoopNetwork
from .network import Connection, Network
from .sockets import Socket, SocketUser
from .tasks import Cancelled, Task
from .trace import Event

__all__ = [
    "Cancelled",
    "Connection",
    "Dialed",
    "Event",
    "Hang",
    "Link",
    "LoopNetwork",
    "Network",
    "Socket",
    "SocketUser",
    "Task",
]

_set_public_module(__name__, [globals()[name] for name in __all__])
