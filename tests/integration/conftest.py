"""Fixtures for services that run against a real Kafka and a real database."""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncIterator, Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from services.chassis.business import Business
from services.chassis.keyring import Keyring, open_keyring
from services.chassis.settings import SealedSettings, ServiceSettings
from tests.support.clocks import ManualClock
from tests.support.postgres import fresh_database, running_postgres

SERVICES = frozenset({"intake", "scoring", "routing", "delivery", "outreach", "monitor"})
MASTER_KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture
def business() -> Business:
    """The business file that ships."""
    return Business.load(Path(str(files("schemas"))) / "nps.yaml", None, SERVICES)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server."""
    with running_postgres() as url:
        yield url


@pytest.fixture
async def postgres_url(postgres: str) -> AsyncIterator[str]:
    """The URL of a PostgreSQL database that is empty."""
    async with fresh_database(postgres) as url:
        yield url


@pytest.fixture
async def sealed_settings(settings: ServiceSettings, request: pytest.FixtureRequest) -> AsyncIterator[SealedSettings]:
    """Settings of a service with a database and a keyring; on PostgreSQL if NPS_TEST_SQL says so."""
    given = settings.model_dump() | {"master_key": MASTER_KEY}
    if os.environ.get("NPS_TEST_SQL", "sqlite") == "sqlite":
        yield SealedSettings(**given)
        return
    server: str = request.getfixturevalue("postgres")
    async with fresh_database(server) as own, fresh_database(server) as keyring:
        yield SealedSettings(**given, sql_url=own, keyring_url=keyring)


@pytest.fixture
async def keyring(sealed_settings: SealedSettings, clock: ManualClock) -> AsyncIterator[Keyring]:
    async with open_keyring(sealed_settings, clock) as keyring:
        yield keyring
