"""What the conditions of a playbook may ask about: the answer, the person, their history, their account, the comment.

Everything is always there, so that a condition need not ask whether it is: what is not known is empty text, false, or
a number that says so. Only `answer.segments` and `person.attributes` have the entries they have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final

from schemas.contract import band_of
from schemas.personal_data import PersonalData
from schemas.response import Response

UNKNOWN_DAYS: Final = 36_500
"""A hundred years: stands for a day that is not known, or has never been."""

SAME_BY: Final = 1
"""A score that differs by no more than a point from the one before is no trend."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """Another answer of the same person to the one question."""

    score: int
    answered_at: datetime


@dataclass(frozen=True, slots=True)
class History:
    """What the person has answered before, newest first, and whether somebody is at it."""

    earlier: Sequence[Earlier] = ()
    open_task: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """What sealed data tells a decision, and never leaves it."""

    data: PersonalData = field(default_factory=PersonalData, repr=False)
    erased: bool = False

    @property
    def has_address(self) -> bool:
        """Whether a mail could reach them."""
        return bool(self.data.email)


@dataclass(frozen=True, slots=True)
class Situation:
    """An answer, and all that is known when it is decided about. `keywords` are those found in the comment."""

    answer: Response
    person: Person = field(default_factory=Person)
    history: History = field(default_factory=History)
    comment: str = ""
    keywords: Sequence[str] = ()


def _language(situation: Situation) -> str:
    return (situation.answer.language or situation.person.data.locale or "").lower()


def _days_since(situation: Situation) -> int:
    if not situation.history.earlier:
        return UNKNOWN_DAYS
    span = situation.answer.answered_at - situation.history.earlier[0].answered_at
    return max(span // timedelta(days=1), 0)


Value = Any
"""Of a type that CEL has: text, a number, true or false, a list or a mapping of these."""

FIELDS: Final[Mapping[str, Mapping[str, Callable[[Situation], Value]]]] = {
    "answer": {
        "metric": lambda s: s.answer.metric,
        "score": lambda s: -1 if s.answer.score is None else s.answer.score,
        "rating": lambda s: -1.0 if s.answer.rating is None else s.answer.rating,
        "band": lambda s: s.answer.band() or "",
        "channel": lambda s: s.answer.channel or "",
        "source": lambda s: s.answer.source or "",
        "survey_id": lambda s: s.answer.survey_id or "",
        "touchpoint": lambda s: s.answer.touchpoint or "",
        "language": lambda s: (s.answer.language or "").lower(),
        "agent": lambda s: s.answer.agent.id if s.answer.agent else "",
        "team": lambda s: (s.answer.agent.team or "") if s.answer.agent else "",
        "callback_requested": lambda s: s.answer.callback_requested,
        "solicited": lambda s: s.answer.solicited,
        "segments": lambda s: s.answer.segments,
    },
    "person": {
        "known": lambda s: s.answer.subject is not None,
        "has_email": lambda s: s.person.has_address,
        "has_phone": lambda s: bool(s.person.data.phone),
        "language": _language,
        "timezone": lambda s: s.person.data.timezone or "",
        "attributes": lambda s: s.person.data.attributes,
    },
    "history": {
        "answers": lambda s: len(s.history.earlier),
        "previous_score": lambda s: s.history.earlier[0].score if s.history.earlier else -1,
        "previous_band": lambda s: band_of(s.history.earlier[0].score) if s.history.earlier else "",
        "trend": lambda s: _trend(s.answer.score, s.history.earlier[0] if s.history.earlier else None),
        "days_since": _days_since,
        "open_task": lambda s: s.history.open_task,
    },
    "account": {
        "known": lambda s: s.person.data.account_id is not None,
        "value": lambda s: _number(s.person.data.attributes.get("account_value")),
        "plan": lambda s: s.person.data.attributes.get("plan") or s.answer.segments.get("plan", ""),
        "days_to_renewal": lambda s: _days_until(
            s.person.data.attributes.get("renewal_date"), s.answer.answered_at.date()
        ),
    },
    "comment": {
        "present": lambda s: bool(s.comment),
        "text": lambda s: s.comment,
        "length": lambda s: len(s.comment),
        "language": lambda s: _language(s) if s.comment else "",
        "keywords": lambda s: list(s.keywords),
    },
}
"""Everything that conditions may ask about. Each is worked out only where somebody asks."""


def variables(situation: Situation) -> dict[str, dict[str, Value]]:
    """A situation as conditions see it, whole."""
    return {name: {one: of(situation) for one, of in fields.items()} for name, fields in FIELDS.items()}


def _trend(score: int | None, before: Earlier | None) -> str:
    if before is None or score is None:
        return "new"
    if abs(score - before.score) <= SAME_BY:
        return "same"
    return "up" if score > before.score else "down"


def _number(text: str | None) -> float:
    with suppress(ValueError):
        number = float(text or "0")
        if abs(number) < float("inf"):
            return number
    return 0.0


def _days_until(text: str | None, today: date) -> int:
    with suppress(ValueError):
        if text:
            return (date.fromisoformat(text[:10]) - today).days
    return UNKNOWN_DAYS
