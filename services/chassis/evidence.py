"""What Kafka remembers of our database: a number there above ours means that the database was lost or restored.

Outputs carry the id of the database and the number of their outbox row. The last records of every output partition are
read at each start, before anything is consumed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from aiokafka.structs import TopicPartition
from sqlalchemy import func, select

from schemas.cloudevents import first_header
from services.chassis.failures import Halt
from services.chassis.outbox import DATABASE_HEADER, NUMBER_HEADER
from services.chassis.sql_dialect import last_number
from services.chassis.tables import OUTBOX, POSITIONS

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer

    from services.chassis.kafka import Kafka
    from services.chassis.sql import Database

TAIL: Final = 50
POLL_MS: Final = 500


async def check_not_restored(kafka: Kafka, database: Database, database_id: str, outputs: Iterable[str]) -> None:
    """Holds what we published against what the database knows.

    Raises:
        Halt: if Kafka knows more than the database.
    """
    async with database.begin() as transaction:
        ours = await last_number(transaction, OUTBOX)
        fresh = not (await transaction.execute(select(func.count()).select_from(POSITIONS))).scalar_one()
    reader = kafka.reader()
    await reader.start()
    try:
        for topic in outputs:
            published = await _last_numbers(reader, kafka.topic(topic))
            if fresh and published:
                raise Halt(
                    f"{topic} holds what we published, and the database is empty: it was lost. Run `nps recover`"
                )
            if published.get(database_id, 0) > ours:
                raise Halt(
                    f"{topic} holds number {published[database_id]}, the database knows of {ours}: "
                    "it was restored from an earlier day. Run `nps recover`"
                )
    finally:
        await reader.stop()


async def _last_numbers(reader: AIOKafkaConsumer[bytes, bytes], topic: str) -> dict[str, int]:
    """The highest row number of each database among the last records of a topic."""
    numbers = await reader.partitions_for_topic(topic) or set()
    partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
    if not partitions:
        return {}
    reader.assign(partitions)
    begins = await reader.beginning_offsets(partitions)
    ends = await reader.end_offsets(partitions)
    for partition in partitions:
        reader.seek(partition, max(begins[partition], ends[partition] - TAIL))
    found: dict[str, int] = {}
    waiting = {partition for partition in partitions if ends[partition] > begins[partition]}
    while waiting:
        for records in (await reader.getmany(timeout_ms=POLL_MS)).values():
            for record in records:
                headers = [(name, content or b"") for name, content in record.headers]
                database, number = first_header(headers, DATABASE_HEADER), first_header(headers, NUMBER_HEADER)
                if database and number and number.isdigit():
                    found[database] = max(found.get(database, 0), int(number))
        waiting = {partition for partition in waiting if await reader.position(partition) < ends[partition]}
    return found
