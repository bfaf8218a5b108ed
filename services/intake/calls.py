"""Calls of sources: verified on the raw bytes, parsed, and let in through the one door; 2xx once all of it is durable.

What is signed and cannot be used as it is becomes a dead letter, and the source is told that we have it: most of them
would try the same again for a day and then stop calling. It goes in once the business file says how. Where an answer
has to be fetched from the vendor and cannot be now, nothing is let in and the vendor is asked to call again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4, uuid5

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from schemas.consent import Consent
from schemas.contract import LONGEST_IDENTIFIER
from schemas.malformed import Fault, Malformed
from schemas.topics import CONSENTS
from services.chassis import tracing
from services.chassis.failures import Transient
from services.chassis.keyring import Identity
from services.chassis.problems import FieldError, Problem
from services.chassis.records import Cause, Raw, outgoing
from services.chassis.web import body_of
from services.intake.domain import Arrival
from services.intake.sources.catalogue import ADAPTERS
from services.intake.sources.source import Answered, Call, Heard, OptedOut, Unverified

if TYPE_CHECKING:
    from schemas.consent import Purpose
    from services.chassis.dead_letters import DeadLetters
    from services.chassis.frame import Frame
    from services.chassis.metrics import Metrics
    from services.intake.conversations.http_conversations import HttpConversations
    from services.intake.door import Door
    from services.intake.lookups import Lookups
    from services.intake.metrics import AnyMetric
    from services.intake.public_keys import PublicKeys
    from services.intake.settings import IntakeSettings
    from services.intake.sources.catalogue import AnyOptions

CALLS: Final = "nps.calls"
"""Where dead letters of calls are found: `nps.calls.dlq`. There is no topic of this name."""

LETTERS: Final = UUID("5d0d6f3c-0e0c-5a4f-9a55-33b1a6b1c7de")
"""Namespace of the ids of dead letters that calls become (RFC 9562 §5.5)."""

CALL_ID: Final = "nps-call-id"
"""In the headers of a call that is kept: names answers that have no id of their own, also when it is read again."""

HEADERS_KEPT: Final = frozenset({CALL_ID, "content-type", "webhook-id", "webhook-timestamp"})
"""Of a call that is kept: enough to read it again, and nothing that proves who somebody is."""

TALKING: Final = frozenset({"twilio"})
"""Vendors that are answered with what to say next."""

HEARD_TOO_LATE: Final = Malformed.of("body", "a message of a conversation is heard when it comes, and not afterwards")


class CallTaken(BaseModel):
    """What became of a call: answers that are in, and what cannot be used as it is and is kept."""

    accepted: int
    kept: int = 0
    errors: list[FieldError] | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """One configured source of a tenant."""

    tenant: str
    name: str
    options: AnyOptions
    vendor: str


@dataclass(frozen=True, slots=True)
class Calls:
    """What the route of sources needs."""

    frame: Frame
    door: Door
    letters: DeadLetters
    settings: IntakeSettings
    lookups: Lookups
    public_keys: PublicKeys
    conversations: HttpConversations | None = None
    """None where nobody waits for an answer: a command lets in what was kept."""

    async def on_call(self, request: Request) -> Response:
        """Takes in what a source tells us."""
        source = self._source(request.path_params["tenant"], request.path_params["source"])
        call = Call.of(request.headers, await body_of(request), request.query_params, self._address(request))
        now = self.frame.clock.now()
        try:
            await self._verify(source, call, now)
            answer = await self._answered(source, call)
            if answer is not None:
                return answer
            taken = await self.take(source, call, now, request.headers.get(tracing.HEADER))
        except Unverified as error:
            self._count(source, "refused")
            raise Problem(HTTPStatus.UNAUTHORIZED, "signature", str(error)) from error
        except Transient:
            self._count(source, "unavailable")
            raise
        self._count(source, "kept" if taken.kept else "accepted")
        return Response(taken.model_dump_json(exclude_none=True), HTTPStatus.ACCEPTED, media_type="application/json")

    async def _answered(self, source: Source, call: Call) -> Response | None:
        """What is said back in a conversation; none where there is none, or what came cannot be understood."""
        if source.vendor not in TALKING or self.conversations is None:
            return None
        try:
            answer = await self.conversations.on_text(source, call)
        except Malformed:
            return None
        self._count(source, "accepted")
        return answer

    async def probed(self, request: Request) -> Response:
        """Some vendors ask whether anybody is there before they begin to call; SurveyMonkey takes nothing but a 200."""
        self._source(request.path_params["tenant"], request.path_params["source"])
        return Response(status_code=HTTPStatus.OK)

    async def take(self, source: Source, call: Call, now: datetime, traceparent: str | None = None) -> CallTaken:
        """Lets in what a verified call says; what cannot be used is kept as a dead letter.

        Raises:
            Transient: if nothing can be accepted now.
        """
        call = replace(call, headers={**call.headers, CALL_ID: str(uuid4())})
        accepted, faults = await self.let_in(source, call, now, traceparent)
        if not faults:
            return CallTaken(accepted=accepted)
        await self.letters.write(
            _raw(source, call, now), Malformed(faults), attempts=1, now=now, letter=_letter_of(source, call)
        )
        errors = [FieldError(field=fault.field, reason=fault.reason) for fault in faults]
        return CallTaken(accepted=accepted, kept=1, errors=errors)

    def _address(self, request: Request) -> str:
        """What the source called: behind a proxy, the address seen here is another."""
        if self.settings.public_url is None:
            return str(request.url)
        query = f"?{request.url.query}" if request.url.query else ""
        return f"{self.settings.public_url}{request.url.path}{query}"

    async def let_in(
        self, source: Source, call: Call, received_at: datetime, traceparent: str | None = None
    ) -> tuple[int, list[Fault]]:
        """Lets in what a verified call says; returns how much of it is in, and what is wrong with the rest.

        Called again with a call that was kept, with its id and the time it had come, it lets in the same.

        Raises:
            Transient: if nothing can be accepted now.
        """
        try:
            named = ADAPTERS[source.vendor].parse(call, source.options)
            said = await self.lookups.told(source.tenant, source.name, source.options, named)
        except Malformed as error:
            return 0, error.faults
        refused = [
            HEARD_TOO_LATE if isinstance(item, Heard) else item for item in said if isinstance(item, Heard | Malformed)
        ]
        came = _Came(call.headers[CALL_ID], received_at, traceparent)
        arrivals = [_arrival(source, item, came) for item in said if isinstance(item, Answered)]
        results = await self.door.admit(arrivals, self.frame.clock.now())
        refused += [result for result in results if isinstance(result, Malformed)]
        await self._withdraw_consent(source, [item for item in said if isinstance(item, OptedOut)], came)
        return len(said) - len(refused), [fault for error in refused for fault in error.faults]

    def source(self, tenant: str, name: str) -> Source:
        """A source of the business file.

        Raises:
            Malformed: if there is none of this name.
        """
        options = self.door.sections.of(tenant).sources.get(name)
        if options is None:
            raise Malformed.of("source", "not in the business file")
        return Source(tenant, name, options, options.vendor)

    def _source(self, tenant: str, name: str) -> Source:
        try:
            return self.source(tenant, name)
        except Malformed as error:
            raise Problem(HTTPStatus.NOT_FOUND, "not-found", "no such source in the business file") from error

    async def _verify(self, source: Source, call: Call, now: datetime) -> None:
        """One of the secrets that hold must fit; the reason is that of the newest, which stands first."""
        secrets = await self._secrets(source, now)
        if not secrets:
            raise Unverified(f"NPS_SOURCE_SECRETS has none for {source.tenant}/{source.name}")
        reasons = []
        for secret in secrets:
            try:
                ADAPTERS[source.vendor].verify(call, source.options, secret, now)
            except Unverified as error:
                reasons.append(error)
            else:
                return
        raise reasons[0]

    async def _secrets(self, source: Source, now: datetime) -> tuple[str, ...]:
        """What the source signs with; or what its vendor's signature is verified with."""
        address = ADAPTERS[source.vendor].keys(source.options)
        if address is None:
            return self.settings.secrets_of(source.tenant, source.name)
        return (await self.public_keys.at(address, now),)

    async def _withdraw_consent(self, source: Source, gone: Sequence[OptedOut], came: _Came) -> None:
        consents = [
            _withdrawn(source, one, purpose, subject, came.at)
            for one in gone
            for subject in await self._subjects(source, one)
            for purpose in one.purposes
        ]
        cause = Cause("intake", self.frame.clock.now(), came.traceparent)
        await self.frame.publisher.publish([outgoing(CONSENTS, each, str(uuid4()), cause) for each in consents])

    async def _subjects(self, source: Source, one: OptedOut) -> list[str]:
        """One for each identifier, whether or not they are linked yet."""
        identity = Identity(one.customer_id, one.email, one.phone)
        known = await self.door.identify(source.tenant, identity)
        return [value for value, _ in known.identifiers] if known else []

    def _count(self, source: Source, outcome: str) -> None:
        metrics: Metrics[AnyMetric] = self.frame.metrics
        metrics.count("nps_webhook_calls_total", source=source.vendor, outcome=outcome)


