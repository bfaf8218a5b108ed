"""What a conversation does next. Pure: what was said, or the time, comes in; the next state and what to say go out.

What is heard is one of four things: stop, a score, a score with its reason, or other words.

  state       stop      score             score and why   words
  asked       stopped   scored, why?      commented       asks again once, then says how to answer, then is silent
  scored      stopped   corrected, why?   commented       commented
  commented   stopped   -                 -               -
  closed      stopped   corrected, why?   commented       commented
  timed_out   stopped   scored, why?      commented       -
  stopped     -         -                 -               -

Time turns asked into timed_out, after one reminder, and scored into closed. A score or a reason that comes after that
is an answer all the same. After the why, "2 of your people were rude" is a reason and "sorry, 8" a correction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from schemas.contract import band_of
from services.intake.conversations.spoken_scores import Spoken, read_score
from services.intake.conversations.stop_words import asks_to_stop

State = Literal["asked", "scored", "commented", "closed", "timed_out", "stopped"]
Line = Literal[
    "question",
    "reminder",
    "again",
    "unread",
    "why_promoter",
    "why_passive",
    "why_detractor",
    "thanks",
    "stopped",
]
Heard = Literal["stop", "score", "score_and_why", "words"]
Does = Literal["stops", "scores", "corrects", "scores_and_comments", "comments", "asks_again", "ignores"]

OPEN: Final = frozenset({"asked", "scored"})
"""States in which something is still being waited for."""

LATE_AT_MOST: Final = timedelta(hours=1)
"""A reminder comes at the hour at which the question came, or not at all."""

_DOES: Final[Mapping[State, Mapping[Heard, Does]]] = {
    "asked": {"stop": "stops", "score": "scores", "score_and_why": "scores_and_comments", "words": "asks_again"},
    "scored": {"stop": "stops", "score": "corrects", "score_and_why": "comments", "words": "comments"},
    "commented": {"stop": "stops"},
    "closed": {"stop": "stops", "score": "corrects", "score_and_why": "comments", "words": "comments"},
    "timed_out": {"stop": "stops", "score": "scores", "score_and_why": "scores_and_comments"},
    "stopped": {},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long a conversation waits: until its reminder (none if none can be sent), for the score, for the why."""

    remind_after: timedelta | None
    give_up_after: timedelta
    why_within: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """Where a conversation stands. `since` is when it came into its state, `unread` how often no score was read."""

    state: State
    language: str
    since: datetime
    unread: int = 0
    reminded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One step: the state after it, what to say, and what of it is an answer, a comment or an opt-out."""

    talk: Talk
    say: Line | None = None
    score: int | None = None
    corrects: bool = False
    comment: str | None = None
    opts_out: bool = False

    @property
    def over(self) -> bool:
        """Whether nothing more is asked."""
        return self.talk.state not in OPEN or self.talk.unread > 1


def begun(language: str, now: datetime) -> Turn:
    """The question."""
    return Turn(talk=Talk(state="asked", language=language, since=now), say="question")


def said(talk: Talk, text: str, now: datetime) -> Turn:
    """What something that was said brings about."""
    spoken = read_score(text, talk.language)
    does = _DOES[talk.state].get(_heard(talk, text, spoken), "ignores")
    if does == "stops":
        return Turn(talk=_moved(talk, "stopped", now), say="stopped", opts_out=True)
    if does == "asks_again":
        return _not_understood(talk)
    if does == "comments" and text.strip():
        return Turn(talk=_moved(talk, "commented", now), say="thanks", comment=text)
    if spoken is None or does == "ignores":
        return Turn(talk=talk)
    if does == "scores_and_comments":
        return Turn(talk=_moved(talk, "commented", now), say="thanks", score=spoken.score, comment=text)
    why: Mapping[str, Line] = {
        "promoter": "why_promoter",
        "passive": "why_passive",
        "detractor": "why_detractor",
    }
    return Turn(
        talk=_moved(talk, "scored", now),
        say=why[band_of(spoken.score)],
        score=spoken.score,
        corrects=does == "corrects",
    )


def passed(talk: Talk, now: datetime, pace: Pace) -> Turn | None:
    """What time brings about; none if nothing yet."""
    due = due_at(talk, pace)
    if due is None or now < due:
        return None
    if talk.state == "scored":
        return Turn(talk=_moved(talk, "closed", now))
    if now >= talk.since + pace.give_up_after:
        return Turn(talk=_moved(talk, "timed_out", now))
    return Turn(talk=replace(talk, reminded=True), say="reminder" if now <= due + LATE_AT_MOST else None)


def due_at(talk: Talk, pace: Pace) -> datetime | None:
    """When time will bring something about; none if never."""
    if talk.state == "scored":
        return talk.since + pace.why_within
    if talk.state != "asked":
        return None
    given_up = talk.since + pace.give_up_after
    if pace.remind_after is None or talk.reminded or talk.unread:
        return given_up
    return min(talk.since + pace.remind_after, given_up)


def _heard(talk: Talk, text: str, spoken: Spoken | None) -> Heard:
    if asks_to_stop(text, talk.language):
        return "stop"
    if spoken is None:
        return "words"
    return "score_and_why" if spoken.with_reason else "score"


def _not_understood(talk: Talk) -> Turn:
    lines: Mapping[int, Line] = {0: "again", 1: "unread"}
    return Turn(talk=replace(talk, unread=talk.unread + 1), say=lines.get(talk.unread))


def _moved(talk: Talk, state: State, now: datetime) -> Talk:
    return replace(talk, state=state, since=now)
