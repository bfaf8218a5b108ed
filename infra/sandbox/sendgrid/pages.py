"""The inbox: every mail as its reader sees it, and buttons for what readers and receivers do with mails."""

from __future__ import annotations

import asyncio
import re
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from importlib.resources import files
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from infra.sandbox.sendgrid.behaviour import Event
from infra.sandbox.sendgrid.control import EVENTS, filter_of, found_mail
from infra.sandbox.sendgrid.mailbox import Filter, StoredEvent, StoredMail
from infra.sandbox.sendgrid.sandbox import Sandbox
from services.chassis.problems import Problem
from services.chassis.web import body_of

VIEWS: Final = {"mail": "Mail", "text": "Text", "headers": "Headers", "events": "Events"}
STATIC: Final = {"inbox.css": "text/css", "inbox.js": "text/javascript", "icon.svg": "image/svg+xml"}
NOT_FILTERS: Final = frozenset({"view", "note", "token"})
ONE_CLICK: Final = b"List-Unsubscribe=One-Click"
ONE_CLICK_TIMEOUT_S: Final = 10.0

OFFERED: Final[dict[Event, str]] = {
    "delivered": "Deliver",
    "bounce": "Bounce",
    "dropped": "Drop",
    "spamreport": "Report as spam",
    "unsubscribe": "Unsubscribe at SendGrid",
}
NOTES: Final = {
    "event": "The event is on its way.",
    "unsubscribed": "One-click unsubscribe was answered with 200.",
    "failed": "One-click unsubscribe failed: nobody answered, or not with 200.",
    "no-link": "This mail has no one-click unsubscribe link.",
}
TAKEN: Final = "taken"
ENDINGS: Final = {
    "spamreport": "spam",
    "unsubscribe": "unsubscribed",
    "bounce": "bounced",
    "dropped": "dropped",
    "delivered": "delivered",
    "deferred": "deferred",
    "processed": "processed",
    TAKEN: "taken",
}
"""What a mail is shown as: the first of these that happened to it, and the word for it."""

_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; frame-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# A mail has a page of its own: in `srcdoc` it would inherit the policy above, and its styles would be lost. It may
# style itself and nothing else: no script, no picture from outside, no form, no way out of its frame.
_MAIL_POLICY: Final = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
_HEADERS: Final = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}


