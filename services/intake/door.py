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
from services.chassis.keyring import Claim, Identified, Identity, Key, Keyring, identified
from services.chassis.publishing import Publisher
from services.chassis.records import Envelope, Outgoing
from services.intake.domain import (
    Admitted,
    Arrival,
    SegmentPair,
    Settled,
    check,
    digest_of,
    personal_content,
    response,
    revision_of,
)
from services.intake.settings import IntakeSection
from services.intake.sql_registers import SegmentRegister, SourceRegister

HISTORY_HEADER: Final = "nps-history"


@dataclass(frozen=True, slots=True)
class Prepared:
    """What became of arrivals, in order, and the records that let in those that may come in."""

    results: list[Response | Malformed]
    records: list[Outgoing]


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
        prepared = await self.prepare(arrivals, now)
        await self.let_in(prepared)
        return prepared.results

    async def prepare(self, arrivals: Sequence[Arrival], now: datetime) -> Prepared:
        """The first half of `admit`: all but publishing. Who has many reads on while they are on their way.

        Raises:
            Transient: if nothing can be accepted now.
        """
        settled = await self._settle(arrivals)
        responses = iter(await self._seal([item for item in settled if isinstance(item, Settled)]))
        results = [item if isinstance(item, Malformed) else next(responses) for item in settled]
        envelope = Envelope(RESPONSES, "intake", now)
        records = [
            _outgoing(envelope, item, arrival.traceparent)
            for item, arrival in zip(results, arrivals, strict=True)
            if isinstance(item, Response)
        ]
        return Prepared(results, records)

    async def let_in(self, prepared: Prepared) -> None:
        """The second half: what may come in is durable on return.

        Raises:
            Transient: if nothing can be accepted now.
        """
        await self.publisher.publish(prepared.records)

    async def _settle(self, arrivals: Sequence[Arrival]) -> list[Settled | Malformed]:
        """Ids, revisions and segments of all that may come in."""
        checked = [self._checked(arrival) for arrival in arrivals]
        sound = [item for item in checked if isinstance(item, Arrival)]
        await self.sources.note(_source(item) for item in sound if item.submission.revision is not None)
        numbering = await self.sources.numbering({_source(item) for item in sound})
        grouped = [item.segments if isinstance(item, Arrival) else {} for item in checked]
        told_apart = await self._told_apart(checked, grouped)
        return [
            item if isinstance(item, Malformed) else self._settled(item, segments, numbering, told_apart[item.tenant])
            for item, segments in zip(checked, grouped, strict=True)
        ]

    def _checked(self, arrival: Arrival) -> Arrival | Malformed:
        try:
            self.sections.of(arrival.tenant)
            check(arrival)
        except Malformed as error:
            return error
        return arrival

    def _settled(
        self, arrival: Arrival, segments: dict[str, str], numbering: set[tuple[str, str]], told_apart: Admitted
    ) -> Settled | Malformed:
        overflow = self.sections.of(arrival.tenant).segments.overflow
        try:
            revision = revision_of(arrival, source_numbers=bool(numbering) and _source(arrival) in numbering)
        except Malformed as error:
            return error
        return Settled(arrival, arrival.response_id, revision, told_apart.bounded(segments, overflow))

    async def _told_apart(
        self, arrivals: Sequence[Arrival | Malformed], segments: Sequence[dict[str, str]]
    ) -> dict[str, Admitted]:
        wanted: dict[str, set[SegmentPair]] = {}
        for arrival, pairs in zip(arrivals, segments, strict=True):
            if isinstance(arrival, Arrival):
                wanted.setdefault(arrival.tenant, set()).update(pairs.items())
        return {
            tenant: await self.segments.admitted(tenant, pairs, self.sections.of(tenant).segments.most)
            for tenant, pairs in wanted.items()
        }

    async def _seal(self, settled: Sequence[Settled]) -> list[Response]:
        """Seals what is personal under the key of the person, or of the answer where nobody is known."""
        tenants = {item.arrival.tenant for item in settled}
        secrets = {tenant: await self.keyring.secret_of(tenant) for tenant in tenants}
        people = [_identified(item, secrets[item.arrival.tenant]) for item in settled]
        contents = [personal_content(item.arrival.submission) for item in settled]
        claims = [
            _claim(item, one) if content else None for item, one, content in zip(settled, people, contents, strict=True)
        ]
        keys = await self.keyring.admit([claim for claim in claims if claim])
        found = []
        for item, one, claim, content in zip(settled, people, claims, contents, strict=True):
            key = keys[claim.tenant, claim.owner] if claim else None
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


def _identified(settled: Settled, secret: bytes) -> Identified | None:
    submission = settled.arrival.submission
    if not (submission.customer_id or submission.email or submission.phone):
        return None
    return identified(secret, Identity(submission.customer_id, submission.email, submission.phone))


def _source(arrival: Arrival) -> tuple[str, str]:
    return arrival.tenant, arrival.source_name


def _claim(settled: Settled, one: Identified | None) -> Claim:
    """The key this answer needs.

    The answer's own key, under which a late comment without a name is sealed, is erased with whoever gave the answer.
    """
    tenant, own = settled.arrival.tenant, f"response:{settled.response_id}"
    return Claim(tenant, one.subject, one, own) if one else Claim(tenant, own)


def _outgoing(envelope: Envelope[Response], accepted: Response, traceparent: str | None) -> Outgoing:
    event_id = f"{accepted.tenant}/{accepted.response_id}/{accepted.op}/{accepted.revision}"
    marks = ((HISTORY_HEADER, b"true"),) if accepted.history else ()
    return envelope.around(accepted, event_id, traceparent, *marks)
