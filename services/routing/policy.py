"""Whom not to contact, and why: reasons found before a rule's action is taken."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from schemas.decision import Action, Reason
from schemas.delivery import State
from schemas.response import Response

PAST_AFTER: Final = timedelta(days=7)
"""An answer given longer before it reached us belongs to the past; one that waited longer for us is stale."""

MAILS: Final[frozenset[Action]] = frozenset({"perk", "offer"})

FROM_DELIVERY: Final[dict[State, Reason]] = {
    "bounced": "bounced",
    "dropped": "bounced",
    "spam": "opt_out",
    "unsubscribed": "opt_out",
}
"""What became of a mail, and what it means for the next one."""

IN_ORDER: Final[tuple[Reason, ...]] = ("opt_out", "bounced")
"""Which reason is told where several hold: what a person wants comes first."""


@dataclass(frozen=True, slots=True)
class Contact:
    """What is known of the person behind an answer, without naming anybody."""

    has_address: bool = False
    erased: bool = False
    suppressed: Reason | None = None
    language: str | None = None


def is_past(answer: Response) -> bool:
    """Whether an answer belongs to the past: marked so, or given more than seven days before it was received."""
    return answer.history or answer.received_at - answer.answered_at > PAST_AFTER


def is_stale(answer: Response, now: datetime) -> bool:
    """Whether routing itself was away for so long that a mail would surprise."""
    return now - answer.received_at > PAST_AFTER


def objection(action: Action, contact: Contact, *, stale: bool) -> Reason | None:
    """Why this action must not be taken; none if it may. A task needs no address: people find a way."""
    if contact.erased:
        return "erased"
    if action not in MAILS:
        return None
    if not contact.has_address:
        return "no_address"
    return contact.suppressed or ("stale" if stale else None)
