"""Gathers what a decision needs, has the domain decide, returns what to publish."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from schemas.consent import Consent, Purpose
from schemas.delivery import Delivery
from schemas.response import Response
from schemas.shadow_decision import ShadowDecision
from schemas.task import Task
from schemas.topics import DECISIONS, MESSAGES, NOTICES, OUTREACH, SHADOW_DECISIONS
from services.chassis.clock import Clock
from services.chassis.consuming import Batch
from services.chassis.failures import Malformed, Transient
from services.chassis.keyring import Keyring
from services.chassis.logs import logger
from services.chassis.metrics import ChassisMetric, Metrics
from services.chassis.records import Cause, Outgoing, Received, outgoing
from services.chassis.sql import Transaction
from services.chassis.sql_dialect import lock
from services.chassis.suppressions import Word
from services.routing import sql_standings
from services.routing.domain import (
    Decided,
    Ignored,
    Noted,
    Standing,
    decide,
    fire,
    heard_of_mail,
    heard_of_task,
    wanted_for,
)
from services.routing.gathering import Gathered, People, Who, gather
from services.routing.metrics import RoutingMetric
from services.routing.playbooks.rulebook import Rulebook
from services.routing.policy import FROM_DELIVERY, GONE, NOT_GOING, Said
from services.routing.rulebooks import Deciding, Rulebooks
from services.routing.sql_standings import AnswerKey
from services.routing.tables import SUPPRESSIONS

_log = logger("routing")

LINK_ROUNDS = 3
"""How often links are read again before a batch is given back: they change while it waits for locks, if ever."""

UNDECIDABLE: Final = timedelta(minutes=1)
"""How long what is due waits on that, after a recovery, has not been read again; or whose tenant nobody knows now."""


@dataclass(slots=True)
class _Case:
    """What a batch is decided by, at one moment, and what has come of it so far."""

    now: datetime
    deciding: Deciding
    standings: dict[AnswerKey, Standing]
    gathered: Gathered
    changed: set[AnswerKey] = field(default_factory=set)
    records: list[Outgoing] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Routing:
    """The collaborators of routing's handlers."""

    rulebooks: Rulebooks
    keyring: Keyring
    clock: Clock
    metrics: Metrics[RoutingMetric | ChassisMetric]

    async def on_answers(self, transaction: Transaction, batch: Batch[Response]) -> Sequence[Outgoing]:
        """Decides about each answer, under the locks of every person, account and answer in the batch."""
        answers = [record.payload for record in batch.records]
        late = {_key(answer) for answer in answers if answer.op == "commented"}
        case = await self._opened(transaction, answers, await sql_standings.load(transaction, late))
        for received in batch.records:
            try:
                self._decide(case, received)
            except Malformed as error:
                await batch.refuse(received.raw, error)
        return await self._closed(transaction, case)

    async def on_due(self, transaction: Transaction, keys: Sequence[AnswerKey]) -> tuple[int, Sequence[Outgoing]]:
        """Decides about answers that have waited for long enough; returns how many, and what to publish.

        What cannot be decided yet waits on: what has not been read again, or is of a tenant nobody knows any more.
        """
        now, waiting = self.clock.now(), await sql_standings.load(transaction, keys)
        answers = [one.answer for one in waiting.values() if one.answer and self.rulebooks.knows(one.tenant)]
        undecidable = waiting.keys() - {_key(answer) for answer in answers}
        if undecidable:
            await sql_standings.put_off(transaction, undecidable, now + UNDECIDABLE)
        case = await self._opened(transaction, answers, waiting)
        for answer in answers:
            before = case.standings[_key(answer)]
            if before.answer == answer:  # else it has changed meanwhile, and was gathered for somebody else perhaps
                rulebook = case.deciding.of(answer.tenant)
                facts = case.gathered.facts_for(answer, before, rulebook, case.now)
                self._take(case, before, fire(before, facts, rulebook, case.now), Cause("routing", case.now))
        return len(case.changed), await self._closed(transaction, case)

    async def on_deliveries(self, transaction: Transaction, batch: Batch[Delivery]) -> Sequence[Outgoing]:
        """Learns from bounces, complaints and opt-outs, and which mails have gone and which reach nobody."""
        deliveries = [record.payload for record in batch.records]
        learned = [
            Word(one.tenant, one.subject, FROM_DELIVERY[one.state], one.at)
            for one in deliveries
            if one.state in FROM_DELIVERY and one.subject
        ]
        await SUPPRESSIONS.note(transaction, learned)
        told = [one for one in deliveries if one.state in GONE | NOT_GOING]
        await self._amend(transaction, [(_key(one), partial(heard_of_mail, one)) for one in told])
        return ()

    async def on_tasks(self, transaction: Transaction, batch: Batch[Task | None]) -> Sequence[Outgoing]:
        """Learns which tasks are closed. A tombstone tells nothing that routing does not know."""
        tasks = [record.payload for record in batch.records if record.payload]
        await self._amend(transaction, [(_key(task), partial(heard_of_task, task)) for task in tasks])
        return ()

    async def on_consents(self, transaction: Transaction, batch: Batch[Consent]) -> Sequence[Outgoing]:
        """Learns what people allow; the newest word holds. What is taken back is so for every subject of a person."""
        words: list[Word[Said]] = []
        for consent in (record.payload for record in batch.records):
            linked = (await self.keyring.subjects_of(consent.tenant, [consent.subject]))[consent.subject]
            words += _words(consent, linked | {consent.subject})
        await SUPPRESSIONS.note(transaction, words)
        return ()

    async def _opened(
        self, transaction: Transaction, events: Sequence[Response], stored: Mapping[AnswerKey, Standing]
    ) -> _Case:
        """All that deciding about these events needs, held under locks. `stored` are answers they may be about."""
        people = People(self.keyring)
        concerned = [*events, *(standing.answer for standing in stored.values() if standing.answer)]
        await people.meet(concerned)
        deciding = await self.rulebooks.deciding(transaction, {event.tenant for event in events})
        linked = await self._locked(transaction, concerned, people.lock_names(concerned) | deciding.lock_names)
        standings = await sql_standings.load(transaction, {_key(event) for event in events})
        await people.meet(filter(None, (one for s in standings.values() for one in (s.answer, s.comment))))
        now = self.clock.now()
        return _Case(now, deciding, standings, await gather(transaction, people, linked, deciding.active, now))

    def _decide(self, case: _Case, received: Received[Response]) -> None:
        """Decides about one event.

        Raises:
            Malformed: if nobody knows its tenant.
        """
        event, now = received.payload, case.now
        rulebook = case.deciding.of(event.tenant)
        before = case.standings[_key(event)]
        facts = case.gathered.facts_for(event, before, rulebook, now)
        outcome = decide(event, before, facts, rulebook, now)
        if outcome == "conflict":
            _log.warning(
                "answer.conflict",
                topic=received.raw.topic,
                partition=received.raw.partition,
                offset=received.raw.offset,
                response_id=event.response_id,
            )
        self._take(case, before, outcome, Cause("routing", now, received.raw.traceparent))

    def _take(self, case: _Case, before: Standing, outcome: Decided | Noted | Ignored, cause: Cause) -> None:
        """Takes in what was decided: whoever comes next in the batch is decided about with it."""
        if isinstance(outcome, str):
            self.metrics.count("nps_routing_ignored_total", cause=outcome)
            return
        after, now = outcome.standing, cause.now
        key = after.tenant, after.response_id
        rulebook = case.deciding.of(after.tenant)
        if isinstance(outcome, Decided):
            case.records += self._published(outcome, cause)
            shadow = case.deciding.shadow.get(after.tenant)
            if shadow and outcome.decision.reason != "settling":
                case.records.append(_shadowed(case, before, outcome, shadow, cause))
        case.gathered.decided(before, after, rulebook.policy, now)
        case.standings[key] = after
        case.changed.add(key)

    async def _closed(self, transaction: Transaction, case: _Case) -> Sequence[Outgoing]:
        await sql_standings.save(transaction, [case.standings[key] for key in sorted(case.changed)])
        return case.records

    async def _amend(
        self, transaction: Transaction, changes: Sequence[tuple[AnswerKey, Callable[[Standing], Standing]]]
    ) -> None:
        """Notes what became of what answers led to, under their locks; of answers nobody decided about, nothing."""
        keys = {key for key, _ in changes}
        await transaction.run_sync(lock, {f"{tenant}/answer/{response_id}" for tenant, response_id in keys})
        known = await sql_standings.load(transaction, keys)
        amended = dict(known)
        for key, change in changes:
            if amended[key].number:
                amended[key] = change(amended[key])
        await sql_standings.save(transaction, [amended[key] for key in sorted(keys) if amended[key] != known[key]])

    async def _locked(
        self, transaction: Transaction, answers: Sequence[Response], others: AbstractSet[str]
    ) -> dict[Who, frozenset[str]]:
        """Every subject of each person, read again under the locks of all of them.

        Raises:
            Transient: if they have changed each time.
        """
        ids = {f"{answer.tenant}/answer/{answer.response_id}" for answer in answers}
        linked = await self._linked(answers)
        for _ in range(LINK_ROUNDS):
            names = {f"{tenant}/subject/{one}" for (tenant, _), group in linked.items() for one in group}
            await transaction.run_sync(lock, others | names | ids)
            again = await self._linked(answers)
            if again == linked:
                return linked
            linked = again
        raise Transient("links between subjects change faster than they can be locked")

    async def _linked(self, answers: Iterable[Response]) -> dict[Who, frozenset[str]]:
        by_tenant: dict[str, set[str]] = {}
        for answer in answers:
            if answer.subject:
                by_tenant.setdefault(answer.tenant, set()).add(answer.subject)
        return {
            (tenant, subject): group
            for tenant, subjects in by_tenant.items()
            for subject, group in (await self.keyring.subjects_of(tenant, subjects)).items()
        }

    def _published(self, decided: Decided, cause: Cause) -> list[Outgoing]:
        decision = decided.decision
        self.metrics.count(
            "nps_decisions_total", outcome=decision.outcome, action=decision.action, reason=decision.reason or ""
        )
        event_id = f"{decision.tenant}/{decision.response_id}/{decision.number}"
        records = [outgoing(DECISIONS, decision, event_id, cause)]
        if decided.message:
            records.append(outgoing(MESSAGES, decided.message, f"{event_id}/mail", cause))
        if decided.outreach:
            records.append(outgoing(OUTREACH, decided.outreach, f"{event_id}/task", cause))
        records += [outgoing(NOTICES, notice, str(notice.notice_id), cause) for notice in decided.notices]
        return records


