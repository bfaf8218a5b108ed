"""The one door: whatever way an answer came, it is settled, admitted and sealed here, and then published.

Keys are committed before anything sealed with them is produced. A crash in between loses nothing: the sender, or the
topic, brings the same thing again, and it comes out the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from schemas.malformed import Malformed
from schemas.response import Response
from schemas.topics import RESPONSES
from services.chassis.business import Sections
from services.chassis.keyring import Claim, Identified, Identity, Key, Keyring
from services.chassis.publishing import Publisher
from services.chassis.records import Cause, Outgoing, outgoing
from services.intake.domain import (
    Admitted,
    Arrival,
    Settled,
    check,
    digest_of,
    personal_data,
    response,
    revision_of,
)
from services.intake.settings import IntakeSection
from services.intake.sql_registers import SegmentRegister, SourceRegister

HISTORY_HEADER: Final = "nps-history"


@dataclass(frozen=True, slots=True)
class Door:
    """What it takes to let answers in."""

    sections: Sections[IntakeSection]
    segments: SegmentRegister
    sources: SourceRegister
    keyring: Keyring
    publisher: Publisher

    async def admit(self, arrivals: Sequence[Arrival], now: datetime) -> list[Response | Malformed]:
        """Lets in what may come in, in order; each is durable on return, or refused with the reason.

        Raises:
            Transient: if nothing can be accepted now.
        """
        settled = await self._settle(arrivals)
        accepted = [item for item in settled if isinstance(item, Settled)]
        responses = iter(await self._seal(accepted))
        results = [item if isinstance(item, Malformed) else next(responses) for item in settled]
        await self.publisher.publish(
            [
                _outgoing(item, arrival, now)
                for item, arrival in zip(results, arrivals, strict=True)
                if isinstance(item, Response)
            ]
        )
        return results

    async def _settle(self, arrivals: Sequence[Arrival]) -> list[Settled | Malformed]:
        """Ids, revisions and segments of all that may come in."""
        checked = [self._checked(arrival) for arrival in arrivals]
        sound = [item for item in checked if isinstance(item, Arrival)]
        await self.sources.note(_source(item) for item in sound if item.submission.revision is not None)
        numbering = await self.sources.numbering({_source(item) for item in sound})
        told_apart = await self._told_apart(sound)
        return [item if isinstance(item, Malformed) else self._settled(item, numbering, told_apart) for item in checked]

    def _checked(self, arrival: Arrival) -> Arrival | Malformed:
        try:
            self.sections.of(arrival.tenant)
            check(arrival)
        except Malformed as error:
            return error
        return arrival

    def _settled(
        self, arrival: Arrival, numbering: set[tuple[str, str]], told_apart: dict[str, Admitted]
    ) -> Settled | Malformed:
        overflow = self.sections.of(arrival.tenant).segments.overflow
        segments = told_apart[arrival.tenant].bounded(arrival.segments, overflow)
        try:
            return Settled(arrival, revision_of(arrival, source_numbers=_source(arrival) in numbering), segments)
        except Malformed as error:
            return error

    async def _told_apart(self, arrivals: Sequence[Arrival]) -> dict[str, Admitted]:
        wanted: dict[str, set[tuple[str, str]]] = {}
        for arrival in arrivals:
            wanted.setdefault(arrival.tenant, set()).update(arrival.segments.items())
        return {
            tenant: await self.segments.admitted(tenant, pairs, self.sections.of(tenant).segments.most)
            for tenant, pairs in wanted.items()
        }

    async def _seal(self, settled: Sequence[Settled]) -> list[Response]:
        """Seals what is personal under the key of the person, or of the answer where nobody is known."""
        people = [await self._identify(item) for item in settled]
        claims = [_claim(item, one) for item, one in zip(settled, people, strict=True)]
        keys = await self.keyring.admit([claim for claim in claims if claim])
        secrets = {item.arrival.tenant: await self.keyring.secret_of(item.arrival.tenant) for item in settled}
        found = []
        for item, one, claim in zip(settled, people, claims, strict=True):
            key = keys[claim.tenant, claim.owner] if claim else None
            content = personal_data(item.arrival.submission).model_dump_json(exclude_defaults=True).encode()
            secret = key.secret if isinstance(key, Key) else secrets[item.arrival.tenant]
            found.append(
                response(
                    item,
                    digest=digest_of(item.arrival.submission, secret),
                    subject=one.subject if one else None,
                    sealed=self.keyring.seal(key, content) if isinstance(key, Key) else None,
                )
            )
        return found

    async def _identify(self, settled: Settled) -> Identified | None:
        submission = settled.arrival.submission
        identity = Identity(submission.customer_id, submission.email, submission.phone)
        return await self.keyring.identify(settled.arrival.tenant, identity)


def _source(arrival: Arrival) -> tuple[str, str]:
    return arrival.tenant, arrival.source_name


def _claim(settled: Settled, one: Identified | None) -> Claim | None:
    """The key this answer needs; none where there is nothing to seal.

    The answer's own key, under which a late comment without a name is sealed, is erased with whoever gave the answer.
    """
    arrival = settled.arrival
    if personal_data(arrival.submission).is_empty():
        return None
    own = f"response:{arrival.response_id}"
    return Claim(arrival.tenant, one.subject, one, own) if one else Claim(arrival.tenant, own)


def _outgoing(accepted: Response, arrival: Arrival, now: datetime) -> Outgoing:
    event_id = f"{accepted.tenant}/{accepted.response_id}/{accepted.op}/{accepted.revision}"
    record = outgoing(RESPONSES, accepted, event_id, Cause("intake", now, arrival.traceparent))
    if not accepted.history:
        return record
    return Outgoing(
        record.topic, record.key, record.meets_by, record.value, (*record.headers, (HISTORY_HEADER, b"true"))
    )
