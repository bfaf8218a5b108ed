"""HTTP of the monitor: its pages and their files, the view as JSON, and its changes as server-sent events."""

from __future__ import annotations

import hashlib
import mimetypes
import re
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from importlib.resources import files
from typing import TYPE_CHECKING, Final, NamedTuple

from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from schemas.malformed import Malformed
from schemas.tally import ALL
from services.chassis.logs import logger
from services.chassis.problems import Problem
from services.monitor.live import Live, as_json
from services.monitor.playbook import Written, of_file
from services.monitor.snapshot import Choice

if TYPE_CHECKING:
    from services.chassis.business import Sections
    from services.monitor.settings import MonitorSection, RoutingSection

SECURITY: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}

FOR_A_YEAR: Final = "public, max-age=31536000, immutable"
STATIC: Final = "/static/"
PAGE: Final = ".html"
BACK_AFTER_MS: Final = 2_000
HEARTBEAT_S: Final = 15
SLOW_AFTER_S: Final = 5.0
"""Whoever does not take a message within this time is dropped: the page comes back by itself and catches up."""

_TENANT: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_WINDOW: Final = re.compile(r"[a-z0-9][a-zA-Z0-9_.-]{0,62}")
LONGEST_SEGMENT: Final = 130

_log = logger("pages")


class SecurityHeaders:
    """Puts the headers on whatever is answered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(SECURITY)
            await send(message)

        await self._app(scope, receive, sending)


class Page(NamedTuple):
    """A page and the tag of its content."""

    content: bytes
    tag: str


class Pages:
    """The pages and their files, read once. Files lie under a folder named by what is in them, and so never change."""

    def __init__(self) -> None:
        folder = files("services.monitor").joinpath("page")
        contents = {item.name: item.read_bytes() for item in folder.iterdir() if item.is_file()}
        pages = {name: contents.pop(name) for name in sorted(contents) if name.endswith(PAGE)}
        digest = hashlib.sha256()
        for name, content in sorted(contents.items()):
            digest.update(name.encode() + content)
        self._folder = digest.hexdigest()[:16]
        self._pages = {name.removesuffix(PAGE): self._page(content) for name, content in pages.items()}
        self._files = contents

    async def index(self, request: Request) -> Response:
        """The page that is live."""
        return self._sent(self._pages["index"], request)

    async def playbook(self, request: Request) -> Response:
        """The page of the playbook."""
        return self._sent(self._pages["playbook"], request)

    def _page(self, content: bytes) -> Page:
        content = content.replace(STATIC.encode(), f"{STATIC}{self._folder}/".encode())
        return Page(content, f'"{hashlib.sha256(content).hexdigest()[:16]}"')

    def _sent(self, page: Page, request: Request) -> Response:
        """Asked for again at each visit, sent if it differs."""
        headers = {"Cache-Control": "no-cache", "ETag": page.tag}
        if request.headers.get("if-none-match") == page.tag:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        return Response(page.content, headers=headers, media_type="text/html")

    async def file(self, request: Request) -> Response:
        """One of its files."""
        name = request.path_params["name"]
        content = self._files.get(name)
        if content is None or request.path_params["folder"] != self._folder:
            raise Problem(HTTPStatus.NOT_FOUND, "not-found", f"nothing at {request.url.path}")
        media_type = mimetypes.guess_type(name)[0] or "text/plain"
        return Response(content, headers={"Cache-Control": FOR_A_YEAR}, media_type=media_type)


class Events(EventSourceResponse):
    """Server-sent events; a page that is too slow is let go."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends until the page or the monitor ends."""
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            _log.info("viewer.dropped", seconds=SLOW_AFTER_S)


class Views:
    """The view over HTTP."""

    def __init__(self, live: Live, sections: Sections[MonitorSection], routing: Sections[RoutingSection]) -> None:
        self._live = live
        self._sections = sections
        self._written = {pattern: of_file(section.playbook) for pattern, section in routing if section.playbook}

    async def view(self, request: Request) -> Response:
        """Everything there is to see of a tenant, as JSON."""
        content = as_json(self._live.snapshot(self._choice(request)))
        return Response(content, headers={"Cache-Control": "no-store"}, media_type="application/json")

    async def playbook(self, request: Request) -> Response:
        """The playbook of a tenant and what it leads to, as JSON."""
        tenant = self._tenant(request)
        content = as_json(self._live.playbook(tenant, self._of_file(tenant)))
        return Response(content, headers={"Cache-Control": "no-store"}, media_type="application/json")

    async def tenants(self, _request: Request) -> Response:
        """Every tenant there is, the one with the newest answer first."""
        return JSONResponse({"tenants": self._tenants()}, headers={"Cache-Control": "no-store"})

    async def events(self, request: Request) -> Response:
        """The view and its changes, for as long as somebody looks."""
        choice = self._choice(request)
        last_id = request.headers.get("last-event-id")
        return Events(self._events(choice, last_id), ping=HEARTBEAT_S, send_timeout=SLOW_AFTER_S)

    async def _events(self, choice: Choice, last_id: str | None) -> AsyncIterator[ServerSentEvent]:
        told: list[dict[str, str]] = []
        async for event_id, data in self._live.updates(choice, last_id):
            tenants = self._tenants()
            if tenants != told:
                told = tenants
                yield ServerSentEvent(as_json({"tenants": tenants}), event="tenants", retry=BACK_AFTER_MS)
            yield ServerSentEvent(data, id=event_id, event="view")

    def _tenants(self) -> list[dict[str, str]]:
        named = [pattern for pattern, _ in self._sections if _TENANT.fullmatch(pattern)]
        known = dict.fromkeys([*self._live.view.tenants(), *sorted(named)])
        return [{"tenant": tenant, "title": self._title(tenant)} for tenant in known]

    def _title(self, tenant: str) -> str:
        title = self._sections.of(tenant).title if self._sections.knows(tenant) else None
        return title or tenant

    def _choice(self, request: Request) -> Choice:
        asked = request.query_params
        choice = Choice(self._tenant(request), asked.get("segment") or ALL, asked.get("window") or None)
        if len(choice.segment) > LONGEST_SEGMENT:
            raise Malformed.of("segment", f"longer than {LONGEST_SEGMENT} characters")
        if choice.window and not _WINDOW.fullmatch(choice.window):
            raise Malformed.of("window", "does not have the form of a window")
        return choice

    def _tenant(self, request: Request) -> str:
        """Whose view is asked for: where nobody is named, whoever has the newest answer."""
        first = next(iter(self._tenants()), {"tenant": "default"})
        tenant = request.query_params.get("tenant") or first["tenant"]
        if not _TENANT.fullmatch(tenant):
            raise Malformed.of("tenant", "does not have the form of a tenant")
        return tenant

    def _of_file(self, tenant: str) -> Written | None:
        """The playbook that the business file has for a tenant."""
        pattern = self._sections.pattern(tenant)
        return self._written.get(pattern) if pattern else None


def routes(pages: Pages, views: Views) -> list[BaseRoute]:
    """What the monitor answers."""
    return [
        Route("/", pages.index),
        Route("/playbook", pages.playbook),
        Route("/static/{folder}/{name}", pages.file),
        Route("/v1/view", views.view),
        Route("/v1/playbook", views.playbook),
        Route("/v1/tenants", views.tenants),
        Route("/events", views.events),
    ]
