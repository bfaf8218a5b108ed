"""The world routing's tests stand in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from pydantic import SecretStr

from services.chassis.business import Business
from services.chassis.frame import open_frame
from services.chassis.keyring import Keyring
from services.chassis.metrics import CHASSIS_METRICS, Metrics
from services.chassis.settings import SealedSettings
from services.chassis.sql_service import wanted_topics
from services.routing import READS, WRITES
from services.routing.settings import RoutingSettings
from tests.support.clocks import ManualClock
from tests.support.postgres import fresh_database
from tests.support.routing import World


@pytest.fixture
async def patient_world(
    sealed_settings: SealedSettings, keyring: Keyring, clock: ManualClock, business: Business
) -> AsyncIterator[World]:
    """In which answers settle and hours are quiet."""
    settings = RoutingSettings(**sealed_settings.model_dump())
    topics = wanted_topics(READS, WRITES, settings.partitions)
    async with open_frame("test", settings, clock, Metrics(CHASSIS_METRICS), topics) as frame:
        yield World(frame, keyring, clock, settings, business)


@pytest.fixture
def world(patient_world: World) -> World:
    """In which nothing waits."""
    return replace(patient_world, settings=patient_world.settings.model_copy(update={"at_once": True}))


@pytest.fixture(params=["sqlite", "postgresql"])
async def either_world(patient_world: World, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """The patient world on both databases."""
    if request.param == "sqlite":
        yield patient_world
        return
    async with fresh_database(request.getfixturevalue("postgres")) as url:
        yield replace(patient_world, settings=patient_world.settings.model_copy(update={"sql_url": SecretStr(url)}))
