"""State machines for Hypothesis over wscore's cores, to subclass: whatever happens, their invariants hold.

`ServerMachine` and `ClientMachine` are about one core and any peer, `PairMachine` about both ends and a network. Add
rules and invariants of your own, or put code of your own around the core. Needs Hypothesis, which comes with the extra
`hypothesis`.
"""

from ..._public import set_public_module as _set_public_module
from .._hypothesis import require_hypothesis as _require_hypothesis

_require_hypothesis(__name__)

from ._client_machine import ClientMachine  # noqa: E402
from ._core_machine import REFUSED, ROOMY, SMALL, CoreMachine  # noqa: E402
from ._output import OutputReader  # noqa: E402
from ._pair_machine import PairMachine  # noqa: E402
from ._server_machine import ServerMachine  # noqa: E402

__all__ = [
    "REFUSED",
    "ROOMY",
    "SMALL",
    "ClientMachine",
    "CoreMachine",
    "OutputReader",
    "PairMachine",
    "ServerMachine",
]

_set_public_module(__name__, [globals()[name] for name in __all__])
