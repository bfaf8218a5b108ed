"""Whom not to contact, not now, or not any more: what the contact policy says before a rule's action is taken."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from schemas.contract import Band
from schemas.decision import Action, Reason
from schemas.delivery import State
from schemas.response import Response
from services.routing.contact_policy import Cap, ContactKind, ContactPolicy
from services.routing.playbooks.playbook import Rule
from services.routing.playbooks.situation import History, Person

PAST_AFTER: Final = timedelta(days=7)
"""An answer given longer before it reached us belongs to the past; one that waited longer for us is stale."""

MAILS: Final[frozenset[Action]] = frozenset({"perk", "offer"})

KIND_OF: Final[Mapping[Action, ContactKind]] = {
    "perk": "mail",
    "offer": "mail",
    "outreach": "task",
    "survey_request": "survey",
}
"""What kind of contact an action is; the others reach nobody outside."""

Said = Literal["opt_out", "bounced", "no_survey", "no_call", "allows_mail", "allows_survey"]
"""What is remembered of a person's words and of what became of mails to them."""

FROM_DELIVERY: Final[dict[State, Said]] = {
    "bounced": "bounced",
    "dropped": "bounced",
    "spam": "opt_out",
    "unsubscribed": "opt_out",
}
"""What became of a mail, and what it means for the next one."""

GONE: Final[frozenset[State]] = frozenset(
    {"accepted", "delivered", "dropped", "bounced", "spam", "unsubscribed", "unknown"}
)
"""States of a mail that has gone out, or may have."""

NOT_GOING: Final[frozenset[State]] = frozenset({"suppressed", "refused", "withdrawn"})
"""States of a mail that reached nobody, and so is no contact."""

PARTS: Final = 10_000


class Contact(NamedTuple):
    """A contact with a person or their account because of another answer."""

    response_id: str
    kind: ContactKind
    at: datetime
    own: bool = True
    """whether it was with this very person, and not another of the account"""


class Facts(NamedTuple):
    """All a decision knows besides the answer, gathered under the locks of the person and the account."""

    person: Person = Person()
    history: History = History()
    comment: str = ""
    said: frozenset[Said] = frozenset()
    contacts: Sequence[Contact] = ()
    spent: Mapping[str, int] = MappingProxyType({})
    """what each budget has given out in its period, by its name"""
    drawn_as: str = ""
    """the name under which the person is drawn into a hold-out"""
    account: str | None = None
    """hash of the account"""


@dataclass(frozen=True, slots=True)
class Objection:
    """Why an action is not taken, the evidence for it, and until when if it is only put off."""

    reason: Reason
    evidence: str | None = None
    until: datetime | None = None


def is_past(answer: Response) -> bool:
    """Whether an answer belongs to the past: marked so, or given more than seven days before it was received."""
    return answer.history or answer.received_at - answer.answered_at > PAST_AFTER


def is_stale(answer: Response, now: datetime) -> bool:
    """Whether routing itself was away for so long that a mail would surprise."""
    return now - answer.received_at > PAST_AFTER


def objection(answer: Response, rule: Rule, facts: Facts, policy: ContactPolicy, now: datetime) -> Objection | None:
    """Why a rule's action must not be taken now; none if it may. What a person wants is told first.

    Limits of the business come last but one, so that nobody uses them up who could not be contacted anyway; last
    comes what only puts off. A call that somebody asks for has no limits, unless they are to be called already.
    """
    kind = KIND_OF.get(rule.action)
    if kind is None:
        return None
    if kind == "task" and answer.callback_requested and not facts.history.open_task:
        return _unwilling(kind, rule.action, facts, policy)
    return (
        _unwilling(kind, rule.action, facts, policy)
        or _stale(kind, answer, now)
        or _held_out(rule.action, answer.band(), facts, policy)
        or _capped(kind, facts, policy, now)
        or _over_budget(rule.action, answer, facts, policy)
        or _quiet(kind, facts, policy, now)
    )


