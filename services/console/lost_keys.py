"""Gives up keys that are gone for good: what was sealed with them counts as erased from then on."""

from __future__ import annotations

from typing import Any, Final

from schemas.topic import DEAD_LETTER_SUFFIX, Topic
from schemas.topics import MESSAGES, OUTREACH, RESPONSES, TASK_UPDATES
from services.chassis.clock import Clock
from services.chassis.dead_letters import key_of_letter
from services.chassis.failures import Malformed
from services.chassis.kafka import Kafka
from services.chassis.keyring import open_keyring
from services.chassis.reading import open_reader
from services.chassis.records import Raw
from services.chassis.settings import SealedSettings
from services.chassis.topic_admin import open_topic_admin

SEALED_TOPICS: Final[tuple[Topic[Any], ...]] = (RESPONSES, MESSAGES, OUTREACH, TASK_UPDATES)
KEYS_AT_ONCE: Final = 5_000

_BY_NAME: Final = {topic.name: topic for topic in SEALED_TOPICS}


async def give_up(settings: SealedSettings, clock: Clock) -> int:
    """Marks every key that a topic names and the keyring neither has nor marks; returns how many there were."""
    given_up, kafka = 0, Kafka(settings)
    async with open_topic_admin(kafka, 1) as admin:
        letters = [name for name in await admin.names() if name.endswith(DEAD_LETTER_SUFFIX)]
    async with open_keyring(settings, clock) as keyring, open_reader(kafka) as reader:
        await reader.assign([*_BY_NAME, *letters])
        kids: set[str] = set()
        async for raw in reader.to_end():
            kids.update(_keys_of(raw))
            if len(kids) >= KEYS_AT_ONCE:
                given_up += await keyring.mark_lost(kids)
                kids.clear()
        given_up += await keyring.mark_lost(kids)
    return given_up


def _keys_of(raw: Raw) -> list[str]:
    """Which keys a record was sealed with."""
    topic = _BY_NAME.get(raw.topic)
    if topic is None:
        kid = key_of_letter(raw)
        return [kid] if kid else []
    try:
        payload = topic.decode(raw.headers, raw.value)
    except Malformed:
        return []
    sealed = (payload.sealed, getattr(payload, "sealed_comment", None))
    return [one.kid for one in sealed if one is not None]
