"""The world outreach's tests stand in."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from services.chassis.business import Business
from services.chassis.frame import open_frame
from services.chassis.keyring import Keyring
from services.chassis.metrics import CHASSIS_METRICS, Metrics
from services.chassis.settings import SealedSettings
from services.chassis.sql_service import wanted_topics
from services.outreach import READS, WRITES
from services.outreach.settings import OutreachSettings
from tests.support.clocks import ManualClock
from tests.support.outreach import World


@pytest.fixture
async def world(
    sealed_settings: SealedSettings, keyring: Keyring, clock: ManualClock, business: Business
) -> AsyncIterator[World]:
    settings = OutreachSettings(**sealed_settings.model_dump())
    topics = wanted_topics(READS, WRITES, settings.partitions)
    async with open_frame("test", settings, clock, Metrics(CHASSIS_METRICS), topics) as frame:
        yield World(frame, keyring, clock, settings, business)


@pytest.fixture
def postgres_world(world: World, postgres_url: str) -> World:
    """The same world with its tasks in PostgreSQL."""
    world.settings = world.settings.model_copy(update={"sql_url": SecretStr(postgres_url)})
    return world
