"""Databases for the chassis' tests: each runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.chassis.migrating import migrate
from services.chassis.sql import Database, open_database, sqlite_url
from tests.support.clocks import ManualClock


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database that is empty, on each of the two."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path, "test")
    found: str = request.getfixturevalue("postgres_url")
    return found


@pytest.fixture
async def database(url: str, clock: ManualClock) -> AsyncIterator[Database]:
    """A database with the chassis' tables."""
    async with open_database(url) as opened:
        await migrate(opened, clock)
        yield opened
