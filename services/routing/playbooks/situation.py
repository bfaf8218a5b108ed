"""What the conditions of a playbook may ask about: the answer, the person, their history, their account, the comment.

Everything is always there, so that a condition need not ask whether it is: what is not known is empty text, false, or
a number that says so. Only `answer.segments` and `person.attributes` have the entries they have.
"""

from __future__ import annotations

from collections.abc import Sequence
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


def variables(
    answer: Response, person: Person, history: History, comment: str, keywords: Sequence[str]
) -> dict[str, dict[str, Any]]:  # CEL takes values of many types
    """A situation as conditions see it."""
    data = person.data
    return {
        "answer": _answer(answer),
        "person": {
            "known": answer.subject is not None,
            "has_email": person.has_address,
            "has_phone": bool(data.phone),
            "language": (answer.language or data.locale or "").lower(),
            "timezone": data.timezone or "",
            "attributes": dict(data.attributes),
        },
        "history": _history(answer, history),
        "account": _account(answer, data),
        "comment": {
            "present": bool(comment),
            "text": comment,
            "length": len(comment),
            "language": (answer.language or data.locale or "").lower() if comment else "",
            "keywords": list(keywords),
        },
    }


def _answer(answer: Response) -> dict[str, Any]:  # as above
    return {
        "metric": answer.metric,
        "score": -1 if answer.score is None else answer.score,
        "rating": -1.0 if answer.rating is None else answer.rating,
        "band": answer.band() or "",
        "channel": answer.channel or "",
        "source": answer.source or "",
        "survey_id": answer.survey_id or "",
        "touchpoint": answer.touchpoint or "",
        "language": (answer.language or "").lower(),
        "agent": answer.agent.id if answer.agent else "",
        "team": (answer.agent.team or "") if answer.agent else "",
        "callback_requested": answer.callback_requested,
        "solicited": answer.solicited,
        "segments": dict(answer.segments),
    }


def _history(answer: Response, history: History) -> dict[str, Any]:  # as above
    before = history.earlier[0] if history.earlier else None
    return {
        "answers": len(history.earlier),
        "previous_score": before.score if before else -1,
        "previous_band": band_of(before.score) if before else "",
        "trend": _trend(answer.score, before),
        "days_since": max((answer.answered_at - before.answered_at) // timedelta(days=1), 0)
        if before
        else UNKNOWN_DAYS,
        "open_task": history.open_task,
    }


def _trend(score: int | None, before: Earlier | None) -> str:
    if before is None or score is None:
        return "new"
    if abs(score - before.score) <= SAME_BY:
        return "same"
    return "up" if score > before.score else "down"


def _account(answer: Response, data: PersonalData) -> dict[str, Any]:  # as above
    told = data.attributes
    return {
        "known": data.account_id is not None,
        "value": _number(told.get("account_value")),
        "plan": told.get("plan") or answer.segments.get("plan", ""),
        "days_to_renewal": _days_until(told.get("renewal_date"), answer.answered_at.date()),
    }


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
