"""Cases beside a playbook: an answer and what is known, and what must come of it. Run through what decides for real."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Self

from pydantic import AwareDatetime, Field, RootModel, ValidationError, field_validator, model_validator

from schemas.contract import Name, Points
from schemas.decision import Action, Reason
from schemas.decision import Decided as Outcome
from schemas.outreach_request import Priority
from schemas.personal_data import PersonalData
from schemas.response import Agent, Response, Submission
from services.chassis.business import Section
from services.routing.contact_policy import ContactKind
from services.routing.domain import Decided, Standing, decide, fire
from services.routing.playbooks.files import BadPlaybook, Source, read_list
from services.routing.playbooks.keywords import Keywords
from services.routing.playbooks.playbook import Playbook, Text
from services.routing.playbooks.rulebook import Rulebook
from services.routing.playbooks.situation import Earlier, History, Person, Situation, variables
from services.routing.policy import Contact, Facts, Said

MOST_CASES: Final = 2_000
MOST_WAITS: Final = 20
"""How often a case is decided again at the end of a wait."""

MOMENTS: Final = ("answered_at", "updated_at")

SOMEBODY: Final = "0" * 32
"""Subject of whoever has a customer id, an address or a number."""

Span = Annotated[timedelta, Field(ge=timedelta(0))]


class GivenPerson(Section):
    """What is known of a person besides what comes with their answer."""

    said: frozenset[Said] = Field(default=frozenset(), description="what they want, and what became of mails to them")
    erased: bool = Field(default=False, description="their data have been erased")
    drawn_as: str = Field(default="", description="name under which they are drawn into a hold-out")


class GivenEarlier(Section):
    """An earlier answer of the same person to the one question."""

    score: Points
    ago: Span = Field(description="how long before this one, as P30D")


class GivenHistory(Section):
    """What the person has answered before."""

    earlier: tuple[GivenEarlier, ...] = ()
    open_task: bool = Field(default=False, description="somebody is at it")


class GivenContact(Section):
    """A contact because of another answer."""

    kind: ContactKind
    ago: Span = Field(description="how long before this answer, as P2D")
    own: bool = Field(default=True, description="with this very person, and not with another of the account")


class Expected(Section):
    """What must come of a case. What is left out may be anything; `rule: null` says that none decides."""

    outcome: Outcome
    action: Action | None = None
    rule: Name | None = None
    reason: Reason | None = None
    template: Name | None = Field(default=None, description="of the mail")
    urgency: Priority | None = Field(default=None, description="of the task")
    owner: str | None = Field(default=None, description="of the task")
    due_in: timedelta | None = Field(default=None, description="of the task, from when it is opened")
    notices: frozenset[Name] | None = Field(default=None, description="rules that tell somebody")


class Case(Section):
    """One case. Waits are waited for, unless it expects `held`."""

    name: Text
    answer: Submission = Field(description="as a sender publishes it")
    person: GivenPerson = Field(default_factory=GivenPerson)
    history: GivenHistory = Field(default_factory=GivenHistory)
    contacts: tuple[GivenContact, ...] = ()
    spent: dict[Name, Annotated[int, Field(ge=0)]] = Field(
        default_factory=dict, description="what budgets have given out already"
    )
    now: AwareDatetime | None = Field(
        default=None, description="when the answer comes; today at noon (UTC), if left out"
    )
    expect: Expected

    @field_validator("answer", mode="before")
    @classmethod
    def _with_moments(cls, given: object) -> object:
        """Moments may be written in quotes, as in JSON, or without, as YAML has them."""
        if not isinstance(given, dict):
            return given
        return {field: _moment(value) if field in MOMENTS else value for field, value in given.items()}

    @model_validator(mode="after")
    def _is_of_an_answer(self) -> Self:
        if self.answer.op == "commented":
            raise ValueError("answer: op: a case is about a whole answer; give its comment with it")
        return self


def _moment(value: object) -> object:
    """A moment; whatever it is, where it is none: its model says so."""
    with suppress(ValueError):
        return datetime.fromisoformat(value) if isinstance(value, str) else value
    return value


class CasesFile(RootModel[Annotated[tuple[Case, ...], Field(min_length=1, max_length=MOST_CASES)]]):
    """Cases, in a file beside their playbook."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A case of which something else came than was expected."""

    place: str
    case: str
    expected: str
    got: str
    because: str

    def __str__(self) -> str:
        return f"{self.place}: {self.case}: expected {self.expected}, got {self.got} because {self.because}"


@dataclass(frozen=True, slots=True)
class Cases:
    """Cases that were read, with their places."""

    cases: tuple[Case, ...]
    source: Source

    def failures(self, playbook: Playbook, today: datetime) -> Iterator[Failure]:
        """Runs every case; `today` is when an answer comes that does not say."""
        rulebook = Rulebook.of(playbook)
        for index, case in enumerate(self.cases):
            decided = _decided(case, rulebook, today)
            got = _got(decided)
            given = [field for field in Expected.model_fields if field in case.expect.model_fields_set]
            wanted = {field: getattr(case.expect, field) for field in given}
            wrong = [field for field, value in wanted.items() if got.get(field) != value]
            if wrong:
                place = self.source.place((index, "expect", wrong[0]))
                told = [f"{field} {_shown(values[field])}" for values in (wanted, got) for field in wrong]
                expected, found = told[: len(wrong)], told[len(wrong) :]
                because = _because(case, decided, rulebook, today)
                yield Failure(place, case.name, ", ".join(expected), ", ".join(found), because)


