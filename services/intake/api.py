"""HTTP: answers one by one and in batches, consents, and the webhooks of providers and CRMs.

202 means that all replicas have it; anything else means that nothing was accepted. Bodies are read as bytes and checked
against the contract once, so that the error names the field the sender wrote.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from itertools import count
from typing import TYPE_CHECKING, Annotated, Final, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json
from starlette.requests import Request
from starlette.responses import Response

from schemas import cloudevents
from schemas.consent import Consent, Purpose
from schemas.contract import Identifier, Moment, Name, ShortText, Stranger
from schemas.malformed import Fault, Malformed
from schemas.response import Email, Phone, Submission
from schemas.topic import decode_json
from schemas.topics import CONSENTS
from services.chassis import tracing
from services.chassis.failures import Transient
from services.chassis.keyring import Identity
from services.chassis.problems import FieldError, Problem
from services.chassis.records import Cause, outgoing
from services.chassis.web import body_of, unavailable
from services.intake.domain import Arrival
from services.intake.sql_requests import Begun, Done

if TYPE_CHECKING:
    from schemas.response import Response as Answer
    from services.chassis.frame import Frame
    from services.chassis.metrics import Metrics
    from services.chassis.rate_limits import RateLimit
    from services.intake.conversations.sql_conversations import SqlConversations
    from services.intake.door import Door
    from services.intake.metrics import AnyMetric
    from services.intake.sql_keys import ApiKey, KeyRegister, Scope
    from services.intake.sql_requests import SqlRequests

ONE: Final = "/v1/responses"
MOST_IN_BATCH: Final = 500
LARGEST_BATCH: Final = 5 * 1024 * 1024
LONGEST_KEY: Final = 255
RETRY_AFTER_S: Final = 1
HTTP_CHANNEL: Final = "api"
HISTORY: Final[Scope] = "responses:history"


class ConsentGiven(Stranger):
    """A person's word on being contacted, as a sender tells it."""

    purpose: Purpose
    granted: bool
    customer_id: Identifier | None = None
    email: Email | None = None
    phone: Phone | None = None
    source: Name = "api"
    evidence: ShortText | None = None
    at: Moment | None = None


class Accepted(BaseModel):
    """An answer that is in; `response_id` names it from now on."""

    status: Literal["accepted"] = "accepted"
    response_id: str
    revision: int


class ItemResult(BaseModel):
    """What became of one answer of a batch."""

    index: int
    status: Literal["accepted", "refused"]
    response_id: str | None = None
    revision: int | None = None
    errors: list[FieldError] | None = None


class BatchAccepted(BaseModel):
    """What became of a batch of which at least one answer is in."""

    accepted: int
    results: list[ItemResult]


class StatusAccepted(BaseModel):
    """It is in."""

    status: Literal["accepted"] = "accepted"


@dataclass(frozen=True, slots=True)
class Came:
    """How a request came: under which key, when the first time, and what is the same when it comes again."""

    sender: ApiKey
    received_at: datetime
    identity: str
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Sent:
    """One answer in a request, and the envelope it came in."""

    submission: Submission
    event: cloudevents.Event


Work = Callable[[Came], Awaitable[Done]]

_BATCH: Final = TypeAdapter(
    Annotated[list[Submission], Field(min_length=1, max_length=MOST_IN_BATCH)], config=ConfigDict(defer_build=True)
)
_NO_ENVELOPE: Final = cloudevents.Event(b"")


def _unlike_all_others() -> Iterator[str]:
    """Names for requests that bring none: no other process gives the same, and none that can be guessed."""
    process = uuid4()
    return (f"http|{process}|{number}" for number in count())