def _unwilling(kind: ContactKind, action: Action, facts: Facts, policy: ContactPolicy) -> Objection | None:
    """The person cannot be reached, or does not want to be. A task needs no address: people find a way."""
    if kind == "task":
        return Objection("opt_out", "does not want to be called") if "no_call" in facts.said else None
    if not facts.person.has_address:
        return Objection("no_address")
    if "opt_out" in facts.said or (kind == "survey" and "no_survey" in facts.said):
        return Objection("opt_out", f"does not want any {kind}")
    return Objection("bounced") if "bounced" in facts.said else _groundless(kind, action, facts, policy)


def _groundless(kind: ContactKind, action: Action, facts: Facts, policy: ContactPolicy) -> Objection | None:
    ground = getattr(policy.grounds, action)
    if ground == "none":
        return Objection("consent", f"policy.grounds.{action} states none")
    needed = "allows_survey" if kind == "survey" else "allows_mail"
    if ground == "consent" and needed not in facts.said:
        return Objection("consent", f"policy.grounds.{action} asks for consent, and none was given")
    return None


def _stale(kind: ContactKind, answer: Response, now: datetime) -> Objection | None:
    if kind == "task" or not is_stale(answer, now):
        return None
    return Objection("stale", f"received {answer.received_at:%Y-%m-%d}, and decided more than 7 days later")


def _held_out(action: Action, band: Band | None, facts: Facts, policy: ContactPolicy) -> Objection | None:
    hold_out = policy.hold_out
    if not hold_out.share or action not in hold_out.actions or not facts.drawn_as:
        return None
    if band == "detractor" and not hold_out.include_detractors:
        return None
    if drawn(f"{hold_out.name}/{facts.drawn_as}") >= hold_out.share:
        return None
    return Objection("hold_out", f"in {hold_out.name}, {hold_out.share:.1%} of people")


def drawn(name: str) -> float:
    """A number from 0 up to 1 that depends on the name alone, and on it evenly: in ten-thousandths."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) % PARTS / PARTS


def _capped(kind: ContactKind, facts: Facts, policy: ContactPolicy, now: datetime) -> Objection | None:
    for number, cap in enumerate(policy.caps):
        if cap.kind not in {kind, "any"}:
            continue
        met = [one for one in facts.contacts if _meets(one, cap, now)]
        if len(met) >= cap.at_most:
            last = max(met, key=lambda one: one.at)
            evidence = (
                f"policy.caps[{number}]: {len(met)} of {cap.at_most} {cap.kind} per {cap.per} in {_span(cap.within)}; "
                f"last {last.at:%Y-%m-%d %H:%M}Z for {last.response_id}"
            )
            return Objection("cap", evidence[:200])
    return None


def _meets(contact: Contact, cap: Cap, now: datetime) -> bool:
    return cap.kind in {contact.kind, "any"} and (cap.per == "account" or contact.own) and now - contact.at < cap.within


def _span(span: timedelta) -> str:
    return f"{span.days} d" if span % timedelta(days=1) == timedelta(0) else f"{span / timedelta(hours=1):g} h"


def _over_budget(action: Action, answer: Response, facts: Facts, policy: ContactPolicy) -> Objection | None:
    for budget in policy.budgets:
        concerns = budget.action == action and budget.channel in {None, answer.channel}
        if concerns and facts.spent.get(budget.name, 0) >= budget.at_most:
            return Objection("budget", f"{budget.name}: {budget.at_most} a {budget.per} are given out")
    return None


def _quiet(kind: ContactKind, facts: Facts, policy: ContactPolicy, now: datetime) -> Objection | None:
    if kind == "task":
        return None
    until = policy.quiet_until(facts.person.data.timezone, now)
    # not which clock that is: what is sealed stays so
    return Objection("quiet_hours", "policy.quiet_hours, by the person's own clock", until) if until else None
