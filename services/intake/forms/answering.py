"""What a press of the button means for the one answer behind a link. Pure.

The first press submits, the same again changes nothing, another number is an update, and a text is a comment of its
own, so that another number without a text takes no earlier text away. What is not known to have arrived is said again
in the same words, under the same revision: sent twice it counts once. Strange cases:
  two presses at once       one of them is first; if both say the same, both send the same
  a press that failed       the next one says again what may not have arrived
  the clock went back       a change is a millisecond later than what it changes
  back, and another answer  behind a link for many, that may be somebody else's: it is refused
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from schemas.response import Op, Submission
from services.intake.links import PREFILLED, Link

SOURCE: Final = "nps-form"
TICK: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Given:
    """What one press says: a number, a text, or both. `mark` is the same for the same text."""

    score: int | None = None
    comment: str | None = None
    mark: str | None = None


@dataclass(frozen=True, slots=True)
class Press:
    """One press, and the answer it is about; of a `final` one there is no other version."""

    tenant: str
    response_id: str
    given: Given
    expires_at: datetime
    final: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    """What was said so far; `settled` once all of it is durable."""

    score: int
    answered_at: datetime
    scored_at: datetime
    mark: str | None = None
    commented_at: datetime | None = None
    settled: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """What stands after a press, and which parts of it are to be sent."""

    heard: Heard
    score: bool = False
    comment: bool = False


Refusal = Literal["unanswered", "taken"]
"""A text where no number was ever given; another version of what has one alone."""


def turn(before: Heard | None, press: Press, now: datetime) -> Turn | Refusal:
    """What a press means."""
    given = press.given
    if before is None:
        if given.score is None:
            return "unanswered"
        heard = Heard(given.score, now, now, given.mark, now if given.mark else None)
        return Turn(heard, score=True, comment=given.mark is not None)
    if press.final and (given.score, given.mark) != (before.score, before.mark):
        return "taken"
    rescored = given.score not in {None, before.score}
    recommented = given.mark not in {None, before.mark}
    if before.settled and not rescored and not recommented:
        return Turn(before)
    moment = max(now, max(before.scored_at, before.commented_at or before.scored_at) + TICK)
    heard = replace(
        before,
        score=before.score if given.score is None else given.score,
        scored_at=moment if rescored else before.scored_at,
        mark=given.mark or (before.mark if before.settled else None),
        commented_at=moment if recommented else before.commented_at,
        settled=False,
    )
    unsure = not before.settled
    return Turn(heard, score=rescored or unsure, comment=recommented or (unsure and given.mark is not None))


def submissions(link: Link, press: Press, after: Turn, language: str) -> list[Submission]:
    """What is said through the door."""
    heard = after.heard
    prefilled = {name: getattr(link, name) for name in PREFILLED} | {"language": language}
    told: list[tuple[Op, datetime, dict[str, object]]] = []
    if after.score:
        first = heard.scored_at == heard.answered_at
        told.append(("submitted" if first else "updated", heard.scored_at, {"score": heard.score}))
    if after.comment and heard.commented_at:
        told.append(("commented", heard.commented_at, {"comment": press.given.comment}))
    return [
        Submission.model_validate(
            prefilled
            | said
            | {"response_id": press.response_id, "op": op, "revision": _revision(at), "answered_at": heard.answered_at}
        )
        for op, at, said in told
    ]


def _revision(at: datetime) -> int:
    return int(at.timestamp() * 1000)
