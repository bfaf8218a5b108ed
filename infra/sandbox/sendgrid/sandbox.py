"""The sandbox itself: what a request to send is answered with, and what is remembered of it."""

from __future__ import annotations

import asyncio
import hmac
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from infra.sandbox.sendgrid.behaviour import Behaviour, Fault, FaultRule, QuotaWindow, afterwards
from infra.sandbox.sendgrid.mail_send import Mail, Objection, Refused, parse
from infra.sandbox.sendgrid.mailbox import Mailbox
from services.chassis.clock import Clock
from services.chassis.web import body_of

LARGEST_MAIL: Final = 30 * 1024 * 1024

_ERRORS: Final[dict[int, str]] = {
    400: "Bad Request",
    401: "The provided authorization grant is invalid, expired, or revoked",
    415: "Content-Type should be application/json.",
    429: "too many requests",
    500: "Internal server error",
    503: "Service unavailable",
}
_AS_THEY_ARE: Final[dict[Fault, int]] = {"400": 400, "401": 401, "429": 429, "500": 500, "503": 503}


class CutOff(Response):
    """No answer at all: the connection is closed under the request."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Aborts the connection; ASGI has no word for that, so the server's transport is asked."""
        del scope, send
        transport = getattr(getattr(receive, "__self__", None), "transport", None)
        if transport is None:
            raise RuntimeError("only on a server of its own can the sandbox cut a connection off")
        transport.abort()
        await asyncio.sleep(0)  # the server notes the loss at the loop's next turn, and then expects no answer


@dataclass(slots=True)
class Sandbox:
    """Everything the sandbox is."""

    mailbox: Mailbox
    clock: Clock
    key: str | None = None
    behaviour: Behaviour = field(default_factory=Behaviour)
    window: QuotaWindow = field(default_factory=QuotaWindow)
    answered: Counter[str] = field(default_factory=Counter)
    _failed_once: set[str] = field(default_factory=set)

    async def send(self, request: Request) -> Response:
        """`POST /v3/mail/send`."""
        content = await body_of(request, largest=LARGEST_MAIL)
        response = await self._answer(request, content)
        self.answered["cut off" if isinstance(response, CutOff) else str(response.status_code)] += 1
        return response

    def happen(self, number: int, kind: str) -> None:
        """Something more happens to a mail."""
        self.mailbox.happened(number, kind, uuid4().hex, self.clock.now().timestamp())

    def reset(self) -> None:
        """As on the first day."""
        self.mailbox.empty()
        self.behaviour = Behaviour()
        self.window = QuotaWindow()
        self.answered.clear()
        self._failed_once.clear()

    async def _answer(self, request: Request, content: bytes) -> Response:
        if not self._authorised(request.headers.get("authorization", "")):
            return _error(401)
        if not self.window.take(self.behaviour.quota, self.clock.now()):
            return self._told(_error(429))
        if not request.headers.get("content-type", "").startswith("application/json"):
            return self._told(_error(415))
        try:
            mails = parse(content)
        except Refused as refused:
            return self._told(_objections(refused.objections))
        rule = self._fault(mails[0])
        return await self._failed(request, rule, mails) if rule else self._accepted(mails)

    def _authorised(self, header: str) -> bool:
        scheme, _, token = header.partition(" ")
        fits = bool(token) if self.key is None else hmac.compare_digest(token.encode(), self.key.encode())
        return scheme.lower() == "bearer" and fits

    def _fault(self, mail: Mail) -> FaultRule | None:
        delivery = mail.custom_args.get("delivery_id", "")
        chance = random.random()  # noqa: S311 chance of a sandbox
        rule = self.behaviour.fault(mail.recipient, seen_before=delivery in self._failed_once, chance=chance)
        if rule:
            self._failed_once.add(delivery)
        return rule

    def _accepted(self, mails: Sequence[Mail]) -> Response:
        at, message_id = self.clock.now().timestamp(), uuid4().hex[:22]
        for mail in mails:
            events = [(kind, uuid4().hex) for kind in afterwards(mail.recipient)]
            self.mailbox.take(mail, message_id, at, events)
        return self._told(Response(status_code=202, headers={"X-Message-Id": message_id}))

    async def _failed(self, request: Request, rule: FaultRule, mails: Sequence[Mail]) -> Response:
        """What each fault looks like from outside."""
        fault = rule.fault
        if fault == "429":
            self.window.exhaust(self.clock.now(), rule.span)
        if fault in _AS_THEY_ARE:
            return self._told(_error(_AS_THEY_ARE[fault]))
        if fault == "malformed":
            return self._told(Response('{"errors": [{"mess', 500, media_type="application/json"))
        answer = CutOff() if fault in {"timeout", "reset"} else self._accepted(mails)
        if fault == "no-message-id":
            del answer.headers["X-Message-Id"]
        elif fault in {"slow", "timeout", "hang"}:
            await _hang_up(request, rule.span if fault == "slow" else None)
        return CutOff() if fault in {"drop", "reset", "hang", "timeout"} else answer

    def _told(self, response: Response) -> Response:
        response.headers.update(self.window.headers(self.behaviour.quota))
        return response


async def _hang_up(request: Request, within: float | None) -> None:
    """Waits until the caller has gone: with the body read, that is the next there is to hear."""
    try:
        await asyncio.wait_for(request.receive(), within)
    except TimeoutError:
        return


def _error(status: int) -> Response:
    return JSONResponse({"errors": [{"message": _ERRORS[status], "field": None, "help": None}]}, status)


def _objections(objections: Sequence[Objection]) -> Response:
    errors = [{"message": one.message, "field": one.field, "help": None} for one in objections]
    return JSONResponse({"errors": errors}, 400)
