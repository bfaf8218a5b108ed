"""Kafka killed under load: what was accepted is there, and what could not be accepted was told so."""

from __future__ import annotations

import asyncio
import base64
import signal
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from httpx2 import AsyncClient, Response

from infra.local import processes
from infra.local.kafka_broker import KafkaBroker, running_broker
from schemas.topics import RESPONSES
from services.chassis.clock import SystemClock
from services.chassis.kafka import Kafka
from services.console.serving import business_of
from services.intake import commands
from services.intake.app import intake
from services.intake.settings import IntakeSettings
from tests.support.hosting import hosted
from tests.support.topics import reading

AT_ONCE = 8
OUTAGE_S = 30


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[KafkaBroker]:
    """A broker that may be killed."""
    with running_broker(tmp_path / "kafka") as broker:
        yield broker


async def post(client: AsyncClient, token: str, number: int) -> Response:
    answer = {"response_id": f"r{number}", "score": 9, "channel": "website"}
    return await client.post("/v1/responses", json=answer, headers={"Authorization": f"Bearer {token}"})


def kill(broker: KafkaBroker) -> None:
    assert broker.process is not None
    processes.send(broker.process, signal.SIGKILL)
    broker.process.wait()


@pytest.fixture
def settings(broker: KafkaBroker, tmp_path: Path) -> IntakeSettings:
    """Intake's, on that broker."""
    return IntakeSettings(
        kafka_bootstrap=broker.bootstrap,
        partitions=2,
        instance="test",
        state_dir=tmp_path,
        master_key=base64.b64encode(bytes(32)).decode(),
    )


async def test_accepted_means_durable(broker: KafkaBroker, settings: IntakeSettings) -> None:
    clock = SystemClock()
    _, token = await commands.create_key(settings, clock, "default", "test")
    accepted: set[str] = set()
    refused: list[Response] = []

    async def send(client: AsyncClient, numbers: range) -> None:
        for number in numbers:
            told = await post(client, token, number)
            if told.status_code == 202:
                accepted.add(told.json()["response_id"])
            else:
                refused.append(told)

    async with hosted(intake(settings, business_of(settings), clock)) as client:
        load = [asyncio.create_task(send(client, range(lane, 400, AT_ONCE))) for lane in range(AT_ONCE)]
        while len(accepted) < 100:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(kill, broker)
        told = await post(client, token, 1000)
        assert (told.status_code, told.headers["retry-after"]) == (503, "5")
        assert told.headers["content-type"] == "application/problem+json"
        await asyncio.to_thread(broker.start)
        await asyncio.gather(*load)
        async with asyncio.timeout(60):
            while (told := await post(client, token, 2000)).status_code != 202:
                assert told.status_code == 503
        accepted.add(told.json()["response_id"])
        async with reading(Kafka(settings), RESPONSES.name) as reader:
            stored = {RESPONSES.decode(raw.headers, raw.value).response_id for raw in await reader.to_end()}
    assert accepted <= stored
    assert {told.status_code for told in refused} <= {503}


class Load:
    """Senders that go on whatever they are told, each with one request at a time."""

    def __init__(self, client: AsyncClient, token: str) -> None:
        self._client = client
        self._token = token
        self._numbers = count()
        self.told: list[tuple[int, Response]] = []
        self.ended = asyncio.Event()

    async def send(self) -> None:
        """Until the load has ended."""
        while not self.ended.is_set():
            number = next(self._numbers)
            self.told.append((number, await post(self._client, self._token, number)))

    async def goes_well(self, times: int) -> None:
        """Returns once so many more are accepted."""
        wanted = len(self.accepted) + times
        async with asyncio.timeout(120):
            while len(self.accepted) < wanted:
                await asyncio.sleep(0.05)

    @property
    def accepted(self) -> set[str]:
        """Ids of the answers that are said to be in."""
        return {f"r{number}" for number, told in self.told if told.status_code == 202}


async def test_thirty_seconds_without_kafka_lose_nothing_that_was_accepted(
    broker: KafkaBroker, settings: IntakeSettings
) -> None:
    clock = SystemClock()
    _, token = await commands.create_key(settings, clock, "default", "test")
    async with hosted(intake(settings, business_of(settings), clock)) as client:
        load = Load(client, token)
        async with asyncio.TaskGroup() as senders:
            for _ in range(AT_ONCE):
                senders.create_task(load.send())
            await load.goes_well(200)
            await asyncio.to_thread(kill, broker)
            await asyncio.sleep(OUTAGE_S)
            refused = [told for _, told in load.told if told.status_code != 202]
            await asyncio.to_thread(broker.start)
            await load.goes_well(200)
            load.ended.set()
        async with reading(Kafka(settings), RESPONSES.name) as reader:
            stored = {RESPONSES.decode(raw.headers, raw.value).response_id for raw in await reader.to_end()}
    assert load.accepted <= stored
    assert refused, "while Kafka was away it was said so"
    assert {(told.status_code, told.headers["retry-after"]) for told in refused} == {(503, "5")}
    assert {told.status_code for _, told in load.told} == {202, 503}
