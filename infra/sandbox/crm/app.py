"""Puts the CRM sandbox together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.types import ASGIApp

from infra.sandbox.crm.api import CrmApi
from infra.sandbox.crm.board import Board
from infra.sandbox.crm.following import follow
from infra.sandbox.crm.settings import CrmSandboxSettings
from infra.sandbox.crm.webhooks import Webhooks, signer
from services.chassis.clock import Clock, SystemClock
from services.chassis.health import Health
from services.chassis.kafka import Kafka
from services.chassis.lifecycle import VERSION
from services.chassis.metrics import CHASSIS_METRICS, Metrics
from services.chassis.web import ON_ERROR, guarded, ops_routes


@asynccontextmanager
async def open_app(settings: CrmSandboxSettings, clock: Clock | None = None) -> AsyncIterator[ASGIApp]:
    """The CRM sandbox, reading tasks and posting webhooks.

    Raises:
        Halt: if the secret of the webhooks is none.
    """
    clock = clock or SystemClock()
    secret = settings.crm_webhook_secret
    board, health = Board(), Health(clock)
    signing = signer(secret.get_secret_value()) if secret else None
    webhooks = Webhooks(board, clock, settings.sandbox_crm_webhook_url, signing)
    following = asyncio.create_task(follow(Kafka(settings), board, health))
    routes = [*CrmApi(board, webhooks, clock).routes(), *ops_routes(health, Metrics(CHASSIS_METRICS), VERSION)]
    try:
        yield Starlette(routes=routes, exception_handlers=ON_ERROR, middleware=guarded(settings))
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await webhooks.close()
