"""The world outreach's tests stand in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

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
from tests.support.postgres import fresh_database, running_postgres


@pytest.fixture
async def world(
    sealed_settings: SealedSettings, keyring: Keyring, clock: ManualClock, business: Business
) -> AsyncIterator[World]:
    settings = OutreachSettings(**sealed_settings.model_dump())
    topics = wanted_topics(READS, WRITES, settings.partitions)
    async with open_frame("test", settings, clock, Metrics(CHASSIS_METRICS), topics) as frame:
        yield World(frame, keyring, clock, settings, business)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server."""
    with running_postgres() as url:
        yield url


@pytest.fixture
async def postgres_world(world: World, postgres: str) -> AsyncIterator[World]:
    """The same world with its tasks in PostgreSQL."""
    async with fresh_database(postgres) as url:
        world.settings = world.settings.model_copy(update={"sql_url": SecretStr(url)})
        yield world
