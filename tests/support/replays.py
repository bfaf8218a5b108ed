"""Streams of answers as they come in, and what routing's own domain decides about them one by one."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any, Literal

from schemas.personal_data import PersonalData
from schemas.response import Response
from schemas.sealed import Sealed
from services.chassis.keyring import Keyring
from services.routing.contact_policy import period_start
from services.routing.domain import Decided, Ignored, Noted, Standing, decide, fire
from services.routing.gathering import Gathered, People, uses
from services.routing.playbooks.rulebook import Rulebook
from services.routing.playbooks.situation import Person
from services.routing.policy import MAILS, Said
from services.routing.sql_standings import trace_of
from tests.support.answers import NOON, answered

TENANT = "default"
COMMENTS = ("", "", "late again, I am switching to a competitor", "all fine", "zrušit")
ZONES = (None, "Europe/Helsinki", "America/New_York", "Asia/Kolkata", "no/zone")


@dataclass(frozen=True)
class Came:
    """An answer's record, who is behind it, and their account."""

    answer: Response
    person: Person
    account: str | None = None


@dataclass
class Stream:
    """Answers of a few hundred people: given, edited, commented, retracted, repeated, over days."""

    chance: random.Random
    people: int = 150
    said: Mapping[str, frozenset[Said]] = field(default_factory=dict)

    def records(self, number: int, over: timedelta = timedelta(days=20)) -> list[Came]:
        """So many records in the order in which they arrive."""
        found: list[Came] = []
        while len(found) < number:
            at = NOON + self.chance.random() * over
            found += self._answer(f"r-{len(found)}", at)
        return sorted(found, key=lambda one: one.answer.received_at)

    def _answer(self, response_id: str, at: datetime) -> Iterator[Came]:
        chance = self.chance
        who = chance.randrange(self.people) if chance.random() < 0.9 else None
        first = self._record(response_id, at, who)
        yield first
        revision = 1
        for _ in range(chance.choice((0, 0, 0, 0, 0, 0, 1, 1, 2, 4))):
            later = at + timedelta(seconds=chance.choice((1, 60, 400, 2_000, 9_000, 200_000)))
            kind = chance.choice(("updated", "updated", "commented", "retracted", "excluded", "again", "conflict"))
            if kind == "again":
                yield replace(first, answer=first.answer.model_copy(update={"received_at": later}))
                continue
            if kind == "conflict":
                yield self._record(response_id, later, who, revision=chance.randrange(1, revision + 1))
                continue
            revision += 1
            whose = who if chance.random() < 0.9 else chance.randrange(self.people)
            yield self._record(response_id, later, None if kind == "retracted" else whose, revision=revision, op=kind)

    def _record(self, response_id: str, at: datetime, who: int | None, **given: Any) -> Came:
        chance = self.chance
        given = {"op": "submitted", "revision": 1} | given
        metric = chance.choice(("nps", "nps", "nps", "nps", "csat", "review"))
        answer = answered(
            chance.randrange(11) if metric == "nps" else None,
            response_id=response_id,
            metric=metric,
            rating=None if metric == "nps" else float(chance.randrange(1, 6)),
            channel=chance.choice(("email", "sms", "website")),
            segments=chance.choice(({}, {"country": "FI"}, {"plan": "enterprise"})),
            received_at=at.replace(microsecond=0),
            answered_at=at - timedelta(minutes=chance.choice((0, 0, 0, 5, 20_000))),
            callback_requested=chance.random() < 0.05,
            test=chance.random() < 0.03,
            history=chance.random() < 0.03,
            digest=f"{chance.getrandbits(128):032x}",
            subject=None if who is None else f"{who + 1:032x}",
            sealed=Sealed(kid="0" * 32, nonce=f"{chance.getrandbits(64):016x}", ciphertext=""),
            **given,
        )
        person = Person(erased=True) if who == 3 else Person(self._data(answer, who))
        return Came(answer, person, None if who is None else f"{who % 40:032x}")

    def _data(self, answer: Response, who: int | None) -> PersonalData:
        chance = self.chance
        comment = "late but written" if answer.op == "commented" else chance.choice(COMMENTS)
        if who is None:
            return PersonalData(comment=comment or None)
        return PersonalData(
            customer_id=f"c-{who}",
            account_id=f"a-{who % 40}",
            email=f"p{who}@example.org" if who % 7 else None,
            timezone=ZONES[who % 5],
            attributes={"account_value": str(who * 100), "status": "left" if who % 31 == 0 else "here"},
            comment=comment or None,
        )


