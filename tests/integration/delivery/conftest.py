"""The world delivery's tests stand in."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.chassis.business import Business
from services.chassis.frame import open_frame
from services.chassis.keyring import open_keyring
from services.chassis.metrics import CHASSIS_METRICS, Metrics
from services.chassis.settings import SealedSettings
from services.chassis.sql_service import wanted_topics
from services.delivery import READS, WRITES
from services.delivery.settings import DeliverySettings
from tests.support.clocks import ManualClock
from tests.support.delivery import RunningClock, World, delivery_world


@pytest.fixture
def running() -> bool:
    """Whether the world's clock runs; a test that needs that says so."""
    return False


@pytest.fixture
async def world(sealed_settings: SealedSettings, business: Business, *, running: bool) -> AsyncIterator[World]:
    clock = RunningClock() if running else ManualClock()
    settings = DeliverySettings(
        **sealed_settings.model_dump(),
        sendgrid_key="SG.test",
        sendgrid_timeout_s=2.0,
        unsubscribe_url="http://unsubscribe.example",
    )
    topics = wanted_topics(READS, WRITES, settings.partitions)
    async with (
        open_frame("test", settings, clock, Metrics(CHASSIS_METRICS), topics) as frame,
        open_keyring(settings, clock) as keyring,
        delivery_world(frame, keyring, clock, settings, business) as world,
    ):
        yield world
