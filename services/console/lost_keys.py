"""Gives up keys that are gone for good: what was sealed with them counts as erased from then on."""

from __future__ import annotations

from typing import Any, Final

from schemas.topic import Topic
from schemas.topics import MESSAGES, OUTREACH, RESPONSES, TASK_UPDATES
from services.chassis.clock import Clock
from services.chassis.failures import Malformed
from services.chassis.kafka import Kafka
from services.chassis.keyring import open_keyring
from services.chassis.reading import open_reader
from services.chassis.settings import SealedSettings

SEALED_TOPICS: Final[tuple[Topic[Any], ...]] = (RESPONSES, MESSAGES, OUTREACH, TASK_UPDATES)
KEYS_AT_ONCE: Final = 5_000


async def give_up(settings: SealedSettings, clock: Clock) -> int:
    """Marks every key that a topic names and the keyring neither has nor marks; returns how many there were."""
    given_up = 0
    by_name = {topic.name: topic for topic in SEALED_TOPICS}
    async with open_keyring(settings, clock) as keyring, open_reader(Kafka(settings)) as reader:
        await reader.assign(by_name)
        kids: set[str] = set()
        async for raw in reader.to_end():
            try:
                payload = by_name[raw.topic].decode(raw.headers, raw.value)
            except Malformed:
                continue
            for sealed in (payload.sealed, getattr(payload, "sealed_comment", None)):
                if sealed is not None:
                    kids.add(sealed.kid)
            if len(kids) >= KEYS_AT_ONCE:
                given_up += await keyring.mark_lost(kids)
                kids.clear()
        given_up += await keyring.mark_lost(kids)
    return given_up
