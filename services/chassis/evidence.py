"""What Kafka remembers of our database: a number there above ours means that the database was lost or restored.

Outputs carry the id of the database and the number of their outbox row. The last records of every output partition are
read at each start, before anything is consumed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select

from schemas.cloudevents import first_header
from services.chassis.failures import Halt
from services.chassis.outbox import DATABASE_HEADER, NUMBER_HEADER
from services.chassis.reading import Reader, open_reader
from services.chassis.sql_dialect import last_number
from services.chassis.tables import OUTBOX, POSITIONS

if TYPE_CHECKING:
    from services.chassis.kafka import Kafka
    from services.chassis.sql import Database

TAIL: Final = 50


async def check_not_restored(kafka: Kafka, database: Database, database_id: str, outputs: Iterable[str]) -> None:
    """Holds what we published against what the database knows.

    Raises:
        Halt: if Kafka knows more than the database.
    """
    # Kafka first: whatever another replica publishes meanwhile, the database has known of it before
    async with open_reader(kafka) as reader:
        await reader.assign(outputs, tail=TAIL)
        published = await _last_numbers(reader)
    async with database.read() as transaction:
        ours = await transaction.run_sync(last_number, OUTBOX)
        read = (await transaction.execute(select(func.count()).select_from(POSITIONS))).scalar_one()
    if published and not ours and not read:
        raise Halt("Kafka holds what we published, and the database is empty: it was lost. Run `nps recover`")
    if published.get(database_id, 0) > ours:
        raise Halt(
            f"Kafka holds our number {published[database_id]}, the database knows of {ours}: "
            "it was restored from an earlier day. Run `nps recover`"
        )


async def _last_numbers(reader: Reader) -> dict[str, int]:
    """The highest row number of each database among the records."""
    found: dict[str, int] = {}
    async for raw in reader.to_end():
        database, number = first_header(raw.headers, DATABASE_HEADER), first_header(raw.headers, NUMBER_HEADER)
        if database and number and number.isdigit():
            found[database] = max(found.get(database, 0), int(number))
    return found
