"""Reading topics as they stand, on a real Kafka."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.chassis.clock import SystemClock
from services.chassis.frame import Frame, open_frame
from services.chassis.metrics import CHASSIS_METRICS, Metrics
from services.chassis.reading import open_reader
from services.chassis.records import Outgoing
from services.chassis.settings import ServiceSettings
from services.chassis.topic_admin import Wanted


@pytest.fixture
async def frame(settings: ServiceSettings) -> AsyncIterator[Frame]:
    topics = [Wanted("words", 1, {"cleanup.policy": "delete"})]
    async with open_frame("words", settings, SystemClock(), Metrics(CHASSIS_METRICS), topics) as frame:
        yield frame


async def publish(frame: Frame, word: bytes) -> None:
    await frame.publisher.publish([Outgoing("words", b"k", b"k", word, ())])


async def test_what_comes_while_a_topic_is_read_to_its_end_is_read_next(
    frame: Frame, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(frame, b"one")
    async with open_reader(frame.kafka) as reader:
        assert await reader.assign(["words", "nothing"]) == 1
        ends = reader._consumer.end_offsets

        async def ends_and_then_more(partitions: Any) -> Any:  # aiokafka has no types
            found = await ends(partitions)
            await publish(frame, b"meanwhile")
            return found

        monkeypatch.setattr(reader._consumer, "end_offsets", ends_and_then_more)
        assert [raw.value async for raw in reader.to_end()] == [b"one"]
        monkeypatch.undo()
        assert [raw.value for raw in await reader.more()] == [b"meanwhile"]
        await publish(frame, b"two")
        assert [raw.value async for raw in reader.to_end()] == [b"two"]
