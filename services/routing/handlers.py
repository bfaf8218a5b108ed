"""Gathers what a decision needs, has the domain decide, returns what to publish."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from schemas.consent import Consent
from schemas.decision import Reason
from schemas.delivery import Delivery
from schemas.personal_data import PersonalData
from schemas.response import Response
from schemas.topics import DECISIONS, MESSAGES, OUTREACH
from services.chassis.business import Sections
from services.chassis.clock import Clock
from services.chassis.consuming import Batch
from services.chassis.failures import Malformed
from services.chassis.keyring import Erased, Keyring
from services.chassis.logs import logger
from services.chassis.metrics import ChassisMetric, Metrics
from services.chassis.records import Cause, Outgoing, Received, outgoing
from services.chassis.sql import Transaction
from services.chassis.sql_dialect import lock
from services.chassis.suppressions import Word
from services.routing import sql_standings
from services.routing.domain import Decided, Standing, decide
from services.routing.metrics import RoutingMetric
from services.routing.policy import FROM_DELIVERY, IN_ORDER, Contact
from services.routing.settings import RoutingSection
from services.routing.tables import SUPPRESSIONS

_log = logger("routing")

LINK_ROUNDS = 3
"""How often links are read again before a batch is given back: they change while it waits for locks, if ever."""


@dataclass(frozen=True, slots=True)
class Person:
    """What sealed data tells a decision about one answer."""

    has_address: bool = False
    erased: bool = False
    account_id: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Routing:
    """The collaborators of routing's handlers."""

    sections: Sections[RoutingSection]
    keyring: Keyring
    clock: Clock
    metrics: Metrics[RoutingMetric | ChassisMetric]

    async def on_answers(self, transaction: Transaction, batch: Batch[Response]) -> Sequence[Outgoing]:
        """Decides about each answer, under the locks of every person and answer in the batch."""
        answers = [record.payload for record in batch.records]
        people = await self._people(answers)
        subjects = await self._locked(transaction, answers, people)
        standings = await sql_standings.load(transaction, {(a.tenant, a.response_id) for a in answers})
        reasons = await self._suppressed(transaction, answers, subjects)
        changed: dict[tuple[str, str], Standing] = {}
        records: list[Outgoing] = []
        for received, person in zip(batch.records, people, strict=True):
            answer = received.payload
            key = (answer.tenant, answer.response_id)
            contact = Contact(
                person.has_address, person.erased, reasons.get((answer.tenant, answer.subject)), person.language
            )
            try:
                playbook = self.sections.of(answer.tenant).playbook
            except Malformed as error:
                await batch.refuse(received.raw, error)
                continue
            outcome = decide(answer, standings[key], contact, playbook, self.clock.now())
            if isinstance(outcome, str):
                self._ignored(received, outcome)
                continue
            changed[key] = standings[key] = outcome.standing
            if isinstance(outcome, Decided):
                records += self._published(outcome, received, self.clock.now())
        await sql_standings.save(transaction, list(changed.values()))
        return records

    async def on_deliveries(self, transaction: Transaction, batch: Batch[Delivery]) -> Sequence[Outgoing]:
        """Learns from bounces, complaints and opt-outs."""
        learned = [
            Word(delivery.tenant, delivery.subject, FROM_DELIVERY[delivery.state], delivery.at)
            for delivery in (record.payload for record in batch.records)
            if delivery.state in FROM_DELIVERY and delivery.subject
        ]
        await SUPPRESSIONS.note(transaction, learned)
        return ()

    async def on_consents(self, transaction: Transaction, batch: Batch[Consent]) -> Sequence[Outgoing]:
        """Learns what people allow; the newest word holds. An opt-out is lifted for every subject of a person."""
        words: list[Word[Reason]] = []
        for consent in (record.payload for record in batch.records):
            if consent.purpose != "mail":
                continue
            linked = {consent.subject}
            if consent.granted:
                linked |= (await self.keyring.subjects_of(consent.tenant, [consent.subject]))[consent.subject]
            words += [Word(consent.tenant, one, "opt_out", consent.at, consent.granted) for one in sorted(linked)]
        await SUPPRESSIONS.note(transaction, words)
        return ()

    async def _people(self, answers: Sequence[Response]) -> list[Person]:
        """Opens what is sealed, as far as decisions need it."""
        sealed = [answer.sealed for answer in answers if answer.sealed]
        opened = iter(await self.keyring.open_all(sealed))
        return [_person(next(opened)) if answer.sealed else Person() for answer in answers]

    async def _locked(
        self, transaction: Transaction, answers: Sequence[Response], people: Sequence[Person]
    ) -> dict[tuple[str, str], frozenset[str]]:
        """Every subject of each person, read again under the locks of all of them."""
        accounts = {f"{a.tenant}/account/{p.account_id}" for a, p in zip(answers, people, strict=True) if p.account_id}
        ids = {f"{answer.tenant}/answer/{answer.response_id}" for answer in answers}
        linked = await self._linked(answers)
        for _ in range(LINK_ROUNDS):
            names = {f"{tenant}/subject/{one}" for (tenant, _), group in linked.items() for one in group}
            await transaction.run_sync(lock, accounts | names | ids)
            again = await self._linked(answers)
            if again == linked:
                break
            linked = again
        return linked

    async def _linked(self, answers: Iterable[Response]) -> dict[tuple[str, str], frozenset[str]]:
        by_tenant: dict[str, set[str]] = {}
        for answer in answers:
            if answer.subject:
                by_tenant.setdefault(answer.tenant, set()).add(answer.subject)
        return {
            (tenant, subject): group
            for tenant, subjects in by_tenant.items()
            for subject, group in (await self.keyring.subjects_of(tenant, subjects)).items()
        }

    async def _suppressed(
        self, transaction: Transaction, answers: Sequence[Response], linked: dict[tuple[str, str], frozenset[str]]
    ) -> dict[tuple[str, str | None], Reason]:
        """The reason not to write to each person, by any of their subjects."""
        found: dict[tuple[str, str | None], Reason] = {}
        for tenant in {answer.tenant for answer in answers}:
            groups = {subject: group for (owner, subject), group in linked.items() if owner == tenant}
            everyone = frozenset().union(*groups.values()) if groups else frozenset()
            reasons = await SUPPRESSIONS.in_force(transaction, tenant, everyone)
            for subject, group in groups.items():
                hold = frozenset().union(*(reasons.get(one, ()) for one in group))
                reason = next((one for one in IN_ORDER if one in hold), None)
                if reason:
                    found[tenant, subject] = reason
        return found

    def _published(self, decided: Decided, received: Received[Response], now: datetime) -> list[Outgoing]:
        decision = decided.decision
        self.metrics.count(
            "nps_decisions_total", outcome=decision.outcome, action=decision.action, reason=decision.reason or ""
        )
        cause = Cause("routing", now, received.raw.traceparent)
        event_id = f"{decision.tenant}/{decision.response_id}/{decision.number}"
        records = [outgoing(DECISIONS, decision, event_id, cause)]
        if decided.message:
            records.append(outgoing(MESSAGES, decided.message, f"{event_id}/mail", cause))
        if decided.outreach:
            records.append(outgoing(OUTREACH, decided.outreach, f"{event_id}/task", cause))
        return records

    def _ignored(self, received: Received[Response], cause: str) -> None:
        self.metrics.count("nps_routing_ignored_total", cause=cause)
        if cause == "conflict":
            _log.warning(
                "answer.conflict",
                topic=received.raw.topic,
                partition=received.raw.partition,
                offset=received.raw.offset,
                response_id=received.payload.response_id,
            )


def _person(content: bytes | Erased) -> Person:
    if isinstance(content, Erased):
        return Person(erased=True)
    data = PersonalData.model_validate_json(content)
    return Person(bool(data.email), account_id=data.account_id, language=data.locale)
