"""Brings a database to the version the code needs, by Alembic, when a service starts."""

from __future__ import annotations

import asyncio
import importlib
import os
from pathlib import Path
from typing import Final
from uuid import uuid4
from weakref import WeakKeyDictionary

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, select

from services.chassis.clock import Clock
from services.chassis.failures import Halt
from services.chassis.sql import Database
from services.chassis.sql_dialect import lock
from services.chassis.tables import IDENTITY

_HERE: Final = Path(__file__).parent / "migrations"
# Alembic keeps what it is doing in globals: two databases of one process take turns
_turns: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock]] = WeakKeyDictionary()


async def migrate(database: Database, clock: Clock, *packages: str) -> str:
    """Applies the chassis' migrations and those in `<package>.migrations`; returns the id of the database.

    Replicas that start together wait for each other.

    Raises:
        Halt: if the database is newer than the code.
    """
    folders = [_HERE / "versions", *(_folder_of(package) for package in packages)]
    turn = _turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())
    async with turn, database.begin() as transaction:
        await transaction.run_sync(lock, ["migrations"])
        await transaction.run_sync(_upgrade, folders)
        known = (await transaction.execute(select(IDENTITY.c.database_id))).scalar_one_or_none()
        if known is None:
            known = uuid4().hex
            await transaction.execute(IDENTITY.insert().values(database_id=known, created_at=clock.now()))
        return str(known)


def _folder_of(package: str) -> Path:
    module = importlib.import_module(f"{package}.migrations")
    return Path(next(iter(module.__path__)))


def configuration(connection: Connection, folders: list[Path]) -> Config:
    """Alembic's configuration for one connection."""
    config = Config()
    config.set_main_option("script_location", _literally(_HERE))
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", os.pathsep.join(_literally(folder) for folder in folders))
    config.attributes["connection"] = connection
    return config


def _literally(path: Path) -> str:
    """A path as Alembic's configuration takes it, which gives `%` a meaning of its own."""
    return str(path).replace("%", "%%")


def _upgrade(connection: Connection, folders: list[Path]) -> None:
    try:
        command.upgrade(configuration(connection, folders), "heads")
    except CommandError as error:
        raise Halt(f"the database is of another version than this program: {error}") from error