def _shadowed(case: _Case, before: Standing, decided: Decided, shadow: Rulebook, cause: Cause) -> Outgoing:
    """What a playbook on trial would have decided, without waiting: of the same moment and the same facts."""
    decision, answer = decided.decision, decided.standing.answer
    assert answer is not None  # decided on
    facts = case.gathered.facts_for(answer, decided.standing, shadow, cause.now)
    as_before = before._replace(answer=answer, revision=decided.standing.revision, past=decided.standing.past)
    wanted = wanted_for(as_before, facts, shadow, cause.now)
    rule = wanted.rule.name if wanted.rule else None
    payload = ShadowDecision(
        tenant=decision.tenant,
        response_id=decision.response_id,
        number=decision.number,
        outcome=wanted.outcome,
        action=wanted.action,
        rule=rule,
        reason=wanted.reason,
        playbook=shadow.playbook.name,
        playbook_version=shadow.version,
        differs=(wanted.outcome, wanted.action, rule) != (decision.outcome, decision.action, decision.rule),
        decided_at=cause.now,
    )
    event_id = f"{decision.tenant}/{decision.response_id}/{decision.number}/{shadow.version}"
    return outgoing(SHADOW_DECISIONS, payload, event_id, cause)


def _key(payload: Response | Delivery | Task) -> AnswerKey:
    return payload.tenant, payload.response_id


_OBJECTS: Final[Mapping[Purpose, Said]] = {"mail": "opt_out", "survey": "no_survey", "call": "no_call"}
_ALLOWS: Final[Mapping[Purpose, Said]] = {"mail": "allows_mail", "survey": "allows_survey"}


def _words(consent: Consent, subjects: Iterable[str]) -> list[Word[Said]]:
    """What somebody's word means: an objection or its end, and an agreement or its end."""
    meant = [(_OBJECTS[consent.purpose], consent.granted)]
    if consent.purpose in _ALLOWS:
        meant.append((_ALLOWS[consent.purpose], not consent.granted))
    return [Word(consent.tenant, one, said, consent.at, lifts) for one in sorted(subjects) for said, lifts in meant]
