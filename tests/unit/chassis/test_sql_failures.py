"""What of a database's failures is worth waiting for."""

from __future__ import annotations

import errno
import socket
from pathlib import Path

import pytest

from services.chassis.failures import Transient
from services.chassis.sql import open_database, sqlite_url

SERVER = "postgresql+asyncpg://nps@database.invalid/nps"


@pytest.mark.parametrize(
    "error",
    [
        socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
        OSError(errno.EHOSTUNREACH, "No route to host"),
        TimeoutError(),
        ConnectionRefusedError(),
    ],
    ids=repr,
)
async def test_a_server_that_cannot_be_reached_is_waited_for(error: OSError) -> None:
    async with open_database(SERVER) as database:
        with pytest.raises(Transient, match=f"database: {type(error).__name__}"), database._translated:
            raise error


class StartingUp(Exception):
    """As asyncpg says it while connecting, outside of SQLAlchemy's own errors."""

    sqlstate = "57P03"


async def test_a_server_that_starts_up_is_waited_for() -> None:
    async with open_database(SERVER) as database:
        with pytest.raises(Transient, match="database: 57P03"), database._translated:
            raise StartingUp


async def test_a_disk_that_is_full_beside_an_embedded_database_is_no_reason_to_wait(tmp_path: Path) -> None:
    async with open_database(sqlite_url(tmp_path, "test")) as database:
        with pytest.raises(OSError, match="No space left"):
            async with database.begin():
                raise OSError(errno.ENOSPC, "No space left on device")