@dataclass(frozen=True, slots=True)
class Api:
    """What the routes need."""

    frame: Frame
    door: Door
    keys: KeyRegister
    limit: RateLimit
    requests: SqlRequests
    conversations: SqlConversations
    _names: Iterator[str] = field(default_factory=_unlike_all_others)

    async def submit(self, request: Request) -> Response:
        """Takes one answer in."""
        key = await self._allowed(request, "responses:write")
        body = await body_of(request)

        async def work(came: Came) -> Done:
            (result,) = await self._admit(came, [_submitted(request, body)])
            if isinstance(result, Malformed):
                raise result
            return _done(Accepted(response_id=result.response_id, revision=result.revision))

        return await self._once(request, key, body, work)

    async def submit_batch(self, request: Request) -> Response:
        """Takes up to 500 answers in; each has a result of its own."""
        key = await self._allowed(request, "responses:write")
        body = await body_of(request, largest=LARGEST_BATCH)

        async def work(came: Came) -> Done:
            results = await self._admit(came, _many(body))
            refused = [(index, item) for index, item in enumerate(results) if isinstance(item, Malformed)]
            if len(refused) == len(results):
                raise Malformed([Fault(f"{i}.{f.field}", f.reason) for i, item in refused for f in item.faults])
            told = [_item_result(index, item) for index, item in enumerate(results)]
            return _done(BatchAccepted(accepted=len(results) - len(refused), results=told))

        return await self._once(request, key, body, work)

    async def consent(self, request: Request) -> Response:
        """Notes what a person allows or no longer wants."""
        tenant = (await self._allowed(request, "consents:write")).tenant
        given = decode_json(ConsentGiven, await body_of(request))
        identity = Identity(given.customer_id, given.email, given.phone)
        one = await self.door.identify(tenant, identity)
        if one is None:
            raise Malformed.of("customer_id", "one of customer_id, email and phone is required")
        now = self.frame.clock.now()
        cause = Cause("intake", now, request.headers.get(tracing.HEADER))
        consents = [_consent(given, tenant, value, now) for value, _ in one.identifiers]
        await self.frame.publisher.publish([outgoing(CONSENTS, each, str(uuid4()), cause) for each in consents])
        if given.granted and given.purpose == "survey":
            await self.conversations.allow(tenant, [value for value, _ in one.identifiers])
        return _response(_done(StatusAccepted()))

    async def tenant_of(self, request: Request) -> str:
        """The tenant that a conversation is led for.

        Raises:
            Problem: if the sender's key may not lead any.
        """
        return (await self._allowed(request, "conversations:write")).tenant

    async def _allowed(self, request: Request, scope: Scope) -> ApiKey:
        """The sender's key, which decides the tenant and what may be done; counted before anything else is.

        Raises:
            Problem: 401 if there is none that holds, 403 if it is not for this, 429 if it was used too often.
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        key = await self.keys.of(token.strip()) if scheme.lower() == "bearer" else None
        if key is None:
            raise Problem(
                HTTPStatus.UNAUTHORIZED,
                "api-key",
                "an API key is needed that is neither revoked nor expired: Authorization: Bearer nps_...",
                headers={"WWW-Authenticate": "Bearer"},
            )
        self.limit.check(request.scope, key.key_id)
        if scope not in key.scopes:
            raise Problem(
                HTTPStatus.FORBIDDEN,
                "scope",
                f"this API key is not for {scope}",
                headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'},
            )
        return key

    async def _once(self, request: Request, sender: ApiKey, body: bytes, work: Work) -> Response:
        """Does the work once for an Idempotency-Key, and answers every repetition alike."""
        now, trace, tenant = self.frame.clock.now(), request.headers.get(tracing.HEADER), sender.tenant
        key = request.headers.get("idempotency-key")
        if key is None:
            return _response(await self._worked(work, Came(sender, now, next(self._names), trace)))
        if not key.isprintable() or not 0 < len(key) <= LONGEST_KEY:
            raise Malformed.of("Idempotency-Key", f"must be 1 to {LONGEST_KEY} printable characters")
        fingerprint = hashlib.sha256(request.url.path.encode() + b"\0" + body).hexdigest()
        begun = await self.requests.begin(tenant, key, fingerprint, now)
        if isinstance(begun, Done):
            return _response(begun)
        if not isinstance(begun, Begun):
            raise _not_again(begun)
        try:
            done = await self._worked(work, Came(sender, begun.received_at, f"key|{key}", trace))
        except (Transient, Problem, Malformed):
            await self.requests.give_up(tenant, key, now)
            raise
        await self.requests.finish(tenant, key, done)
        return _response(done)

    async def _worked(self, work: Work, came: Came) -> Done:
        metrics: Metrics[AnyMetric] = self.frame.metrics
        try:
            done = await work(came)
        except Malformed:
            metrics.count("nps_submissions_total", way="http", outcome="refused")
            raise
        except Transient as error:
            metrics.count("nps_submissions_total", way="http", outcome="unavailable")
            raise unavailable() from error
        metrics.count("nps_submissions_total", way="http", outcome="accepted")
        return done

    async def _admit(self, came: Came, sent: Sequence[Sent | Malformed]) -> list[Answer | Malformed]:
        arrivals = [
            item if isinstance(item, Malformed) else _arrival(came, index, item) for index, item in enumerate(sent)
        ]
        sound = [item for item in arrivals if isinstance(item, Arrival)]
        admitted = iter(await self.door.admit(sound, self.frame.clock.now()))
        return [item if isinstance(item, Malformed) else next(admitted) for item in arrivals]


def _consent(given: ConsentGiven, tenant: str, subject: str, now: datetime) -> Consent:
    """The word about one identifier: who names several means each, whether or not they are linked yet."""
    return Consent(
        tenant=tenant,
        subject=subject,
        purpose=given.purpose,
        granted=given.granted,
        source=given.source,
        evidence=given.evidence,
        at=given.at or now,
    )


def _arrival(came: Came, index: int, sent: Sent) -> Arrival | Malformed:
    """One of a request's answers; the key decides the tenant, and the body may only repeat it."""
    submission, event, tenant = sent.submission, sent.event, came.sender.tenant
    if submission.tenant not in {None, tenant}:
        return Malformed.of("tenant", "not the one this key speaks for")
    if submission.history and HISTORY not in came.sender.scopes:
        return Malformed.of("history", f"this API key is not for {HISTORY}")
    source = submission.source or event.source
    return Arrival(
        submission=submission,
        tenant=tenant,
        channel=submission.channel or HTTP_CHANNEL,
        received_at=came.received_at,
        identity=f"event|{source}|{event.id}" if event.id else f"{came.identity}|{index}",
        source=event.source,
        traceparent=came.traceparent,
    )


