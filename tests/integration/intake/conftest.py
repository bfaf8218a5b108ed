"""Intake's world."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.chassis.business import Business
from services.chassis.frame import open_frame
from services.chassis.keyring import Keyring
from services.chassis.metrics import CHASSIS_METRICS, Metrics
from services.chassis.settings import SealedSettings
from services.chassis.sql_service import wanted_topics
from services.intake import READS, WRITES, commands
from services.intake.settings import IntakeSettings
from tests.support.clocks import ManualClock
from tests.support.intake import World


@pytest.fixture
async def world(
    sealed_settings: SealedSettings, keyring: Keyring, clock: ManualClock, business: Business
) -> AsyncIterator[World]:
    settings = IntakeSettings(**sealed_settings.model_dump())
    _, token = await commands.create_key(settings, clock, "default", "test")
    topics = wanted_topics(READS, WRITES, settings.partitions)
    async with open_frame("test", settings, clock, Metrics(CHASSIS_METRICS), topics) as frame:
        yield World(frame, keyring, clock, settings, business, token)
