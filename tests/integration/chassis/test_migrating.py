"""Databases are brought up to date when a service starts, by whoever comes first, to what the code's tables say."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, text

from services.chassis.failures import Halt
from services.chassis.keyring.tables import KEYRING
from services.chassis.migrating import configuration, migrate
from services.chassis.sql import Database, open_database, sqlite_url
from services.chassis.tables import CHASSIS
from services.delivery.tables import DELIVERY
from services.intake.tables import INTAKE
from services.outreach.tables import TASK_TABLES
from services.routing.tables import ROUTING
from tests.support.clocks import ManualClock

PACKAGES = {
    "services.chassis.keyring": KEYRING,
    "services.delivery": DELIVERY,
    "services.intake": INTAKE,
    "services.outreach": TASK_TABLES,
    "services.routing": ROUTING,
}


async def test_a_database_keeps_its_id(url: str, clock: ManualClock) -> None:
    async with open_database(url) as database:
        first = await migrate(database, clock, "services.routing")
        assert await migrate(database, clock, "services.routing") == first
    async with open_database(url) as database:
        assert await migrate(database, clock, "services.routing") == first


async def test_replicas_that_start_together_wait_for_each_other(url: str, clock: ManualClock) -> None:
    async with open_database(url) as one, open_database(url) as other, open_database(url) as third:
        ids = await asyncio.gather(*(migrate(each, clock, "services.routing") for each in (one, other, third)))
    assert len(set(ids)) == 1


async def test_databases_of_one_process_are_migrated_side_by_side(tmp_path: Path, clock: ManualClock) -> None:
    async with (
        open_database(sqlite_url(tmp_path, "keyring")) as keyring,
        open_database(sqlite_url(tmp_path, "routing")) as routing,
    ):
        first, second = await asyncio.gather(
            migrate(keyring, clock, "services.chassis.keyring"), migrate(routing, clock, "services.routing")
        )
        assert first != second
        assert await _differences(keyring, KEYRING) == []
        assert await _differences(routing, ROUTING) == []


@pytest.mark.parametrize("package", PACKAGES)
async def test_migrations_make_the_tables_the_code_has(package: str, url: str, clock: ManualClock) -> None:
    async with open_database(url) as database:
        await migrate(database, clock, package)
        assert await _differences(database, PACKAGES[package]) == []


async def _differences(database: Database, tables: MetaData) -> list[object]:
    """What Alembic would change so that the database has the chassis' tables and these."""
    wanted = MetaData()
    for metadata in (CHASSIS, tables):
        for table in metadata.sorted_tables:
            table.to_metadata(wanted)

    def compare(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), wanted))

    async with database.begin() as transaction:
        return await transaction.run_sync(compare)


async def test_a_database_newer_than_the_code_stops_the_service(url: str, clock: ManualClock) -> None:
    async with open_database(url) as database:
        await migrate(database, clock, "services.routing")
        async with database.begin() as transaction:
            await transaction.execute(
                text("UPDATE alembic_version SET version_num = 'routing_9999' WHERE version_num LIKE 'routing%'")
            )
        with pytest.raises(Halt, match="another version than this program"):
            await migrate(database, clock, "services.routing")


async def test_a_folder_may_have_any_name(database: Database) -> None:
    folder = Path("/srv/50% off/migrations")
    async with database.begin() as transaction:
        config = await transaction.run_sync(configuration, [folder])
    assert config.get_main_option("version_locations") == str(folder)
