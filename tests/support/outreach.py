"""A world for outreach: its topics, its keyring, and what tests ask of it."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from httpx2 import AsyncClient

from schemas.contract import Contract
from schemas.erasure import Erasure
from schemas.outreach_request import OutreachRequest
from schemas.personal_data import PersonalData
from schemas.survey_request import SurveyRequest
from schemas.task import Note, Task
from schemas.task_update import TaskUpdate
from schemas.topic import Topic
from schemas.topics import OUTREACH, SURVEY_REQUESTS, TASK_UPDATES, TASKS
from services.chassis.business import Business
from services.chassis.frame import Frame
from services.chassis.keyring import Claim, Identity, Key, Keyring
from services.chassis.lifecycle import Assembly
from services.chassis.records import Cause, Raw, outgoing
from services.outreach.app import outreach
from services.outreach.settings import OutreachSettings
from tests.support.clocks import ManualClock
from tests.support.topics import DEADLINE_S, reading


@dataclass
class World:
    frame: Frame
    keyring: Keyring
    clock: ManualClock
    settings: OutreachSettings
    business: Business

    def outreach(self) -> AbstractAsyncContextManager[Assembly]:
        return outreach(self.settings, self.business, self.clock)

    async def publish(self, topic: Topic[Any], *payloads: Contract) -> None:
        cause = Cause("test", self.clock.now())
        await self.frame.publisher.publish([outgoing(topic, one, str(uuid4()), cause) for one in payloads])

    async def request(self, *requests: OutreachRequest) -> None:
        await self.publish(OUTREACH, *requests)

    async def hear(self, *updates: TaskUpdate) -> None:
        await self.publish(TASK_UPDATES, *updates)

    async def sealed(self, request: OutreachRequest, **personal: str) -> OutreachRequest:
        """The same request, about somebody."""
        data = PersonalData(**personal)  # type: ignore[arg-type]  # every field given is a string
        one = await self.keyring.identify(request.tenant, Identity(data.customer_id, data.email, data.phone))
        assert one
        key = (await self.keyring.admit([Claim(request.tenant, one.subject, one)]))[request.tenant, one.subject]
        assert isinstance(key, Key)
        return request.model_copy(
            update={"subject": one.subject, "sealed": self.keyring.seal(key, data.model_dump_json().encode())}
        )

    async def noted(self, update: TaskUpdate, text: str, author: str = "eva") -> TaskUpdate:
        """The same update with a note, sealed as intake does."""
        owner = f"task:{update.task_id}"
        key = (await self.keyring.admit([Claim(update.tenant, owner)]))[update.tenant, owner]
        assert isinstance(key, Key)
        note = Note(text=text, author=author, at=update.occurred_at)
        return update.model_copy(update={"sealed": self.keyring.seal(key, note.to_json())})

    async def tasks(self, number: int) -> list[Task]:
        """So many records of tasks, in the order they were published."""
        async with reading(self.frame.kafka, TASKS.name) as reader:
            return [decoded(raw) for raw in await reader.count(number) if raw.value]

    async def until(self, response_id: str, **expected: object) -> Task:
        """A task as CRMs see it, once it is as expected."""
        async with reading(self.frame.kafka, TASKS.name) as reader:
            records = await reader.until(lambda found: _fits(found, response_id, expected))
        return next(
            task
            for task in map(decoded, reversed([raw for raw in records if raw.value]))
            if task.response_id == response_id
        )

    async def surveys(self, number: int) -> list[SurveyRequest]:
        async with reading(self.frame.kafka, SURVEY_REQUESTS.name) as reader:
            return [SURVEY_REQUESTS.decode(raw.headers, raw.value) for raw in await reader.count(number)]


def decoded(raw: Raw) -> Task:
    return TASKS.decode(raw.headers, raw.value)


def _fits(records: list[Raw], response_id: str, expected: dict[str, object]) -> bool:
    tasks = [task for task in (decoded(raw) for raw in records if raw.value) if task.response_id == response_id]
    return bool(tasks) and all(getattr(tasks[-1], name) == value for name, value in expected.items())


def erasure(*subjects: str) -> Erasure:
    return Erasure(erasure_id=uuid4(), tenant="default", subjects=list(subjects), requested_at=ManualClock().now())


async def listed(client: AsyncClient, query: str = "") -> list[dict[str, Any]]:  # tasks as JSON
    answer = await client.get(f"/v1/tasks{query}")
    assert answer.status_code == 200, answer.text
    tasks: list[dict[str, Any]] = answer.json()["tasks"]
    return tasks


async def until_listed(client: AsyncClient, response_id: str, **expected: object) -> None:
    """Waits until REST shows a task as expected; for what no topic announces."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            found = await listed(client, f"?response_id={response_id}")
            if found and expected.items() <= found[0].items():
                return
            await asyncio.sleep(0.02)


async def until_gone(client: AsyncClient, response_id: str) -> None:
    """Waits until REST shows no such task."""
    async with asyncio.timeout(DEADLINE_S):
        while await listed(client, f"?response_id={response_id}"):
            await asyncio.sleep(0.02)
