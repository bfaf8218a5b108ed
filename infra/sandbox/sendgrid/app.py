"""Puts the mail sandbox together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp

from infra.sandbox.sendgrid.control import Control
from infra.sandbox.sendgrid.mailbox import open_mailbox
from infra.sandbox.sendgrid.pages import Pages
from infra.sandbox.sendgrid.sandbox import Sandbox
from infra.sandbox.sendgrid.settings import SendGridSandboxSettings
from infra.sandbox.sendgrid.signing import signer
from infra.sandbox.sendgrid.webhooks import Webhooks
from services.chassis.clock import Clock, SystemClock
from services.chassis.health import Health
from services.chassis.lifecycle import VERSION
from services.chassis.metrics import CHASSIS_METRICS, Metrics
from services.chassis.web import ON_ERROR, guarded, ops_routes

SEND: Final = "/v3/mail/send"
FILE: Final = "sandbox-sendgrid.sqlite3"


@asynccontextmanager
async def open_app(settings: SendGridSandboxSettings, clock: Clock | None = None) -> AsyncIterator[ASGIApp]:
    """The mail sandbox, with its webhooks running.

    Raises:
        Halt: if its signing key is none.
    """
    private, key = settings.sandbox_sendgrid_private_key, settings.sandbox_sendgrid_key
    signing = signer(private.get_secret_value() if private else None)
    with open_mailbox(settings.state_dir / FILE) as mailbox:
        sandbox = Sandbox(mailbox, clock or SystemClock(), key.get_secret_value() if key else None)
        webhooks = Webhooks(sandbox, signing, settings.sandbox_webhook_url)
        routes = [
            Route(SEND, sandbox.send, methods=["POST"]),
            *ops_routes(Health(sandbox.clock), Metrics(CHASSIS_METRICS), VERSION),
            *Control(sandbox, signing).routes(),
            *Pages(sandbox, settings.sandbox_delivery_url).routes(),
        ]
        stop = asyncio.Event()
        posting = asyncio.create_task(webhooks.run(stop))
        try:
            yield Starlette(routes=routes, exception_handlers=ON_ERROR, middleware=guarded(settings, frozenset({SEND})))
        finally:
            stop.set()
            await posting