def _submitted(request: Request, body: bytes) -> Sent | Malformed:
    """One answer in a request: plain JSON, or a CloudEvent in either mode (HTTP protocol binding 1.0.2)."""
    headers = [
        ("ce_" + name[3:] if name.startswith("ce-") else name, value.encode())
        for name, value in request.headers.items()
        if name.startswith("ce-") or name == "content-type"
    ]
    try:
        event = cloudevents.decode(headers, body)
        return Sent(decode_json(Submission, event.data), event)
    except Malformed as error:
        return error


def _many(body: bytes) -> list[Sent | Malformed]:
    """A batch at once if all of it is sound, as nearly all are; else one by one, so that each has errors of its own."""
    try:
        submissions = _BATCH.validate_json(body)
    except ValidationError:
        return [_one(item) for item in _items(body)]
    return [Sent(submission, _NO_ENVELOPE) for submission in submissions]


def _items(body: bytes) -> list[object]:
    try:
        items = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise Malformed.of("body", f"not JSON: {error}") from error
    if not isinstance(items, list):
        raise Malformed.of("body", "must be an array of answers")
    if not 0 < len(items) <= MOST_IN_BATCH:
        raise Malformed.of("body", f"must hold 1 to {MOST_IN_BATCH} answers, holds {len(items)}")
    return items


def _one(item: object) -> Sent | Malformed:
    content = to_json(item)
    try:
        return Sent(decode_json(Submission, content), cloudevents.Event(content))
    except Malformed as error:
        return error


def _item_result(index: int, result: Answer | Malformed) -> ItemResult:
    if isinstance(result, Malformed):
        errors = [FieldError(field=fault.field, reason=fault.reason) for fault in result.faults]
        return ItemResult(index=index, status="refused", errors=errors)
    return ItemResult(index=index, status="accepted", response_id=result.response_id, revision=result.revision)


def _not_again(refusal: str) -> Problem:
    if refusal == "another_body":
        return Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "idempotency-key",
            "Idempotency-Key: was used with another body",
            faults=(Fault("Idempotency-Key", "was used with another body"),),
        )
    return Problem(
        HTTPStatus.CONFLICT,
        "in-flight",
        "the first request with this Idempotency-Key is still being worked on",
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )


def _done(told: BaseModel) -> Done:
    return Done(HTTPStatus.ACCEPTED, told.model_dump_json(exclude_none=True).encode())


def _response(done: Done) -> Response:
    return Response(done.body, done.status, media_type="application/json")
