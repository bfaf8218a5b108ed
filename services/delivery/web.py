"""What delivery answers over HTTP beside its ops routes: unsubscribe links. GET shows a page, POST acts (RFC 8058)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Literal

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from schemas.provider_event import ProviderEvent
from services.chassis.failures import Malformed
from services.chassis.logs import logger
from services.chassis.records import Outgoing
from services.chassis.sql import Transaction
from services.chassis.sql_service import SqlService
from services.chassis.web import body_of
from services.delivery import sql_ledger
from services.delivery.domain import Entry, observed
from services.delivery.going_live import sender_of
from services.delivery.handlers import Delivering, objections
from services.delivery.rendering import Templates
from services.delivery.settings import Sender
from services.delivery.unsubscribing import parse_token

LARGEST_FORM: Final = 10_000
NOBODY: Final = Sender(email="nobody@nobody.invalid", name="We", address="-")

_log = logger("unsubscribe")


@dataclass(frozen=True, slots=True)
class Unsubscribing:
    """The unsubscribe endpoint. Whoever holds a mail may use it: there is no other key than its link."""

    service: SqlService
    delivering: Delivering
    templates: Templates

    def routes(self) -> list[BaseRoute]:
        """Open to everybody."""
        return [Route("/u/{token}", self.show, methods=["GET"]), Route("/u/{token}", self.act, methods=["POST"])]

    async def show(self, request: Request) -> Response:
        """A page with a button. Changes nothing: scanners and previews open every link of a mail."""
        entry = await self._believed(request.path_params["token"])
        return self._page("unknown" if entry is None else "ask", entry)

    async def act(self, request: Request) -> Response:
        """Unsubscribes; a mail program's one-click request and the page's button are the same to us."""
        await body_of(request, largest=LARGEST_FORM)
        entry = await self._believed(request.path_params["token"])
        if entry is None:
            return self._page("unknown", None)

        async def change(transaction: Transaction) -> tuple[None, Sequence[Outgoing]]:
            return None, await self._unsubscribe(transaction, entry)

        await self.service.apply(change)
        _log.info("mail.unsubscribed", delivery_id=str(entry.delivery_id), tenant=entry.tenant)
        return self._page("done", entry)

    async def _believed(self, text: str) -> Entry | None:
        """The mail a link belongs to, if the link is ours. Looks in the ledger first: no stranger makes us secrets."""
        try:
            token = parse_token(text)
        except Malformed:
            return None
        async with self.service.database.read() as transaction:
            entry = await sql_ledger.find(transaction, (token.tenant, token.delivery_id))
        if entry is None:
            return None
        return entry if token.is_signed_with(await self.delivering.keyring.secret_of(entry.tenant)) else None

    async def _unsubscribe(self, transaction: Transaction, found: Entry) -> Sequence[Outgoing]:
        now = self.delivering.clock.now()
        known = await sql_ledger.load(transaction, [(found.tenant, found.response_id)])
        entry = known[found.tenant, found.response_id]
        event = ProviderEvent(
            event_id="one-click",
            provider="nps-loop",
            tenant=entry.tenant,
            delivery_id=entry.delivery_id,
            type="unsubscribe",
            occurred_at=now,
        )
        await self.delivering.heed(transaction, objections(entry, event))
        after = observed(entry, event.type, now)
        if isinstance(after, str):
            return ()
        await sql_ledger.save(transaction, [after])
        return self.delivering.published([after])

    def _page(self, stage: Literal["ask", "done", "unknown"], entry: Entry | None) -> Response:
        sections = self.delivering.sections
        known = entry is not None and sections.knows(entry.tenant)
        sender = sender_of(entry.tenant, sections.of(entry.tenant)) if entry and known else NOBODY
        content = self.templates.unsubscribe_page(stage, entry.language if entry else None, sender)
        status = HTTPStatus.NOT_FOUND if stage == "unknown" else HTTPStatus.OK
        return HTMLResponse(content, status, self._headers())

    def _headers(self) -> dict[str, str]:
        policy = (
            f"default-src 'none'; style-src '{self.templates.style_hash}'; form-action 'self'; "
            "base-uri 'none'; frame-ancestors 'none'"
        )
        return {
            "Content-Security-Policy": policy,
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "X-Robots-Tag": "noindex",
        }