def parse_cases(text: str, name: str) -> Cases:
    """Cases from YAML; `name` stands before each line of the message.

    Raises:
        BadPlaybook: listing everything that is wrong.
    """
    source = read_list(text, name)
    try:
        return Cases(CasesFile.model_validate(source.tree).root, source)
    except ValidationError as error:
        raise BadPlaybook(source.told(error)) from error


def _decided(case: Case, rulebook: Rulebook, today: datetime) -> Decided:
    """The decision that stands at last; the first one, if the case expects that it waits."""
    answer = _response(case.answer, case.now or today)
    facts = _facts(case, answer)
    outcome = decide(answer, Standing(answer.tenant, answer.response_id), facts, rulebook, answer.received_at)
    assert isinstance(outcome, Decided)  # nothing was known of this answer
    for _ in range(0 if case.expect.outcome == "held" else MOST_WAITS):
        until = outcome.decision.until
        if outcome.decision.outcome != "held" or until is None:
            break
        later = fire(outcome.standing, facts, rulebook, until)
        assert isinstance(later, Decided)  # it is due
        outcome = later
    return outcome


def _response(given: Submission, now: datetime) -> Response:
    """An answer as intake would settle it."""
    agent = Agent(id=given.agent.id, team=given.agent.team) if given.agent else None
    own = {"touchpoint": given.touchpoint, "agent": agent and agent.id, "team": agent and agent.team}
    taken = {field: getattr(given, field) for field in Submission.model_fields.keys() & Response.model_fields.keys()}
    known = given.customer_id or given.email or given.phone
    return Response.of_sound(
        taken
        | {
            "tenant": given.tenant or "default",
            "response_id": given.response_id or "case",
            "revision": given.revision or 1,
            "channel": given.channel or "website",
            "subject": SOMEBODY if known else None,
            "segments": given.segments | {key: value for key, value in own.items() if value},
            "agent": agent,
            "answered_at": given.answered_at or now,
            "received_at": now,
            "digest": SOMEBODY,
            "sealed": None,
        }
    )


def _facts(case: Case, answer: Response) -> Facts:
    given = case.answer
    fields = PersonalData.model_fields.keys() & Submission.model_fields.keys()
    data = PersonalData.model_validate({field: getattr(given, field) for field in fields})
    earlier = sorted(case.history.earlier, key=lambda one: one.ago)
    return Facts(
        person=Person(data, erased=case.person.erased),
        history=History(
            [Earlier(one.score, answer.answered_at - one.ago) for one in earlier], open_task=case.history.open_task
        ),
        comment=given.comment or "",
        said=case.person.said,
        contacts=[Contact("another", one.kind, answer.received_at - one.ago, own=one.own) for one in case.contacts],
        spent=case.spent,
        drawn_as=case.person.drawn_as,
    )


def _got(decided: Decided) -> dict[str, Any]:  # of the types of an expectation
    decision, task = decided.decision, decided.outreach
    asked = task if task and task.command == "open" else None
    return {
        "outcome": decision.outcome,
        "action": decision.action,
        "rule": decision.rule,
        "reason": decision.reason,
        "template": decided.message.template if decided.message else None,
        "urgency": asked.priority if asked else None,
        "owner": asked.owner if asked else None,
        "due_in": asked.due_at - (decided.standing.task_at or decision.decided_at) if asked and asked.due_at else None,
        "notices": frozenset(notice.rule for notice in decided.notices),
    }


def _because(case: Case, decided: Decided, rulebook: Rulebook, today: datetime) -> str:
    """Why this came of it, in terms of the playbook."""
    decision = decided.decision
    told = [f"{decision.rule} decides" if decision.rule else "no rule holds"]
    if decision.reason:
        told.append(f"{decision.reason}: {decision.detail}" if decision.detail else decision.reason)
    if decision.until:
        told.append(f"it waits until {decision.until:%Y-%m-%d %H:%M}Z")
    wanted = rulebook.rule_named(case.expect.rule)
    if case.expect.rule and wanted is None:
        told.append(f"no rule is called {case.expect.rule}")
    elif wanted is not None and wanted.name != decision.rule:
        told.append(f"{wanted.name} {_as_asked(case, wanted.name, rulebook, today)}")
    return "; ".join(told)


def _as_asked(case: Case, name: str, rulebook: Rulebook, today: datetime) -> str:
    """How another rule answers to the case."""
    rule = rulebook.rule_named(name)
    assert rule is not None  # looked up before
    answer = _response(case.answer, case.now or today)
    facts = _facts(case, answer)
    if not rule.holds_on(answer.received_at.date()):
        return "is not in force that day"
    found = Keywords(rulebook.playbook.keywords).found_in(facts.comment)
    situation = Situation(answer, facts.person, facts.history, facts.comment, found)
    return rulebook.playbook.condition(rule.when).verdict(variables(situation))


def _shown(value: Any) -> str:  # of the types of an expectation
    if isinstance(value, frozenset):
        return ", ".join(sorted(value)) or "none"
    if isinstance(value, timedelta):
        return f"{value / timedelta(hours=1):g} h"
    return "none" if value is None else str(value)


def covered(cases: Cases, playbook: Playbook, today: datetime) -> Mapping[str, int]:
    """How many cases each rule decides, by its name; rules that no case reaches have 0."""
    rulebook = Rulebook.of(playbook)
    counts = {rule.name: 0 for rule in playbook.rules}
    for case in cases.cases:
        decided = _decided(case, rulebook, today)
        for name in {decided.decision.rule, *decided.decision.notices} & counts.keys():
            counts[str(name)] += 1
    return counts
