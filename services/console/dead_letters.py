"""Dead letters as people look for them: what could not be read, why, and byte for byte what it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka.errors import KafkaError

from schemas.malformed import Malformed
from schemas.topic import DEAD_LETTER_SUFFIX
from services.chassis.dead_letters import DeadLetter, read_letter
from services.chassis.failures import Transient
from services.chassis.reading import open_reader
from services.chassis.topic_admin import open_topic_admin

if TYPE_CHECKING:
    from services.chassis.dead_letters import Sealer
    from services.chassis.kafka import Kafka


async def letters(kafka: Kafka, sealer: Sealer | None, topic: str | None = None) -> list[DeadLetter]:
    """Every dead letter once, however often it was written, the oldest first."""
    try:
        async with open_topic_admin(kafka, 1) as admin:
            names = [name for name in await admin.names() if name.endswith(DEAD_LETTER_SUFFIX)]
    except KafkaError as error:
        raise Transient(f"Kafka: {type(error).__name__}") from error
    if topic:
        names = [name for name in names if name == topic + DEAD_LETTER_SUFFIX]
    found: dict[object, DeadLetter] = {}
    async with open_reader(kafka) as reader:
        await reader.assign(names)
        async for raw in reader.to_end():
            try:
                letter = await read_letter(raw, sealer)
            except Malformed:
                continue
            found.setdefault(letter.letter_id, letter)
    return sorted(found.values(), key=lambda letter: letter.failed_at)
