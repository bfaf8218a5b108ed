"""Fixtures for services that run against a real Kafka and a real database."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from importlib.resources import files
from pathlib import Path

import pytest

from services.chassis.business import Business
from services.chassis.keyring import Keyring, open_keyring
from services.chassis.settings import SealedSettings, ServiceSettings
from tests.support.clocks import ManualClock

SERVICES = frozenset({"intake", "scoring", "routing", "delivery", "outreach", "monitor"})
MASTER_KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture
def business() -> Business:
    """The business file that ships."""
    return Business.load(Path(str(files("schemas"))) / "nps.yaml", None, SERVICES)


@pytest.fixture
def sealed_settings(settings: ServiceSettings) -> SealedSettings:
    return SealedSettings(**settings.model_dump(), master_key=MASTER_KEY)


@pytest.fixture
async def keyring(sealed_settings: SealedSettings, clock: ManualClock) -> AsyncIterator[Keyring]:
    async with open_keyring(sealed_settings, clock) as keyring:
        yield keyring
