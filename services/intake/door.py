"""The one door: whatever way an answer came, it is settled, admitted and sealed here, and then published.

Keys are committed before anything sealed with them is produced. A crash in between loses nothing: the sender, or the
topic, brings the same thing again, and it comes out the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from schemas.contract import KNOWN_CHANNELS
from schemas.malformed import Malformed
from schemas.response import WHOLE, Response
from schemas.topics import RESPONSES
from services.chassis.business import Sections
from services.chassis.keyring import Claim, Identified, Identity, Key, Keyring, identified
from services.chassis.metrics import Metrics
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
from services.intake.metrics import AnyMetric
from services.intake.settings import IntakeSection
from services.intake.sql_registers import SegmentRegister, SourceRegister

HISTORY_HEADER: Final = "nps-history"

OTHER_CHANNEL: Final = "other"
"""In metrics, all channels but those that are known: senders name them as they like."""

_Bound = tuple[Admitted, str]


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
    metrics: Metrics[AnyMetric]

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
        unmatched = Counter(
            item.channel if item.channel in KNOWN_CHANNELS else OTHER_CHANNEL
            for item in prepared.results
            if isinstance(item, Response) and item.subject is None and item.op in WHOLE
        )
        for channel, number in unmatched.items():
            self.metrics.count("nps_answers_unmatched_total", number, channel=channel)

    async def identify(self, tenant: str, identity: Identity) -> Identified | None:
        """Hashes of an identity as this tenant's answers have them; none if nothing is known of it.

        A tenant that is no longer in the business file is no reason to refuse somebody's word.
        """
        region = self.sections.of(tenant).phone_region if self.sections.knows(tenant) else None
        return await self.keyring.identify(tenant, replace(identity, phone_region=region))

    async def _settle(self, arrivals: Sequence[Arrival]) -> list[Settled | Malformed]:
        """Ids, revisions and segments of all that may come in."""
        checked = [self._checked(arrival) for arrival in arrivals]
        sound = [item for item in checked if isinstance(item, Arrival)]
        sources = [(item.tenant, item.source_name) for item in sound]
        numbered = [source for item, source in zip(sound, sources, strict=True) if item.submission.revision is not None]
        await self.sources.note(numbered)
        numbering = await self.sources.numbering(set(sources))
        grouped = [item.segments for item in sound]
        told_apart = await self._told_apart(sound, grouped)
        settled = map(self._settled, sound, grouped, (one in numbering for one in sources), told_apart)
        return [item if isinstance(item, Malformed) else next(settled) for item in checked]

    def _checked(self, arrival: Arrival) -> Arrival | Malformed:
        try:
            self.sections.of(arrival.tenant)
            check(arrival)
        except Malformed as error:
            return error
        return arrival

    def _settled(
        self,
        arrival: Arrival,
        segments: dict[str, str],
        source_numbers: bool,  # noqa: FBT001 mapped over
        bound: _Bound,
    ) -> Settled | Malformed:
        try:
            revision = revision_of(arrival, source_numbers=source_numbers)
        except Malformed as error:
            return error
        admitted, overflow = bound
        return Settled(arrival, arrival.response_id, revision, admitted.bounded(segments, overflow))

    async def _told_apart(self, arrivals: Sequence[Arrival], segments: Sequence[dict[str, str]]) -> list[_Bound]:
        """For each arrival which segments of its tenant are told apart, and what stands for all others."""
        wanted: dict[str, set[SegmentPair]] = {arrival.tenant: set() for arrival in arrivals}
        for arrival, pairs in zip(arrivals, segments, strict=True):
            wanted[arrival.tenant].update(pairs.items())
        bounds = {}
        for tenant, chosen in wanted.items():
            bound = self.sections.of(tenant).segments
            bounds[tenant] = await self.segments.admitted(tenant, chosen, bound.most), bound.overflow
        return [bounds[arrival.tenant] for arrival in arrivals]

    async def _seal(self, settled: Sequence[Settled]) -> list[Response]:
        """Seals what is personal under the key of the person, or of the answer where nobody is known."""
        tenants = {item.arrival.tenant for item in settled}
        secrets = {tenant: await self.keyring.secret_of(tenant) for tenant in tenants}
        regions = {tenant: self.sections.of(tenant).phone_region for tenant in tenants}
        people = [_identified(item, secrets[item.arrival.tenant], regions[item.arrival.tenant]) for item in settled]
        contents = [personal_content(item.arrival.submission) for item in settled]
        claims = [
            _claim(item, one) if content else None for item, one, content in zip(settled, people, contents, strict=True)
        ]
        keys = await self.keyring.admit([claim for claim in claims if claim])
        held = [keys[claim.tenant, claim.owner] if claim else None for claim in claims]
        pairs = zip(held, contents, strict=True)
        sealed = iter(self.keyring.seal_all([(key, content) for key, content in pairs if isinstance(key, Key)]))
        return [
            response(
                item,
                digest=digest_of(
                    item.arrival.submission, key.secret if isinstance(key, Key) else secrets[item.arrival.tenant]
                ),
                subject=one.subject if one else None,
                sealed=next(sealed) if isinstance(key, Key) else None,
            )
            for item, one, key in zip(settled, people, held, strict=True)
        ]


def _identified(settled: Settled, secret: bytes, region: str | None) -> Identified | None:
    submission = settled.arrival.submission
    if not (submission.customer_id or submission.email or submission.phone):
        return None
    return identified(secret, Identity(submission.customer_id, submission.email, submission.phone, region))


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
