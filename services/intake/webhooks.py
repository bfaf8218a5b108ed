"""Webhooks of providers and CRMs: verified on the raw bytes, parsed, published; 2xx only once they are durable.

What is said twice is published twice, under the same id: readers apply each once.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from schemas.task_update import TaskUpdate
from schemas.topics import PROVIDER_EVENTS, TASK_UPDATES
from services.chassis import tracing
from services.chassis.keyring import Claim, Key
from services.chassis.problems import Problem
from services.chassis.records import Cause, outgoing
from services.chassis.web import body_of
from services.intake.sources import crm, sendgrid
from services.intake.sources.source import Unverified

if TYPE_CHECKING:
    from services.chassis.frame import Frame
    from services.chassis.keyring import Keyring
    from services.chassis.metrics import Metrics
    from services.intake.metrics import AnyMetric
    from services.intake.settings import IntakeSettings


@dataclass(frozen=True, slots=True)
class Webhooks:
    """What the webhook routes need."""

    frame: Frame
    keyring: Keyring
    settings: IntakeSettings

    async def on_sendgrid(self, request: Request) -> Response:
        """Events of SendGrid's signed event webhook."""
        body = await body_of(request)
        key = self.settings.sendgrid_webhook_key
        if key is None:
            raise self._refused("sendgrid", "NPS_SENDGRID_WEBHOOK_KEY is not set")
        now = self.frame.clock.now()
        try:
            sendgrid.verify(request.headers, body, key, now)
        except Unverified as error:
            raise self._refused("sendgrid", str(error)) from error
        cause = Cause("intake", now, request.headers.get(tracing.HEADER))
        events = sendgrid.parse(body)
        await self.frame.publisher.publish(
            [outgoing(PROVIDER_EVENTS, event, event.event_id, cause) for event in events]
        )
        return self._taken("sendgrid")

    async def on_crm(self, request: Request) -> Response:
        """Status changes of a CRM, signed as Standard Webhooks."""
        body = await body_of(request)
        secret = self.settings.crm_webhook_secret
        if secret is None:
            raise self._refused("crm", "NPS_CRM_WEBHOOK_SECRET is not set")
        now = self.frame.clock.now()
        try:
            crm.verify(request.headers, body, secret.get_secret_value(), now)
        except Unverified as error:
            raise self._refused("crm", str(error)) from error
        told = crm.parse(body, request.headers)
        update = await self._sealed(told)
        cause = Cause("intake", now, request.headers.get(tracing.HEADER))
        await self.frame.publisher.publish([outgoing(TASK_UPDATES, update, update.update_id, cause)])
        return self._taken("crm")

    async def _sealed(self, told: crm.CrmUpdate) -> TaskUpdate:
        """The update with its note sealed under the key of the task."""
        content = told.note_content()
        if content is None:
            return told.task_update(None)
        claim = Claim(told.tenant, told.note_owner)
        key = (await self.keyring.admit([claim]))[claim.tenant, claim.owner]
        return told.task_update(self.keyring.seal(key, content) if isinstance(key, Key) else None)

    def _refused(self, source: str, reason: str) -> Problem:
        metrics: Metrics[AnyMetric] = self.frame.metrics
        metrics.count("nps_webhook_calls_total", source=source, outcome="refused")
        return Problem(HTTPStatus.UNAUTHORIZED, "signature", reason)

    def _taken(self, source: str) -> Response:
        metrics: Metrics[AnyMetric] = self.frame.metrics
        metrics.count("nps_webhook_calls_total", source=source, outcome="accepted")
        return Response(status_code=HTTPStatus.NO_CONTENT)
