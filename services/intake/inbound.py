"""Inbound topics: what apps publish to `responses.<channel>`, in any of three envelopes, read strictly."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from schemas import cloudevents
from schemas.contract import is_channel
from schemas.malformed import Malformed
from schemas.response import Submission
from schemas.topic import INBOUND_PREFIX, decode_json
from services.chassis.business import Sections
from services.chassis.clock import Clock
from services.chassis.records import Raw
from services.intake.domain import Arrival
from services.intake.settings import IntakeSection

DEFAULT_TENANT: Final = "default"


def decoder(sections: Sections[IntakeSection], clock: Clock) -> Callable[[Raw], Arrival]:
    """Reads records of inbound topics as they come."""

    def decode(raw: Raw) -> Arrival:
        return arrival_of(raw, sections, clock.now())

    return decode


def arrival_of(raw: Raw, sections: Sections[IntakeSection], now: datetime) -> Arrival:
    """What a record of an inbound topic says, read at a moment.

    Raises:
        Malformed: naming what is wrong with it.
    """
    event = cloudevents.decode(raw.headers, raw.value)
    submission = decode_json(Submission, event.data)
    tenant = submission.tenant or DEFAULT_TENANT
    if not sections.of(tenant).may_speak(raw.topic):
        raise Malformed.of("tenant", f"{raw.topic} may not speak for it")
    place = f"{raw.topic}|{raw.partition}|{raw.offset}|{int(raw.at.timestamp() * 1000)}"
    source = submission.source or event.source
    return Arrival(
        submission=submission,
        tenant=tenant,
        channel=submission.channel or channel_of(raw.topic),
        received_at=_received_at(raw, now),
        identity=f"event|{source}|{event.id}" if event.id else f"topic|{place}",
        source=event.source,
        traceparent=raw.traceparent,
    )


def channel_of(topic: str) -> str | None:
    """The channel that a topic's name tells."""
    name = topic.removeprefix(INBOUND_PREFIX)
    return name if is_channel(name) else None


def _received_at(raw: Raw, now: datetime) -> datetime:
    """The broker's time; ours where the topic holds its producers' clocks, which nobody checks."""
    return raw.at if raw.appended else now
