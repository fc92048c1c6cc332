"""A case: one rule, the script that tests it, and where the rule is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

from .client_peer import ClientPeer
from .peer import Peer
from .server_peer import ServerPeer
from .steps import Script

__all__ = ["Case", "Cases"]

Shared = TypeVar("Shared", bound=Callable[[Peer], Script])
ServerScript = TypeVar("ServerScript", bound=Callable[[ServerPeer], Script])
ClientScript = TypeVar("ClientScript", bound=Callable[[ClientPeer], Script])


@dataclass(frozen=True, slots=True)
class Case:
    """One rule. `source` is the section that states it, `edge` its row among this project's edge cases, if it has one.

    A script is None where the rule does not concern that end. `slow` cases wait for timeouts of the peer's;
    `alone` ones keep it so busy that others beside them would wait for their answers, and have more time for theirs.
    """

    id: str
    title: str
    source: str
    edge: str
    server: Callable[[ServerPeer], Script] | None
    client: Callable[[ClientPeer], Script] | None
    slow: bool = False
    alone: bool = False

    @property
    def family(self) -> str:
        """Return the first part of the id."""
        return self.id.partition(".")[0]

    def patience(self, usual: float) -> float:
        """Return the seconds to wait for an answer, of the usual ones."""
        return usual * 4 if self.alone else usual

    def concerns(self, end: Literal["server", "client"]) -> bool:
        """Return whether the rule concerns that end."""
        return (self.server if end == "server" else self.client) is not None


class Cases:
    """The cases of a file, in their order. The methods decorate a script, or take one from a table."""

    def __init__(self, source: str) -> None:
        """Begin; `source` is what a case's own begins with, such as "RFC 6455"."""
        self._source: Final = source
        self._cases: dict[str, Case] = {}

    def __iter__(self) -> Iterator[Case]:
        """Yield the cases."""
        return iter(self._cases.values())

    def _add(self, case: Case) -> None:
        assert case.id not in self._cases, case.id
        self._cases[case.id] = case

    def both(
        self, id: str, title: str, section: str, edge: str = "", *, slow: bool = False, alone: bool = False
    ) -> Callable[[Shared], Shared]:
        """Add a case for both ends."""

        def add(script: Shared) -> Shared:
            self._add(Case(id, title, self._at(section), edge, script, script, slow, alone))
            return script

        return add

    def server(
        self, id: str, title: str, section: str, edge: str = "", *, slow: bool = False, alone: bool = False
    ) -> Callable[[ServerScript], ServerScript]:
        """Add a case for servers."""

        def add(script: ServerScript) -> ServerScript:
            self._add(Case(id, title, self._at(section), edge, script, None, slow, alone))
            return script

        return add

    def client(self, id: str, title: str, section: str, edge: str = "") -> Callable[[ClientScript], ClientScript]:
        """Add a case for clients."""

        def add(script: ClientScript) -> ClientScript:
            self._add(Case(id, title, self._at(section), edge, None, script))
            return script

        return add

    def _at(self, section: str) -> str:
        return section if section.startswith("RFC") else f"{self._source} {section}"
