"""Reads topics as they stand, for commands that show something: newest records by key, and the trace of one answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from schemas.cloudevents import first_header
from schemas.contract import Contract
from schemas.malformed import Malformed
from schemas.message import effect_id
from schemas.topic import Topic, join_key
from schemas.topics import (
    DECISIONS,
    DELIVERIES,
    MESSAGES,
    NOTICES,
    OUTREACH,
    PROVIDER_EVENTS,
    RESPONSES,
    SHADOW_DECISIONS,
    TASK_UPDATES,
    TASKS,
)
from services.chassis.kafka import Kafka
from services.chassis.reading import open_reader
from services.chassis.records import Raw
from services.chassis.tracing import trace_id

C = TypeVar("C", bound=Contract)


async def newest(kafka: Kafka, topic: Topic[C], wanted: Callable[[C], bool]) -> list[C]:
    """The newest payload of every key of a compacted topic, tombstones aside."""
    found: dict[bytes | None, C] = {}
    async with open_reader(kafka) as reader:
        await reader.assign([topic.name])
        async for raw in reader.to_end():
            _take(found, topic, raw)
    return [payload for payload in found.values() if wanted(payload)]


async def changes(kafka: Kafka, topic: Topic[C], wanted: Callable[[C], bool]) -> AsyncIterator[list[C]]:
    """What stands on a compacted topic, as `newest` has it, and then what has changed, for as long as somebody asks."""
    found: dict[bytes | None, C] = {}
    async with open_reader(kafka) as reader:
        await reader.assign([topic.name])
        async for raw in reader.to_end():
            _take(found, topic, raw)
        yield [payload for payload in found.values() if wanted(payload)]
        while True:
            found.clear()
            for raw in await reader.more():
                _take(found, topic, raw)
            changed = [payload for payload in found.values() if wanted(payload)]
            if changed:
                yield changed


def _take(found: dict[bytes | None, C], topic: Topic[C], raw: Raw) -> None:
    """Takes a record over; one that nobody can read takes nothing away."""
    if raw.value is None:
        found.pop(raw.key, None)
        return
    with suppress(Malformed):
        found[raw.key] = topic.decode(raw.headers, raw.value)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened to an answer."""

    at: datetime
    where: str
    what: str
    trace: str | None


_ANSWER_TOPICS: Final[tuple[Topic[Any], ...]] = (
    RESPONSES,
    DECISIONS,
    SHADOW_DECISIONS,
    MESSAGES,
    OUTREACH,
    NOTICES,
    DELIVERIES,
)
_TASK_TOPICS: Final[tuple[Topic[Any], ...]] = (TASKS, TASK_UPDATES)


@dataclass(frozen=True, slots=True)
class Told:
    """One record about an answer; of one that cannot be read, or was erased, the payload is none."""

    topic: Topic[Any]
    raw: Raw
    payload: Any = None
    unreadable: Malformed | None = None

    @property
    def at(self) -> datetime:
        """When it was written, as far as it says so; else when the broker took it."""
        return _moment(first_header(self.raw.headers, "ce_time")) or self.raw.at


async def told_about(kafka: Kafka, tenant: str, response_id: str) -> list[Told]:
    """Every record about one answer, in the order of time. Of each topic one partition is read, its key's."""
    told: list[Told] = []
    places: list[tuple[tuple[Topic[Any], ...], tuple[str, str]]] = [
        (_ANSWER_TOPICS, (tenant, response_id)),
        (_TASK_TOPICS, (tenant, str(effect_id(tenant, response_id, "task")))),
        ((PROVIDER_EVENTS,), (tenant, str(effect_id(tenant, response_id, "mail")))),
    ]
    async with open_reader(kafka) as reader:
        for topics, parts in places:
            key = join_key(parts)
            by_name = {topic.name: topic for topic in topics}
            await reader.assign(by_name, meets_by=key)
            async for raw in reader.to_end():
                if raw.key == key:
                    told.append(_told(by_name[raw.topic], raw))
    return sorted(told, key=lambda one: one.at)


async def trace(kafka: Kafka, tenant: str, response_id: str) -> list[Step]:
    """Every step of one answer, in the order of time."""
    return [_step(told) for told in await told_about(kafka, tenant, response_id)]


def _told(topic: Topic[Any], raw: Raw) -> Told:
    try:
        return Told(topic, raw, topic.decode(raw.headers, raw.value) if raw.value is not None else None)
    except Malformed as error:
        return Told(topic, raw, unreadable=error)


def _step(told: Told) -> Step:
    if told.unreadable:
        what = f"unreadable: {told.unreadable}"
    else:
        what = "erased" if told.payload is None else _SAYS[told.topic.name](told.payload)
    return Step(told.at, told.topic.name, what, trace_id(told.raw.traceparent))


def _moment(written: str | None) -> datetime | None:
    """When an event says it was written; none if it says nothing that is a time with its offset."""
    try:
        moment = datetime.fromisoformat(written or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _joined(*parts: object) -> str:
    return ", ".join(str(part) for part in parts if part not in {None, "", False})


def _answer(p: Any) -> str:
    return _joined(
        p.op,
        f"revision {p.revision}",
        p.metric,
        f"score {p.score}" if p.score is not None else None,
        p.channel,
        "history" if p.history else None,
        "test" if p.test else None,
    )


def _decision(p: Any) -> str:
    what = p.action if p.outcome == "action" else p.outcome
    until = f"{p.action} waits until {p.until:%Y-%m-%d %H:%M}Z" if p.until else None
    return _joined(f"#{p.number} {what}", p.reason, until, f"rule {p.rule}" if p.rule else "no rule", p.detail)


def _command(p: Any) -> str:
    return _joined(f"#{p.revision} {p.command}", p.reason)


def _notice(p: Any) -> str:
    return _joined(p.kind, p.to, f"rule {p.rule}")


def _shadow(p: Any) -> str:
    what = p.action if p.outcome == "action" else p.outcome
    same = None if p.differs else "as decided"
    return _joined(f"#{p.number} {p.playbook_version} on trial: {what}", p.reason, f"rule {p.rule}", same)


def _delivery(p: Any) -> str:
    return _joined(p.state, p.reason, p.detail, f"try {p.attempt}" if p.attempt else None)


def _task(p: Any) -> str:
    return _joined(f"v{p.version} {p.status}", p.reason, p.outcome, p.owner, f"due {p.due_at:%Y-%m-%d %H:%M}Z")


def _event(p: Any) -> str:
    return _joined(p.provider, p.type)


def _update(p: Any) -> str:
    return _joined(p.system, p.status, p.owner, p.outcome)


# payloads differ by topic, and each function is only ever given its own
_SAYS: Final[dict[str, Callable[[Any], str]]] = {
    RESPONSES.name: _answer,
    DECISIONS.name: _decision,
    MESSAGES.name: _command,
    OUTREACH.name: _command,
    NOTICES.name: _notice,
    SHADOW_DECISIONS.name: _shadow,
    DELIVERIES.name: _delivery,
    TASKS.name: _task,
    PROVIDER_EVENTS.name: _event,
    TASK_UPDATES.name: _update,
}