class Pages:
    """Serves the inbox. Every page works without its script, which only looks for news."""

    def __init__(self, sandbox: Sandbox, delivery_url: str | None = None) -> None:
        self._sandbox = sandbox
        self._delivery_url = delivery_url
        self._templates = Environment(
            loader=PackageLoader("infra.sandbox.sendgrid"),
            autoescape=select_autoescape(),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._templates.filters["moment"] = _moment
        folder = files("infra.sandbox.sendgrid") / "static"
        self._static = {name: (folder / name).read_bytes() for name in STATIC}

    def routes(self) -> list[BaseRoute]:
        """Every page."""
        return [
            Route("/", self.inbox),
            Route("/mails/{number:int}", self.inbox),
            Route("/mails/{number:int}/rendered", self.rendered),
            Route("/mails/{number:int}/events", self.happen, methods=["POST"]),
            Route("/mails/{number:int}/one-click", self.one_click, methods=["POST"]),
            Route("/static/{name}", self.static),
        ]

    async def inbox(self, request: Request) -> Response:
        """The list of mails and, if one is chosen, that mail."""
        mailbox, query = self._sandbox.mailbox, request.query_params
        chosen = filter_of(query, besides=NOT_FILTERS)
        mails = mailbox.mails(chosen)
        mail = found_mail(self._sandbox, request) if "number" in request.path_params else None
        events = mailbox.events_of([one.number for one in (*mails, *([mail] if mail else []))])
        page = self._templates.get_template("inbox.html").render(
            mails=mails,
            mail=mail,
            view=query.get("view") if query.get("view") in VIEWS else "mail",
            views=VIEWS,
            chosen=chosen,
            query=_query(chosen),
            older=_query(replace(chosen, before=mails[-1].number)) if len(mails) == chosen.limit else None,
            counts=mailbox.counts(chosen.tenant),
            changes=mailbox.changes,
            tenants=mailbox.tenants(),
            states={number: _state(happened) for number, happened in events.items()},
            words=ENDINGS,
            events=events,
            offered=OFFERED,
            note=NOTES.get(query.get("note", "")),
        )
        return HTMLResponse(page, headers={**_HEADERS, "Content-Security-Policy": _POLICY})

    async def rendered(self, request: Request) -> Response:
        """A mail's HTML by itself, to stand in a frame."""
        mail = found_mail(self._sandbox, request).mail
        return HTMLResponse(mail.html, headers={**_HEADERS, "Content-Security-Policy": _MAIL_POLICY})

    async def happen(self, request: Request) -> Response:
        """A button: lets something happen to a mail."""
        mail = found_mail(self._sandbox, request)
        _same_site(request)
        asked = parse_qs((await body_of(request)).decode(errors="replace")).get("event", [""])[0]
        if asked not in EVENTS:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", "event: no such event")
        self._sandbox.happen(mail.number, asked)
        return _back(mail, "events", "event")

    async def one_click(self, request: Request) -> Response:
        """A button: does what a mail program does when its reader presses unsubscribe (RFC 8058)."""
        mail = found_mail(self._sandbox, request)
        _same_site(request)
        link = re.search(r"<(https?://[^>]+)>", mail.mail.headers.get("List-Unsubscribe", ""))
        if link is None or "List-Unsubscribe-Post" not in mail.mail.headers:
            return _back(mail, "headers", "no-link")
        worked = await asyncio.to_thread(_pressed, _moved(link.group(1), self._delivery_url))
        return _back(mail, "events", "unsubscribed" if worked else "failed")

    async def static(self, request: Request) -> Response:
        """Style, script and icon."""
        name = request.path_params["name"]
        if name not in STATIC:
            raise Problem(HTTPStatus.NOT_FOUND, "not-found", "no such file")
        return Response(self._static[name], media_type=STATIC[name], headers={"Cache-Control": "no-cache"})


def _same_site(request: Request) -> None:
    """Refuses forms that another site sends through somebody's browser."""
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise Problem(HTTPStatus.FORBIDDEN, "cross-site", "only the inbox itself may ask for this")


def _back(mail: StoredMail, view: str, note: str) -> Response:
    return RedirectResponse(f"/mails/{mail.number}?view={view}&note={note}", HTTPStatus.SEE_OTHER)


def _moved(link: str, delivery_url: str | None) -> str:
    """The link as it is reached from here: a mail's reader may stand elsewhere, such as outside of a container."""
    if delivery_url is None:
        return link
    there = urlsplit(delivery_url)
    return urlsplit(link)._replace(scheme=there.scheme, netloc=there.netloc).geturl()


def _pressed(url: str) -> bool:
    """Whether the one-click request was answered with 200; redirects are not followed, as RFC 8058 asks."""
    request = urllib.request.Request(url, ONE_CLICK, {"Content-Type": "application/x-www-form-urlencoded"})  # noqa: S310 http or https, by the pattern above
    straight = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects())
    try:
        with straight.open(request, timeout=ONE_CLICK_TIMEOUT_S) as response:
            return bool(response.status == HTTPStatus.OK)
    except (OSError, ValueError):
        return False


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: object) -> None:
        """Follows none."""


def _query(chosen: Filter) -> str:
    given = {"tenant": chosen.tenant, "kind": chosen.kind, "recipient": chosen.recipient, "before": chosen.before}
    text = urlencode({name: value for name, value in given.items() if value})
    return f"?{text}" if text else ""


def _state(events: Sequence[StoredEvent]) -> str:
    happened = {TAKEN, *(event.type for event in events)}
    return next(ending for ending in ENDINGS if ending in happened)


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
