"""How far an import has come, so that one that was cut short goes on where it stopped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select

from services.chassis.sql import Database
from services.chassis.sql_dialect import upsert
from services.intake.tables import IMPORTS


@dataclass(frozen=True, slots=True)
class Reached:
    """Rows that are done, those of them that were rejected, and how large the reject file was then."""

    rows: int = 0
    rejected: int = 0
    rejects_bytes: int = 0


class SqlImports:
    """Places of imports by what identifies them: the file's digest and how it is read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reached(self, what: str) -> Reached:
        """Where this import stopped; its beginning if it never ran, or ran to its end."""
        async with self._database.read() as transaction:
            columns = select(IMPORTS.c.rows, IMPORTS.c.rejected, IMPORTS.c.rejects_bytes)
            row = (await transaction.execute(columns.where(IMPORTS.c.what == what))).one_or_none()
        return Reached(*row) if row else Reached()

    async def note(self, what: str, place: Reached, now: datetime) -> None:
        """Everything up to here is durable."""
        row = {
            "what": what,
            "rows": place.rows,
            "rejected": place.rejected,
            "rejects_bytes": place.rejects_bytes,
            "reached_at": now,
        }
        async with self._database.begin() as transaction:
            await transaction.run_sync(upsert, IMPORTS, [row])

    async def finish(self, what: str) -> None:
        """This import is done: the same command would begin anew, and count nothing twice."""
        async with self._database.begin() as transaction:
            await transaction.execute(delete(IMPORTS).where(IMPORTS.c.what == what))
