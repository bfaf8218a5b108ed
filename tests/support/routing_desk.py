"""Routing without Kafka and SQL: the domain and the gathering as they are, over what a dictionary remembers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from schemas.consent import Consent
from schemas.delivery import Delivery
from schemas.personal_data import PersonalData
from schemas.response import Response
from schemas.sealed import Sealed
from schemas.task import Task
from services.routing.contact_policy import Budget, period_start
from services.routing.domain import Decided, Ignored, Noted, Standing, decide, fire, heard_of_mail, heard_of_task
from services.routing.gathering import Gathered, People, Who
from services.routing.playbooks.rulebook import Rulebook
from services.routing.playbooks.situation import Person
from services.routing.policy import KIND_OF, Said
from services.routing.sql_standings import trace_of

TENANT: Final = "default"


def sealed_as(name: str) -> Sealed:
    """What stands for sealed data: `Acquaintances` know by its nonce what it says."""
    return Sealed(kid="0" * 32, nonce=name, ciphertext="")


class Acquaintances(People):
    """People who are known without a keyring, by the nonce of what is sealed."""

    def __init__(self, known: dict[str, PersonalData]) -> None:
        self.known: Final = known

    def behind(self, sealed: Sealed | None) -> Person:
        return Person(self.known[sealed.nonce]) if sealed else Person()

    def account_of(self, sealed: Sealed | None) -> str | None:
        return self.known[sealed.nonce].account_id if sealed else None


@dataclass
class Desk:
    """What routing's handlers do, one batch at a time. `said` is what people said: since when, and until when."""

    rulebook: Rulebook
    people: dict[str, PersonalData] = field(default_factory=dict)
    linked: Mapping[str, frozenset[str]] = field(default_factory=dict)
    standings: dict[str, Standing] = field(default_factory=dict)
    decided: list[Decided] = field(default_factory=list)
    words: dict[tuple[str, Said], tuple[datetime | None, datetime | None]] = field(default_factory=dict)

    def answers(self, batch: Sequence[Response], now: datetime) -> list[Decided | Noted | Ignored]:
        """Decides about each, with the facts as they were at the beginning and what was decided since."""
        gathered, outcomes = self._gathered(now), []
        for event in batch:
            before = self.standing(event.response_id)
            facts = gathered.facts_for(event, before, self.rulebook, now)
            outcomes.append(self._take(gathered, before, decide(event, before, facts, self.rulebook, now), now))
        return outcomes

    def due(self, now: datetime) -> list[Decided | Noted | Ignored]:
        """Decides about all that has waited for long enough, what waited longest first."""
        waiting = [one for one in self.standings.values() if one.due_at and one.due_at <= now]
        gathered, outcomes = self._gathered(now), []
        for standing in sorted(waiting, key=lambda one: (one.due_at, one.response_id)):
            assert standing.answer is not None  # only what has arrived waits
            facts = gathered.facts_for(standing.answer, standing, self.rulebook, now)
            outcomes.append(self._take(gathered, standing, fire(standing, facts, self.rulebook, now), now))
        return outcomes

    def mail(self, delivery: Delivery) -> None:
        """Hears what became of a mail."""
        standing = self.standing(delivery.response_id)
        if standing.number:
            self.standings[delivery.response_id] = heard_of_mail(delivery, standing)

    def task(self, task: Task) -> None:
        """Hears what became of a task."""
        standing = self.standing(task.response_id)
        if standing.number:
            self.standings[task.response_id] = heard_of_task(task, standing)

    def word(self, consent: Consent, said: Said, *, lifts: bool) -> None:
        """Hears what a person says, for all their subjects."""
        for subject in self.linked.get(consent.subject, {consent.subject}):
            since, lifted = self.words.get((subject, said), (None, None))
            newer = max(filter(None, (consent.at, lifted if lifts else since)))
            self.words[subject, said] = (since, newer) if lifts else (newer, lifted)

    def standing(self, response_id: str) -> Standing:
        """How an answer stands."""
        return self.standings.get(response_id, Standing(TENANT, response_id))

    def _take(
        self, gathered: Gathered, before: Standing, outcome: Decided | Noted | Ignored, now: datetime
    ) -> Decided | Noted | Ignored:
        if not isinstance(outcome, str):
            gathered.decided(before, outcome.standing, self.rulebook.policy, now)
            self.standings[before.response_id] = outcome.standing
        if isinstance(outcome, Decided):
            self.decided.append(outcome)
        return outcome

    def _gathered(self, now: datetime) -> Gathered:
        linked: dict[Who, frozenset[str]] = {(TENANT, one): group for one, group in self.linked.items()}
        said = {who: frozenset(self._in_force(group)) for who, group in linked.items()}
        spent = {(TENANT, one.name): self._spent(one, now) for one in self.rulebook.policy.budgets}
        gathered = Gathered(Acquaintances(self.people), linked, said, spent)
        for standing in self.standings.values():
            gathered.note(trace_of(standing))
        return gathered

    def _in_force(self, subjects: Iterable[str]) -> Iterable[Said]:
        for (subject, said), (since, lifted) in self.words.items():
            if subject in subjects and since and (lifted is None or lifted < since):
                yield said

    def _spent(self, budget: Budget, now: datetime) -> int:
        begun = period_start(budget.per, self.rulebook.policy.timezone, now)
        moments = [
            getattr(one, f"{KIND_OF[budget.action]}_at")
            for one in self.standings.values()
            if budget.channel in {None, one.channel}
            and (budget.action not in {"perk", "offer"} or one.mail == budget.action)
        ]
        return sum(at is not None and at >= begun for at in moments)