class Behind(People):
    """Who is behind answers, told by a test."""

    def __init__(self, records: Sequence[Came]) -> None:
        super().__init__(Keyring.__new__(Keyring))  # nothing is opened
        for one in records:
            assert one.answer.sealed
            self._opened[one.answer.sealed.nonce] = one.person
            if one.account:
                self._accounts[one.answer.sealed.nonce] = TENANT, one.account


What = Literal["due", "done"]


class Domain:
    """Routing's own domain, fed with one record after the other by a clock that leaps from event to event."""

    def __init__(self, rulebook: Rulebook, records: Sequence[Came], said: Mapping[str, frozenset[Said]]) -> None:
        subjects = {one.answer.subject for one in records if one.answer.subject}
        self._rulebook = rulebook
        self._records = records
        self._gathered = Gathered(
            Behind(records),
            {(TENANT, one): frozenset({one}) for one in subjects},
            {(TENANT, one): words for one, words in said.items()},
        )
        self._timers: list[tuple[datetime, int, What, str]] = []
        self._numbers = count()
        self._begun: dict[str, datetime] = {}
        self._due: dict[str, datetime] = {}
        self.standings: dict[str, Standing] = {}
        self.decided: dict[str, tuple[Any, ...]] = {}
        self.mails = self.notices = self.surveys = 0
        self.cost = 0.0
        self.tasks: Counter[date] = Counter()

    def run(self) -> None:
        """Everything, and then whatever still waits."""
        for one in self._records:
            at = one.answer.received_at
            self._fire(at)
            answer = one.answer
            before = self.standings.get(answer.response_id, Standing(TENANT, answer.response_id))
            self._look_up_budgets(at)
            facts = self._gathered.facts_for(answer, before, self._rulebook, at)
            self._take(before, decide(answer, before, facts, self._rulebook, at), at)
        self._fire(None)

    def _fire(self, until: datetime | None) -> None:
        while self._timers and (until is None or self._timers[0][0] <= until):
            at, _, what, response_id = heapq.heappop(self._timers)
            before = self.standings[response_id]
            if what == "done":
                if before.task == "open" and self._due.get(response_id) == at:
                    self._note(before, before._replace(task_closed=True), at)
            elif before.due_at == at and before.answer:
                self._look_up_budgets(at)
                facts = self._gathered.facts_for(before.answer, before, self._rulebook, at)
                self._take(before, fire(before, facts, self._rulebook, at), at)

    def _look_up_budgets(self, at: datetime) -> None:
        """As routing does for each batch; here once a period, and in between they are kept."""
        policy = self._rulebook.policy
        for budget in policy.budgets:
            begun = period_start(budget.per, policy.timezone, at)
            if self._begun.get(budget.name) != begun:
                self._begun[budget.name] = begun
                used = sum(uses(trace_of(one), budget, policy, at) for one in self.standings.values())
                self._gathered.spent[TENANT, budget.name] = used

    def _take(self, before: Standing, outcome: Decided | Noted | Ignored, at: datetime) -> None:
        if isinstance(outcome, str):
            return
        after = outcome.standing
        if isinstance(outcome, Decided):
            decision = outcome.decision
            self.decided[after.response_id] = decision.outcome, decision.action, decision.rule, decision.reason
            if outcome.message and outcome.message.command in MAILS:
                rule = self._rulebook.rule_named(decision.rule)
                self.mails += 1
                self.cost += rule.cost if rule else 0
                after = after._replace(mail_gone=True)
            if outcome.outreach and outcome.outreach.command == "open":
                self.tasks[at.date()] += before.task is None
                assert outcome.outreach.due_at
                self._due[after.response_id] = outcome.outreach.due_at
                heapq.heappush(self._timers, (outcome.outreach.due_at, next(self._numbers), "done", after.response_id))
            if after.due_at:
                heapq.heappush(self._timers, (after.due_at, next(self._numbers), "due", after.response_id))
            for notice in outcome.notices:
                self.notices += notice.kind == "notify"
                self.surveys += notice.kind == "survey_request"
        self._note(before, after, at)

    def _note(self, before: Standing, after: Standing, at: datetime) -> None:
        self._gathered.decided(before, after, self._rulebook.policy, at)
        self.standings[after.response_id] = after
