"""Where a consumer stands, kept in SQL with the effects of what it read.

A position moves by compare-and-set: whoever finds another than he left has been replaced, and his effects roll back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from services.chassis.failures import Fenced
from services.chassis.sql import Database, Transaction
from services.chassis.sql_dialect import insert_or_ignore
from services.chassis.tables import POSITIONS

if TYPE_CHECKING:
    from services.chassis.consuming import Batch

Partition = tuple[str, int]
"""Topic and number."""


class Positions:
    """Positions of one consumer in its service's database."""

    def __init__(self, database: Database, consumer: str, name_here: Callable[[str], str] = str) -> None:
        """`name_here` gives the name of a topic on this cluster: a copy is another log, with positions of its own."""
        self._database = database
        self._consumer = consumer
        self._name_here = name_here

    async def load(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """The next offset of each of these partitions that has one.

        Raises:
            Transient: if the database does not answer.
        """
        known = await self.known()
        stored = {place: (self._name_here(place[0]), place[1]) for place in partitions}
        return {place: known[there] for place, there in stored.items() if there in known}

    async def known(self) -> dict[Partition, int]:
        """The next offset of every partition that has one, topics by their name on this cluster.

        Raises:
            Transient: if the database does not answer.
        """
        async with self._database.read() as transaction:
            rows = await transaction.execute(
                select(POSITIONS.c.topic, POSITIONS.c.partition, POSITIONS.c.next_offset).where(
                    POSITIONS.c.consumer == self._consumer
                )
            )
            return {(topic, number): offset for topic, number, offset in rows}

    async def advance_all(self, transaction: Transaction, batch: Batch[Any]) -> None:  # of whatever it carries
        """Moves every partition of a batch in the transaction that writes its effects.

        Raises:
            Fenced: if one of them is not at its start any more.
        """
        for span in sorted(batch.spans):
            await self.advance(transaction, (batch.topic, span.partition), span.start, span.end)

    async def advance(self, transaction: Transaction, partition: Partition, start: int, end: int) -> None:
        """Moves from `start` to `end` in the transaction that writes the effects.

        Raises:
            Fenced: if the position is not at `start` any more.
        """
        topic, number = self._name_here(partition[0]), partition[1]
        key = {"consumer": self._consumer, "topic": topic, "partition": number}
        moved = await transaction.execute(
            update(POSITIONS)
            .where(
                POSITIONS.c.consumer == self._consumer,
                POSITIONS.c.topic == topic,
                POSITIONS.c.partition == number,
                POSITIONS.c.next_offset == start,
            )
            .values(next_offset=end)
        )
        if moved.rowcount == 0 and not await transaction.run_sync(
            insert_or_ignore, POSITIONS, [key | {"next_offset": end}]
        ):
            raise Fenced(f"{topic}[{number}] has moved from {start}")
