"""What the `nps` command does of routing's: starting again after its database was lost or restored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import delete

from schemas.decision import Decision
from schemas.message import Message
from schemas.outreach_request import OutreachRequest
from schemas.topic import Topic
from schemas.topics import CONSENTS, DECISIONS, DELIVERIES, MESSAGES, OUTREACH, PLAYBOOKS, TASKS
from services.chassis.business import Business
from services.chassis.clock import Clock
from services.chassis.consuming import Batch
from services.chassis.failures import Malformed
from services.chassis.kafka import Kafka
from services.chassis.keyring import open_keyring
from services.chassis.metrics import CHASSIS_METRICS, ChassisMetric, Metrics
from services.chassis.records import Raw
from services.chassis.recovering import Replay, begin_anew, open_replay, set_group_offsets, wait_until_alone
from services.chassis.sql import Transaction
from services.chassis.sql_service import Handler, open_own_database
from services.routing import READS, sql_playbooks, sql_standings
from services.routing.app import GROUP, OUTLINE
from services.routing.domain import Standing
from services.routing.handlers import Routing
from services.routing.metrics import ROUTING_METRICS, RoutingMetric
from services.routing.policy import MAILS
from services.routing.rulebooks import Rulebooks
from services.routing.settings import RoutingSection, RoutingSettings
from services.routing.tables import ROUTING

C = TypeVar("C", Message, OutreachRequest)

Key = tuple[str, str]
"""Tenant and response id."""


@dataclass(slots=True)
class Recovered:
    """What was found."""

    decisions: int = 0
    answers: int = 0

    def __str__(self) -> str:
        return f"{self.decisions} decisions about {self.answers} answers; answers are read again from the first on"


async def recover(settings: RoutingSettings, business: Business, clock: Clock) -> Recovered:
    """Rebuilds what was decided from what was published; what was decided stays, the rest is decided when read again.

    Answers are read again from the first on: those with a decision change nothing, so nobody is contacted twice. What
    people said and what became of mails and tasks is there before the first of them is decided about.

    Raises:
        Halt: if a replica of routing still runs.
        Transient: if Kafka or the database does not answer; doing it again puts it right.
    """
    kafka, found = Kafka(settings), Recovered()
    metrics: Metrics[ChassisMetric | RoutingMetric] = Metrics(CHASSIS_METRICS, ROUTING_METRICS)
    await wait_until_alone(kafka, GROUP)
    async with (
        open_own_database(OUTLINE, settings, clock) as (database, _),
        open_keyring(settings, clock) as keyring,
        open_replay(kafka) as replay,
    ):
        routing = Routing(Rulebooks(business.sections("routing", RoutingSection)), keyring, clock, metrics)
        starts = await replay.starts(READS)
        async with database.begin() as transaction:
            for table in ROUTING.sorted_tables:
                await transaction.execute(delete(table))
            await _replay_decisions(transaction, replay, found)
            await _replay_commands(transaction, replay, MESSAGES, _with_mail)
            await _replay_commands(transaction, replay, OUTREACH, _with_task)
            await _replay_playbooks(transaction, replay)
            await _replay_word(transaction, replay, DELIVERIES, routing.on_deliveries)
            await _replay_word(transaction, replay, TASKS, routing.on_tasks)
            await _replay_word(transaction, replay, CONSENTS, routing.on_consents)
            here = {(kafka.name_here(topic), number): offset for (topic, number), offset in starts.items()}
            await begin_anew(transaction, GROUP, here, clock)
    await set_group_offsets(kafka, GROUP, starts)
    return found


async def _replay_decisions(transaction: Transaction, replay: Replay, found: Recovered) -> None:
    async for batch in replay.batches(DECISIONS):
        decisions = [record.payload for record in batch]
        standings = await sql_standings.load(transaction, {_key(decision) for decision in decisions})
        found.answers += sum(1 for standing in standings.values() if standing.number == 0)
        for decision in decisions:
            standing = standings[_key(decision)]
            if decision.number > standing.number:
                standings[_key(decision)] = _decided(standing, decision)
        await sql_standings.save(transaction, list(standings.values()))
        found.decisions += len(decisions)


def _decided(standing: Standing, decision: Decision) -> Standing:
    """How an answer stands after a decision. What it says is noted again as soon as it is read again."""
    at = decision.decided_at
    does = decision.action if decision.outcome == "action" else None
    told = (*decision.notices, *((decision.rule,) if does in {"notify", "survey_request"} and decision.rule else ()))
    return standing._replace(
        revision=decision.response_revision,
        number=decision.number,
        past=standing.past or decision.reason == "history",
        rule=decision.rule,
        first_decided_at=standing.first_decided_at or at,
        subject=decision.subject or standing.subject,
        account=decision.account or standing.account,
        channel=decision.channel or standing.channel,
        due_at=decision.until if decision.outcome == "held" else None,
        mail_at=(standing.mail_at or at) if does in MAILS else None,
        task_at=(standing.task_at or at) if does == "outreach" else None,
        survey_at=standing.survey_at or (at if does == "survey_request" else None),
        told=tuple(dict.fromkeys((*standing.told, *told))),
    )


async def _replay_playbooks(transaction: Transaction, replay: Replay) -> None:
    async for batch in replay.batches(PLAYBOOKS):
        for record in batch:
            await sql_playbooks.keep(transaction, record.payload)


async def _replay_commands(
    transaction: Transaction, replay: Replay, topic: Topic[C], noted: Callable[[Standing, C], Standing]
) -> None:
    """What is desired of each answer is what its newest command says."""
    async for batch in replay.batches(topic):
        newest: dict[Key, C] = {}
        for record in batch:
            key = _key(record.payload)
            if key not in newest or record.payload.revision > newest[key].revision:
                newest[key] = record.payload
        standings = await sql_standings.load(transaction, set(newest))
        await sql_standings.save(transaction, [noted(standings[key], command) for key, command in newest.items()])


async def _replay_word(
    transaction: Transaction,
    replay: Replay,
    topic: Topic[Any],  # payloads of any type
    hear: Handler[Any],  # likewise
) -> None:
    """What others said is heard as it was the first time."""

    async def refuse(_raw: Raw, error: Malformed) -> None:
        raise error  # what could be read once can be read again

    async for batch in replay.batches(topic):
        await hear(transaction, Batch(topic.name, (), tuple(batch), refuse))


def _with_mail(standing: Standing, message: Message) -> Standing:
    return standing._replace(mail=message.command)


def _with_task(standing: Standing, request: OutreachRequest) -> Standing:
    return standing._replace(task=request.command)


def _key(payload: Decision | Message | OutreachRequest) -> Key:
    return payload.tenant, payload.response_id
