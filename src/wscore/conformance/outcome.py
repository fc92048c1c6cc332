"""What a case comes to: one of five outcomes, and the exceptions by which a script says so."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .transcript import Row

__all__ = ["Failed", "NotApplicable", "Outcome", "Result"]


class Outcome(Enum):
    """The outcomes. Each gives two verdicts: `strict` takes a SHOULD for a MUST, `lenient` does not."""

    PASS = "pass"
    LENIENT = "lenient pass"
    FAIL = "fail"
    NO_ANSWER = "no answer"
    NOT_APPLICABLE = "not applicable"

    @property
    def strict(self) -> bool | None:
        """Return the strict verdict: None where there is nothing to judge."""
        return None if self is Outcome.NOT_APPLICABLE else self is Outcome.PASS

    @property
    def lenient(self) -> bool | None:
        """Return the lenient verdict: None where there is nothing to judge."""
        return None if self is Outcome.NOT_APPLICABLE else self in (Outcome.PASS, Outcome.LENIENT)


class Failed(Exception):
    """The peer broke a MUST; `str()` says how."""


class NotApplicable(Exception):
    """The case is about something that the peer does not take part in; `str()` says what."""


@dataclass(frozen=True, slots=True)
class Result:
    """A case's outcome, with what the peer did where it did not pass, the seconds it took, and the conversation."""

    id: str
    title: str
    source: str
    outcome: Outcome
    says: str
    seconds: float
    conversation: list[Row] = field(default_factory=list["Row"])

    @property
    def family(self) -> str:
        """Return the first part of the id."""
        return self.id.partition(".")[0]
