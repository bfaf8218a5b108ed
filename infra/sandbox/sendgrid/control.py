"""The sandbox's own API, for tests and `nps demo`: what has come in, and how the sandbox is to behave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from http import HTTPStatus
from typing import Any, Final, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from infra.sandbox.sendgrid.behaviour import Behaviour, Event
from infra.sandbox.sendgrid.mailbox import Filter, StoredMail
from infra.sandbox.sendgrid.sandbox import Sandbox
from infra.sandbox.sendgrid.signing import Signer
from infra.sandbox.sendgrid.webhooks import event_json
from services.chassis.failures import Malformed
from services.chassis.problems import Problem
from services.chassis.web import body_of

EVENTS: Final[tuple[str, ...]] = get_args(Event)
MOST_MAILS: Final = 5_000

M = TypeVar("M", bound=BaseModel)


class _Asked(BaseModel):
    """What a listing may be narrowed to."""

    model_config = ConfigDict(extra="forbid")

    tenant: str | None = None
    kind: str | None = None
    recipient: str | None = None
    delivery_id: str | None = None
    before: int | None = Field(default=None, ge=1)
    limit: int = Field(default=50, ge=1, le=MOST_MAILS)


class _Happening(BaseModel):
    model_config = ConfigDict(extra="forbid")

    event: Event


class Control:
    """Answers under `/sandbox/`."""

    def __init__(self, sandbox: Sandbox, signer: Signer) -> None:
        self._sandbox = sandbox
        self._signer = signer

    def routes(self) -> list[BaseRoute]:
        """Every route of the API."""
        return [
            Route("/sandbox/mails", self.mails),
            Route("/sandbox/mails/{number:int}", self.mail),
            Route("/sandbox/mails/{number:int}/events", self.happen, methods=["POST"]),
            Route("/sandbox/counts", self.counts),
            Route("/sandbox/duplicates", self.duplicates),
            Route("/sandbox/events", self.events),
            Route("/sandbox/key", self.key),
            Route("/sandbox/changes", self.changes),
            Route("/sandbox/behaviour", self.behaviour),
            Route("/sandbox/behaviour", self.behave, methods=["PUT"]),
            Route("/sandbox/reset", self.reset, methods=["POST"]),
        ]

    async def mails(self, request: Request) -> Response:
        """Mails, the newest first, without their content; `next` continues the list as `before`."""
        chosen = filter_of(request.query_params)
        found = self._sandbox.mailbox.mails(chosen)
        more = found[-1].number if len(found) == chosen.limit else None
        return JSONResponse({"mails": [_in_short(one) for one in found], "next": more})

    async def mail(self, request: Request) -> Response:
        """One mail with all there is of it."""
        found = self._found(request)
        events = self._sandbox.mailbox.events_of([found.number])[found.number]
        return JSONResponse(_in_short(found) | asdict(found.mail) | {"events": [asdict(event) for event in events]})

    async def happen(self, request: Request) -> Response:
        """Lets something happen to a mail: `{"event": "bounce"}`."""
        asked = _read(_Happening, await body_of(request))
        self._sandbox.happen(self._found(request).number, asked.event)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def counts(self, request: Request) -> Response:
        """How many mails, of which kinds, how many twice; how requests were answered, and how many came too early."""
        sandbox = self._sandbox
        found = sandbox.mailbox.counts(request.query_params.get("tenant"))
        return JSONResponse(found | {"answered": sandbox.answered, "too_early": sandbox.window.too_early})

    async def duplicates(self, request: Request) -> Response:
        """Deliveries of which more than one mail came, with how many."""
        return JSONResponse(self._sandbox.mailbox.duplicates(request.query_params.get("tenant")))

    async def events(self, request: Request) -> Response:
        """The events of one mail as they are posted: `?delivery_id=`."""
        mails = self._sandbox.mailbox.mails(filter_of(request.query_params))
        events = self._sandbox.mailbox.events_of([mail.number for mail in mails])
        return JSONResponse([event_json(event, mail) for mail in reversed(mails) for event in events[mail.number]])

    async def key(self, _request: Request) -> Response:
        """The public key that events are verified with."""
        return JSONResponse({"public_key": self._signer.public_key})

    async def changes(self, _request: Request) -> Response:
        """A number that grows with every change: pages look again when it has."""
        return JSONResponse(self._sandbox.mailbox.changes)

    async def behaviour(self, _request: Request) -> Response:
        """How the sandbox behaves."""
        return JSONResponse(self._sandbox.behaviour.model_dump())

    async def behave(self, request: Request) -> Response:
        """Changes how the sandbox behaves; what is not named is as usual."""
        self._sandbox.behaviour = _read(Behaviour, await body_of(request))
        return await self.behaviour(request)

    async def reset(self, _request: Request) -> Response:
        """Forgets everything."""
        self._sandbox.reset()
        return Response(status_code=HTTPStatus.NO_CONTENT)

    def _found(self, request: Request) -> StoredMail:
        return found_mail(self._sandbox, request)


def found_mail(sandbox: Sandbox, request: Request) -> StoredMail:
    """The mail a path names.

    Raises:
        Problem: 404 if there is none.
    """
    found = sandbox.mailbox.mail(request.path_params["number"])
    if found is None:
        raise Problem(HTTPStatus.NOT_FOUND, "not-found", "no such mail")
    return found


def filter_of(query: Mapping[str, str], *, besides: frozenset[str] = frozenset({"token"})) -> Filter:
    """The filter a query asks for; parameters `besides` mean something else.

    Raises:
        Malformed: if it asks for what is not there.
    """
    given = {name: value for name, value in query.items() if value and name not in besides}
    try:
        return Filter(**_Asked.model_validate(given).model_dump())
    except ValidationError as error:
        raise Malformed.from_validation(error) from error


def _read(model: type[M], body: bytes) -> M:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise Malformed.from_validation(error) from error


def _in_short(stored: StoredMail) -> dict[str, Any]:  # JSON
    return {
        "number": stored.number,
        "message_id": stored.message_id,
        "tenant": stored.tenant,
        "delivery_id": stored.delivery_id,
        "kind": stored.kind,
        "recipient": stored.mail.recipient,
        "subject": stored.mail.subject,
        "at": stored.at,
    }
