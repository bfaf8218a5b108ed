"""The world the CRM sandbox's tests stand in: a topic of tasks, and somebody who takes webhooks."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import pytest
from httpx2 import ASGITransport, AsyncClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from infra.sandbox.crm.app import open_app
from infra.sandbox.crm.settings import CrmSandboxSettings
from schemas.task import Task
from schemas.topics import TASKS
from services.chassis.clock import SystemClock
from services.chassis.frame import Frame, open_frame
from services.chassis.metrics import CHASSIS_METRICS, Metrics
from services.chassis.records import Cause, Outgoing, outgoing
from services.chassis.settings import ServiceSettings
from services.chassis.topic_admin import wanted_topic
from tests.support.answers import NOON
from tests.support.listening import listening

SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()


@dataclass
class Receiver:
    """Takes webhooks; answers with these statuses first, then with 204."""

    answers: list[int] = field(default_factory=list)
    calls: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/v1/webhooks/crm", self._take, methods=["POST"])])

    async def _take(self, request: Request) -> Response:
        self.calls.append((dict(request.headers), await request.body()))
        return Response(status_code=self.answers.pop(0) if self.answers else 204)


@dataclass
class World:
    frame: Frame
    settings: CrmSandboxSettings
    receiver: Receiver

    async def publish(self, *tasks: Task) -> None:
        cause = Cause("outreach", NOON)
        await self.frame.publisher.publish([outgoing(TASKS, one, str(uuid4()), cause) for one in tasks])

    async def erase(self, gone: Task) -> None:
        key = TASKS.key_of(gone)
        await self.frame.publisher.publish([Outgoing(TASKS.name, key, key, None, ())])

    @asynccontextmanager
    async def crm(self) -> AsyncIterator[AsyncClient]:
        async with (
            open_app(self.settings) as app,
            AsyncClient(transport=ASGITransport(app), base_url="http://crm") as client,
        ):
            yield client


@pytest.fixture
async def world(settings: ServiceSettings) -> AsyncIterator[World]:
    receiver, clock = Receiver(), SystemClock()
    topics = [wanted_topic(TASKS, settings.partitions)]
    async with (
        open_frame("test", settings, clock, Metrics(CHASSIS_METRICS), topics) as frame,
        listening(receiver.app()) as url,
    ):
        given = settings.model_dump() | {
            "sandbox_crm_webhook_url": f"{url}/v1/webhooks/crm",
            "crm_webhook_secret": SECRET,
        }
        yield World(frame, CrmSandboxSettings(**given), receiver)