def _withdrawn(source: Source, one: OptedOut, purpose: Purpose, subject: str, now: datetime) -> Consent:
    return Consent(
        tenant=source.tenant,
        subject=subject,
        purpose=purpose,
        granted=False,
        source=source.vendor,
        at=min(one.at or now, now),
    )


@dataclass(frozen=True, slots=True)
class _Came:
    """How a call came: under which id of ours, when, and in which trace."""

    call_id: str
    at: datetime
    traceparent: str | None


def _arrival(source: Source, item: Answered, came: _Came) -> Arrival:
    """Ids of two sources may be the same: each stands behind its source's name, or is hashed with it if too long."""
    own = item.submission.response_id
    named = f"{source.name}:{own}" if own else None
    event = f"event|{item.event_id}" if item.event_id else f"call|{came.call_id}|{item.place}"
    fits = named is None or len(named) <= LONGEST_IDENTIFIER
    return Arrival(
        submission=item.submission.model_copy(update={"response_id": named if fits else None}),
        tenant=source.tenant,
        channel=item.submission.channel,
        received_at=came.at,
        identity=f"source|{source.name}|{f'answer|{own}' if own else event}",
        source=source.name,
        traceparent=came.traceparent,
    )


def _letter_of(source: Source, call: Call) -> UUID:
    """The same for a call that comes again, where that can be told from another that says the same."""
    told = call.body.hex() if source.options.names_answers else call.headers[CALL_ID]
    return uuid5(LETTERS, f"{source.tenant}/{source.name}|{told}")


def _raw(source: Source, call: Call, now: datetime) -> Raw:
    """A call in the form that dead letters keep."""
    kept = tuple((name, value.encode()) for name, value in call.headers.items() if name in HEADERS_KEPT)
    key = json.dumps([source.tenant, source.name]).encode()
    return Raw(CALLS, 0, 0, now, key, call.body, kept)
