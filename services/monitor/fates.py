"""What became of an answer, in words: the steps of one answer, and many answers counted by where they are.

Each answer counts in exactly one place: waiting, a mail, a task, somebody told, nothing by rule, or not contacted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from services.monitor.answers import Decided, Followed, Mailed, Tasked

Tone = Literal["good", "waiting", "bad", "quiet"]
Place = Literal["waiting", "mail", "task", "told", "nothing", "not_contacted"]

ORDERED: Final = "ordered"
"""Decided, and nothing heard yet from the service that does it."""


class Step(NamedTuple):
    """One thing that happened to an answer."""

    text: str
    tone: Tone


WAITING: Final = Step("waiting for a decision", "waiting")

MAILS: Final[Mapping[str, Step]] = {
    ORDERED: Step("on its way", "waiting"),
    "planned": Step("planned", "waiting"),
    "sending": Step("being sent", "waiting"),
    "accepted": Step("sent", "good"),
    "delivered": Step("delivered", "good"),
    "bounced": Step("bounced", "bad"),
    "dropped": Step("dropped by the provider", "bad"),
    "spam": Step("marked as spam", "bad"),
    "unsubscribed": Step("delivered, then unsubscribed", "quiet"),
    "unknown": Step("may or may not be sent", "bad"),
    "refused": Step("refused by the provider", "bad"),
    "suppressed": Step("not sent", "quiet"),
    "withdrawn": Step("withdrawn", "quiet"),
}

TASKS: Final[Mapping[str, Step]] = {
    ORDERED: Step("on its way", "waiting"),
    "open": Step("open", "waiting"),
    "in_progress": Step("in progress", "waiting"),
    "waiting": Step("waiting", "waiting"),
    "done": Step("done", "good"),
    "cancelled": Step("cancelled", "quiet"),
}

REASONS: Final[Mapping[str, str]] = {
    "consent": "no consent",
    "opt_out": "opted out",
    "bounced": "address bounced",
    "cap": "written to lately",
    "quiet_hours": "quiet hours",
    "budget": "budget spent",
    "hold_out": "hold-out group",
    "no_address": "no address",
    "paused": "paused",
    "allow_list": "not on the allow-list",
    "test": "a test",
    "excluded": "excluded",
    "retracted": "retracted",
    "changed": "answer changed",
    "history": "from the past",
    "stale": "too old to write",
    "erased": "erased",
    "too_late": "already sent",
    "already_sent": "already sent",
    "left": "no customer any more",
    "settling": "for a comment or an edit",
}


def steps(followed: Followed) -> list[Step]:
    """What happened to an answer, in one line: `thank-promoters`, then `perk mail delivered`."""
    if followed.decided is None:
        return [WAITING]
    found = _decision(followed.decided)
    if followed.mailed:
        found.append(_mail(followed.mailed))
    elif _expects_mail(followed.decided):
        found.append(Step(f"{followed.decided.action} mail {MAILS[ORDERED].text}", MAILS[ORDERED].tone))
    if followed.tasked:
        found.append(_task(followed.tasked))
    elif _expects_task(followed.decided):
        found.append(Step(f"task {TASKS[ORDERED].text}", TASKS[ORDERED].tone))
    return found


def _decision(decided: Decided) -> list[Step]:
    found = [Step(decided.rule, "quiet")] if decided.rule else []
    if decided.outcome == "none":
        found.append(Step("nothing to do" if decided.rule else "no rule matches", "quiet"))
    elif decided.outcome != "action":
        verb = {"withdrawn": "withdrawn", "held": f"{decided.action.replace('_', ' ')} waits"}.get(
            decided.outcome, "not contacted"
        )
        found.append(Step(_because(verb, decided.reason), "quiet"))
    return found


def _mail(mailed: Mailed) -> Step:
    step = MAILS[mailed.state]
    kind = "mail" if mailed.kind == "none" else f"{mailed.kind} mail"
    return Step(_because(f"{kind} {step.text}", mailed.reason), step.tone)


def _task(tasked: Tasked) -> Step:
    step = TASKS[tasked.status]
    outcome = f", {tasked.outcome.replace('_', ' ')}" if tasked.outcome else ""
    return Step(_because(f"task {step.text}{outcome}", tasked.reason), step.tone)


def _because(text: str, reason: str | None) -> str:
    return f"{text}: {REASONS.get(reason, reason)}" if reason else text


def _expects_mail(decided: Decided) -> bool:
    return decided.outcome == "action" and decided.action in {"perk", "offer"}


def _expects_task(decided: Decided) -> bool:
    return decided.outcome == "action" and decided.action == "outreach"


@dataclass(frozen=True, slots=True)
class Count:
    """How many answers are in one place in one state, in words."""

    place: Place
    state: str
    text: str
    tone: Tone
    number: int


def counted(answers: Iterable[Followed]) -> list[Count]:
    """Answers by what became of them: each in one place, the larger number first."""
    numbers = Counter(_place(followed) for followed in answers)
    return [Count(place, state, *_words(place, state), number) for (place, state), number in numbers.most_common()]


def _place(followed: Followed) -> tuple[Place, str]:
    decided = followed.decided
    if decided is None:
        return "waiting", ""
    if decided.outcome == "none":
        return "nothing", ""
    if decided.outcome != "action":
        return "waiting" if decided.outcome == "held" else "not_contacted", decided.reason or ""
    return _acted(followed, decided)


def _acted(followed: Followed, decided: Decided) -> tuple[Place, str]:
    if decided.action in {"notify", "survey_request"}:
        return "told", decided.action
    if _expects_task(decided):
        return "task", followed.tasked.status if followed.tasked else ORDERED
    mailed = followed.mailed
    if mailed and mailed.state == "suppressed":
        return "not_contacted", mailed.reason or ""
    return "mail", mailed.state if mailed else ORDERED


def _words(place: Place, state: str) -> Step:
    match place:
        case "mail":
            return MAILS[state]
        case "task":
            return TASKS[state]
        case "waiting":
            return Step(f"{WAITING.text}: {REASONS[state]}" if state else WAITING.text, WAITING.tone)
        case "told":
            return Step("a survey is asked for" if state == "survey_request" else "somebody is told", "quiet")
        case "nothing":
            return Step("no rule asks for anything", "quiet")
        case "not_contacted":
            return Step(REASONS.get(state, "no reason given"), "quiet")
