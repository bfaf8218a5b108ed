"""Answers moved into a topic with more partitions: every count stays, and nobody is contacted again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from schemas.tally import Tally
from schemas.topic import Topic
from schemas.topics import DECISIONS, MESSAGES, OUTREACH, RESPONSES, TALLIES
from services.chassis.business import Business
from services.chassis.copying import Copying, Route
from services.chassis.failures import Halt
from services.chassis.frame import Frame, open_frame
from services.chassis.kafka import Kafka
from services.chassis.keyring import Keyring
from services.chassis.metrics import CHASSIS_METRICS, Metrics
from services.chassis.reading import open_reader
from services.chassis.records import Cause, outgoing
from services.chassis.recovering import committed_offsets
from services.chassis.settings import SealedSettings
from services.chassis.sql_service import wanted_topics
from services.chassis.topic_admin import open_topic_admin, wanted_topic
from services.routing import READS, WRITES
from services.routing.app import routing
from services.routing.settings import RoutingSettings
from services.scoring import commands
from services.scoring.app import scoring
from services.scoring.pruning import Pruning, written
from services.scoring.settings import ScoringSettings
from tests.support.clocks import ManualClock
from tests.support.counting import COUNTED, announced_at, counted_by, some_answers
from tests.support.hosting import hosted
from tests.support.topics import reading

MORE = 5
WIDE = "nps.responses-5"


class Loop:
    """Scoring and routing, on the topic of answers that the settings name."""

    def __init__(self, settings: SealedSettings, business: Business, clock: ManualClock) -> None:
        self.scoring = ScoringSettings(**settings.model_dump())
        self.routing = RoutingSettings(**settings.model_dump())
        self.business = business
        self.clock = clock
        self.kafka = Kafka(settings)

    async def read_all(self, generation: str, number: int) -> None:
        """Runs both until they have read and published everything."""
        async with (
            hosted(scoring(self.scoring, self.business, self.clock)),
            hosted(routing(self.routing, self.business, self.clock)),
        ):
            await announced_at(self.kafka, generation, self.clock.now(), await self._partitions())
            await counted_by(self.kafka, number, generation)
            await self._decided()
            self.verified = await commands.verify(
                self.scoring, self.business, self.clock, commands.Sample((), 100, None), lambda _done, _of: None
            )

    async def _partitions(self) -> int:
        async with open_reader(self.kafka) as reader:
            return await reader.assign([RESPONSES.name], tail=0)

    async def _decided(self) -> None:
        """Returns once routing has read all answers there are."""
        async with open_reader(self.kafka) as reader:
            await reader.assign([RESPONSES.name], tail=0)
            ends = {place: end for place, end in (await reader.ends()).items() if end}
            while not ends.items() <= (await committed_offsets(self.kafka, "routing")).items():
                await reader.more()

    async def records(self, *topics: Topic[Any]) -> int:  # payloads of any type
        async with reading(self.kafka, *(topic.name for topic in topics)) as reader:
            return len(await reader.to_end())


async def publish(frame: Frame, loop: Loop) -> None:
    cause = Cause("intake", loop.clock.now())
    records = [outgoing(RESPONSES, a, f"{a.response_id}/{a.revision}", cause) for a in some_answers()]
    await frame.publisher.publish(records)


async def test_answers_in_more_partitions_count_the_same_and_lead_to_nothing_new(
    sealed_settings: SealedSettings, keyring: Keyring, business: Business, clock: ManualClock
) -> None:
    loop = Loop(sealed_settings, business, clock)
    topics = wanted_topics((*READS, TALLIES), WRITES, sealed_settings.partitions)
    async with open_frame("test", sealed_settings, clock, Metrics(CHASSIS_METRICS), topics) as frame:
        await publish(frame, loop)
        await loop.read_all("g1", COUNTED)
    effects = await loop.records(DECISIONS, MESSAGES, OUTREACH)
    assert effects > 50

    async with open_topic_admin(loop.kafka, 1) as admin:
        await admin.make([replace(wanted_topic(RESPONSES, MORE), name=WIDE)])
    await Copying(loop.kafka, Route(RESPONSES.name, WIDE), lambda _done, _of: None).run(follow=False)

    clock.advance(minutes=1)
    wide = Loop(sealed_settings.model_copy(update={"responses_topic": WIDE}), business, clock)
    (asked,) = [one for one in await commands.generations(wide.scoring, business, clock) if one.asked]
    await wide.read_all(asked.generation, COUNTED)
    assert (asked.generation != "g1", wide.verified.different) == (True, [])
    assert {cell.partition for cell in await _cells(wide, asked.generation)} == set(range(MORE))
    assert await wide.records(DECISIONS, MESSAGES, OUTREACH) == effects
    assert await commands.prunable(wide.scoring, business, clock, None) == ["g1"]
    await Pruning(wide.kafka, "g1", lambda _done, _of: None).run()
    assert await written(wide.kafka) == {asked.generation}


async def _cells(loop: Loop, generation: str) -> list[Tally]:
    async with reading(loop.kafka, TALLIES.name) as reader:
        cells = [TALLIES.decode(raw.headers, raw.value) for raw in await reader.to_end() if raw.value]
    return [cell for cell in cells if cell.generation == generation]


async def test_a_service_does_not_make_the_copy_by_itself(
    sealed_settings: SealedSettings, business: Business, clock: ManualClock
) -> None:
    wide = Loop(sealed_settings.model_copy(update={"responses_topic": WIDE}), business, clock)
    with pytest.raises(Halt, match="nps topics copy"):
        async with hosted(scoring(wide.scoring, business, clock)):
            pass
