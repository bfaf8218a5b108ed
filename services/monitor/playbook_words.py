"""A playbook in words: what a rule does besides its action, and the contact policy, each in a few short phrases."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Final, NamedTuple

from services.monitor.playbook import Budget, Cap, Policy, Rule

SECOND: Final = timedelta(seconds=1)
UNITS: Final = ((86_400, " day", " days"), (3_600, " h", " h"), (60, " min", " min"), (1, " s", " s"))
"""Seconds of each, and how one and many of it are called."""

INVITES: Final[Mapping[str, str]] = {"refer": "invites to tell a friend", "review": "invites to review in public"}

GROUNDS: Final[Mapping[str, str]] = {
    "consent": "whoever has agreed",
    "existing_customer": "customers who have not objected",
    "none": "on no stated ground",
}
GROUNDS_LEFT_OUT: Final[Mapping[str, str]] = {
    "perk": "existing_customer",
    "offer": "none",
    "survey_request": "existing_customer",
}
"""What routing takes where a playbook says nothing."""

CONTACTS: Final[Mapping[str, str]] = {"any": "contact", "survey": "survey request"}


def details(rule: Rule) -> list[str]:
    """What a rule says besides its condition and action."""
    return [*_PARAMETERS.get(rule.action, _none)(rule), *_waits(rule)]


def _mail(rule: Rule) -> Iterator[str]:
    if rule.template:
        yield f"template {rule.template}"
    if rule.invites:
        yield INVITES.get(rule.invites, f"invites to {rule.invites}")
    if rule.promised:
        yield "announced before the answer"
    if rule.cost:
        yield f"costs {rule.cost:.10g}"


def _task(rule: Rule) -> Iterator[str]:
    yield rule.urgency
    yield f"due in {span(rule.due_in)}"
    if rule.owner:
        yield f"owner {rule.owner}"


def _survey(rule: Rule) -> Iterator[str]:
    if rule.to:
        yield f"survey {rule.to}"
    if rule.ask_after:
        yield f"asks after {span(rule.ask_after)}"


def _notice(rule: Rule) -> Iterator[str]:
    if rule.to:
        yield f"to {rule.to}"


def _none(_rule: Rule) -> Iterator[str]:
    return iter(())


_PARAMETERS: Final[Mapping[str, Callable[[Rule], Iterator[str]]]] = {
    "perk": _mail,
    "offer": _mail,
    "outreach": _task,
    "survey_request": _survey,
    "notify": _notice,
}


def _waits(rule: Rule) -> Iterator[str]:
    if rule.settle:
        yield f"waits {span(rule.settle)} for a comment"
    if rule.holds_from and rule.holds_until:
        yield f"from {rule.holds_from} to {rule.holds_until}"
    elif rule.holds_from:
        yield f"from {rule.holds_from} on"
    elif rule.holds_until:
        yield f"until {rule.holds_until}"


class Line(NamedTuple):
    """One part of the policy; `condition` where it is CEL."""

    name: str
    texts: tuple[str, ...]
    condition: str | None = None


def policy_lines(policy: Policy) -> list[Line]:
    """The contact policy, a line a part."""
    found = [
        Line("Time zone", (policy.timezone,)),
        Line("Quiet hours", (_quiet(policy),)),
        Line("Caps", tuple(map(_cap, policy.caps)) or ("none",)),
        Line("Budgets", tuple(map(_budget, policy.budgets)) or ("none",)),
        Line("Hold-out", (_hold_out(policy),)),
        Line("Grounds", tuple(_grounds(policy))),
    ]
    if policy.left_when:
        found.append(Line("Customers who left", ("nobody is contacted for whom this holds",), policy.left_when))
    return found


def _quiet(policy: Policy) -> str:
    quiet = policy.quiet_hours
    if quiet is None:
        return "none"
    days = [f"{day.capitalize()}s" for day in quiet.days]
    always = f", and on {' and '.join(days)}" if days else ""
    return f"no mail from {quiet.begins:%H:%M} to {quiet.ends:%H:%M} by the customer's clock{always}"


def _cap(cap: Cap) -> str:
    kind = _many(CONTACTS.get(cap.kind, cap.kind), cap.at_most)
    return f"{cap.at_most:,} {kind} per {cap.per} within {span(cap.within)}"


def _budget(budget: Budget) -> str:
    of = f" for answers by {_plain(budget.channel)}" if budget.channel else ""
    return f"{budget.name}: {budget.at_most:,} {_many(_plain(budget.action), budget.at_most)} a {budget.per}{of}"


def _hold_out(policy: Policy) -> str:
    held = policy.hold_out
    if not held.share:
        return "nobody"
    nothing = " and ".join(f"no {_plain(action)}" for action in sorted(held.actions))
    also = "detractors too" if held.include_detractors else "never detractors"
    return f"{held.name}: {held.share * 100:.10g} % of people get {nothing}; {also}"


def _grounds(policy: Policy) -> Iterator[str]:
    for action, ground in {**GROUNDS_LEFT_OUT, **policy.grounds}.items():
        yield f"{_plain(action)}: {GROUNDS.get(ground, ground)}"


def span(length: timedelta) -> str:
    """How long, in words: `4 h`, `10 min`, `1 day 12 h`."""
    left, found = round(length / SECOND), []
    for seconds, one, many in UNITS:
        number, left = divmod(left, seconds)
        if number:
            found.append(f"{number}{one if number == 1 else many}")
    return " ".join(found) or "0 s"


def _plain(word: str) -> str:
    return word.replace("_", " ")


def _many(noun: str, number: int) -> str:
    return noun if number == 1 or noun == "outreach" else f"{noun}s"
