"""The databases of services under test, on SQLite or on PostgreSQL."""

from __future__ import annotations

from sqlalchemy import text

from services.chassis.settings import SqlSettings
from services.chassis.sql import open_database


async def lose_database(settings: SqlSettings, service: str) -> None:
    """All that a service knew is gone, as after a disk that broke; the keyring is not."""
    if settings.sql_url is None:
        for file in settings.state_dir.glob(f"{service}.sqlite3*"):
            file.unlink()
        return
    async with open_database(settings.sql_url.get_secret_value()) as database, database.begin() as transaction:
        await transaction.execute(text("DROP SCHEMA public CASCADE"))
        await transaction.execute(text("CREATE SCHEMA public"))
