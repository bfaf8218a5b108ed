"""What has been said of generations on `nps.generations`, and where `nps.tallies` ends for whoever says something."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.generation import Generation
from schemas.topics import GENERATIONS, TALLIES
from services.chassis.reading import open_reader

if TYPE_CHECKING:
    from services.chassis.kafka import Kafka


async def announced(kafka: Kafka) -> list[Generation]:
    """What was said last of each source partition of each generation.

    Raises:
        Transient: if Kafka fails.
        Malformed: if one of ours cannot be read.
    """
    found: dict[bytes, Generation] = {}
    async with open_reader(kafka) as reader:
        await reader.assign([GENERATIONS.name])
        async for raw in reader.to_end():
            key = raw.key or b""
            if not GENERATIONS.bears(raw.key, raw.headers, raw.value):
                continue
            if raw.value is None:
                found.pop(key, None)
            else:
                found[key] = GENERATIONS.decode(raw.headers, raw.value)
    return list(found.values())


async def ends_of_tallies(kafka: Kafka) -> dict[str, int]:
    """Where each partition of `nps.tallies` ends, transactions of others that are still open included.

    Raises:
        Transient: if Kafka fails.
    """
    async with open_reader(kafka, uncommitted=True) as reader:
        await reader.assign([TALLIES.name])
        return {str(partition): end for (_, partition), end in (await reader.ends()).items()}
