"""The world outreach's tests stand in."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.chassis.business import Business
from services.chassis.frame import open_frame
from services.chassis.keyring import Keyring
from services.chassis.metrics import CHASSIS_METRICS, Metrics
from services.chassis.settings import SealedSettings
from services.chassis.sql_service import wanted_topics
from services.outreach import READS, WRITES
from services.outreach.settings import OutreachSettings
from tests.support.postgres import fresh_database, running_postgres
from tests.support.clocks import ManualClock
from tests.support.outreach import World


@pytest.fixture(scope="session")
def postgres():
    with running_postgres() as url:
        yield url

@pytest.fixture
async def world(postgres,
    sealed_settings: SealedSettings, keyring: Keyring, clock: ManualClock, business: Business
) -> AsyncIterator[World]:
    async with fresh_database(postgres) as url:
      settings = OutreachSettings(**sealed_settings.model_dump()|{"sql_url":url})
      topics = wanted_topics(READS, WRITES, settings.partitions)
      async with open_frame("test", settings, clock, Metrics(CHASSIS_METRICS), topics) as frame:
        yield World(frame, keyring, clock, settings, business)
