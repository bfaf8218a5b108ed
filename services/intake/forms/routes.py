"""Where forms stand: `/f/{token}` asks and takes answers, `/r/{token}/{score}` is behind a number in a mail.

Gateways follow every link of a mail before anybody reads it, so GET and HEAD record nothing. Whoever holds a link may
use it: there is no other key, and nothing that another site could do in somebody's name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from schemas.malformed import Malformed
from services.chassis.failures import Transient
from services.chassis.tracing import HEADER
from services.chassis.web import RETRY_AFTER_S, body_of
from services.intake.domain import Arrival
from services.intake.forms.answering import SOURCE, Given, Heard, Press, Turn, submissions
from services.intake.forms.pages import LONGEST_COMMENT, Form, Pages, Sorry, Thanks, Trouble, Wrong
from services.intake.forms.words import preferred, spoken
from services.intake.links import answer_id, mark_of, opened, tenant_of

if TYPE_CHECKING:
    from services.chassis.frame import Frame
    from services.chassis.metrics import Metrics
    from services.intake.door import Door
    from services.intake.forms.sql_answers import SqlAnswers
    from services.intake.forms.words import Spoken
    from services.intake.links import Link
    from services.intake.metrics import AnyMetric

LARGEST_FORM: Final = 100_000
MOST_FIELDS: Final = 10
THANKS: Final = "thanks"
CHANGE: Final = "change"

_SCORE: Final = re.compile("[0-9]|10")
_ONCE: Final = re.compile("[0-9a-f]{32}")
_STATUS: Final[Mapping[Trouble, HTTPStatus]] = {
    "expired": HTTPStatus.GONE,
    "unknown": HTTPStatus.NOT_FOUND,
    "taken": HTTPStatus.CONFLICT,
    "unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
}
_GUARDED: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}


class _NoForm(Exception):
    """There is no form to be shown, or nothing to be taken; the page says why."""

    def __init__(self, kind: Trouble, language: Spoken, action: str = "") -> None:
        super().__init__(kind)
        self.kind = kind
        self.language = language
        self.action = action


@dataclass(frozen=True, slots=True)
class _Visit:
    """A link that holds, and who it is read by."""

    token: str
    link: Link
    secret: bytes = field(repr=False)
    language: Spoken
    brand: str | None


@dataclass(frozen=True, slots=True)
class _Sent:
    """The fields of a form as they came; `once` tells the answers behind one link apart."""

    score: int | None
    comment: str
    once: str


@dataclass(frozen=True, slots=True)
class Forms:
    """What the routes of forms need."""

    frame: Frame
    door: Door
    answers: SqlAnswers
    pages: Pages

    def routes(self) -> list[BaseRoute]:
        """Open to everybody who has a link. Starlette has HEAD answered as GET is."""
        return [
            Route("/f/{token}", self.show, methods=["GET"]),
            Route("/f/{token}", self.take, methods=["POST"]),
            Route("/r/{token}/{score}", self.show_chosen, methods=["GET"]),
        ]

    async def show(self, request: Request) -> Response:
        """The form, or what was answered. Records nothing."""
        try:
            visit = await self._visit(request)
            if visit.link.many:
                return self._show_next(visit, thanking=THANKS in request.query_params)
            heard = await self._heard(visit)
        except _NoForm as none:
            return self._sorry(none)
        except Transient:
            return self._unavailable(request)
        if heard and heard.settled and CHANGE not in request.query_params:
            return self._thanks(visit, heard, visit.token)
        return self._form(visit, _form(visit, visit.token, heard, heard.score if heard else None))

    async def show_chosen(self, request: Request) -> Response:
        """The form with a number of a mail chosen: who reads it confirms it. Records nothing."""
        try:
            visit = await self._visit(request)
            score = _score(request.path_params["score"])
            if visit.link.many or score is None:
                raise _NoForm("unknown", visit.language)
            heard = await self._heard(visit)
        except _NoForm as none:
            return self._sorry(none)
        except Transient:
            return self._unavailable(request)
        action = f"../../f/{visit.token}"
        if heard and heard.settled and heard.score == score:
            return self._thanks(visit, heard, action)
        return self._form(visit, replace(_form(visit, action, heard, score), confirming=True))

    async def take(self, request: Request) -> Response:
        """Takes an answer, or more of one; durable before it says so."""
        body = await body_of(request, largest=LARGEST_FORM)
        try:
            visit = await self._visit(request)
            return await self._take(visit, _sent(body), request.headers.get(HEADER))
        except _NoForm as none:
            return self._sorry(none)
        except Transient:
            self._count("unavailable")
            return self._unavailable(request)

    async def _take(self, visit: _Visit, sent: _Sent, traceparent: str | None) -> Response:
        wrong = _wrong(visit.link, sent)
        if wrong:
            return self._again(visit, sent, wrong)
        press = _press(visit, sent)
        after = await self.answers.take(press, self.frame.clock.now())
        if after == "unanswered":
            return self._again(visit, sent, "score")
        if after == "taken":
            self._count("refused")
            raise _NoForm("taken", visit.language, visit.token)
        if after.score or after.comment:
            await self._let_in(visit, press, after, traceparent)
        where = f"{visit.token}?{THANKS}" if visit.link.many else visit.token
        return RedirectResponse(where, HTTPStatus.SEE_OTHER, dict(_GUARDED))

    async def _let_in(self, visit: _Visit, press: Press, after: Turn, traceparent: str | None) -> None:
        """Through the door, and only then settled.

        Raises:
            Transient: if nothing can be accepted now.
        """
        now = self.frame.clock.now()
        arrivals = [
            Arrival(
                submission=one,
                tenant=press.tenant,
                channel=visit.link.channel,
                received_at=now,
                identity=f"form|{press.response_id}",
                source=SOURCE,
                traceparent=traceparent,
            )
            for one in submissions(visit.link, press, after, visit.language)
        ]
        for result in await self.door.admit(arrivals, now):
            if isinstance(result, Malformed):
                self._count("refused")
                raise result
        await self.answers.settle(press, after.heard)
        self._count("accepted")

    async def _visit(self, request: Request) -> _Visit:
        """Who reads which link.

        Raises:
            _NoForm: if the link is not ours, or takes no answer any more.
        """
        token: str = request.path_params["token"]
        browser = preferred(request.headers.get("accept-language", ""))
        tenant = tenant_of(token)
        try:
            section = self.door.sections.of(tenant)
            secret = await self.door.keyring.secret_made_of(tenant)
            if secret is None:
                raise _NoForm("unknown", browser or section.forms.language)
            link = opened(secret, token)
        except Malformed as error:
            raise _NoForm("unknown", browser or "en") from error
        language = spoken(link.language) or browser or section.forms.language
        if link.is_expired(self.frame.clock.now()):
            raise _NoForm("expired", language)
        return _Visit(token, link, secret, language, section.forms.brand)

    async def _heard(self, visit: _Visit) -> Heard | None:
        return await self.answers.heard(visit.link.tenant, visit.link.response_id or "")

    def _show_next(self, visit: _Visit, *, thanking: bool) -> Response:
        if thanking:
            content = self.pages.thanks(Thanks(action=visit.token, next=True), visit.language)
            return self._html(content)
        return self._form(visit, Form(action=visit.token, brand=visit.brand, once=uuid4().hex))

    def _again(self, visit: _Visit, sent: _Sent, wrong: Wrong) -> Response:
        """The same form, with what was sent and what is wrong with it."""
        self._count("refused")
        once = (sent.once if _ONCE.fullmatch(sent.once) else uuid4().hex) if visit.link.many else None
        form = Form(
            action=visit.token, brand=visit.brand, score=sent.score, comment=sent.comment, once=once, wrong=wrong
        )
        return self._form(visit, form, HTTPStatus.UNPROCESSABLE_ENTITY)

    def _form(self, visit: _Visit, form: Form, status: HTTPStatus = HTTPStatus.OK) -> Response:
        return self._html(self.pages.form(form, visit.language), status, confirming=form.confirming)

    def _thanks(self, visit: _Visit, heard: Heard, action: str) -> Response:
        page = Thanks(action=action, score=heard.score, asking_why=heard.mark is None)
        return self._html(self.pages.thanks(page, visit.language))

    def _sorry(self, none: _NoForm) -> Response:
        page = Sorry(kind=none.kind, action=none.action, next=bool(none.action))
        return self._html(self.pages.sorry(page, none.language), _STATUS[none.kind])

    def _unavailable(self, request: Request) -> Response:
        language = preferred(request.headers.get("accept-language", "")) or "en"
        answer = self._sorry(_NoForm("unavailable", language))
        answer.headers["Retry-After"] = str(RETRY_AFTER_S)
        return answer

    def _html(self, content: str, status: HTTPStatus = HTTPStatus.OK, *, confirming: bool = False) -> Response:
        policy = self.pages.policy(confirming=confirming)
        return HTMLResponse(content, status, {**_GUARDED, "Content-Security-Policy": policy})

    def _count(self, outcome: str) -> None:
        metrics: Metrics[AnyMetric] = self.frame.metrics
        metrics.count("nps_submissions_total", way="form", outcome=outcome)


def _form(visit: _Visit, action: str, heard: Heard | None, score: int | None) -> Form:
    return Form(action=action, brand=visit.brand, score=score, kept=bool(heard and heard.mark))


def _wrong(link: Link, sent: _Sent) -> Wrong | None:
    """What is wrong with a form, whatever was answered before."""
    if len(sent.comment) > LONGEST_COMMENT:
        return "comment"
    return "score" if link.many and (sent.score is None or not _ONCE.fullmatch(sent.once)) else None


def _press(visit: _Visit, sent: _Sent) -> Press:
    """What is pressed, on the one answer of this link or on one of many."""
    link = visit.link
    response_id = link.response_id or answer_id(visit.secret, "one of many", visit.token, sent.once)
    mark = mark_of(visit.secret, sent.comment) if sent.comment else None
    given = Given(sent.score, sent.comment or None, mark)
    return Press(link.tenant, response_id, given, link.expires_at, final=link.many)


def _score(text: str) -> int | None:
    return int(text) if _SCORE.fullmatch(text) else None


def _sent(body: bytes) -> _Sent:
    """The fields of a form; whatever is not one of ours is passed over."""
    try:
        fields = parse_qs(body.decode(errors="replace"), max_num_fields=MOST_FIELDS)
    except ValueError:
        fields = {}
    score, comment, once = (fields.get(name, [""])[0] for name in ("score", "comment", "once"))
    text = comment.replace("\r\n", "\n").replace("\x00", "").strip()
    return _Sent(_score(score), text, once)
