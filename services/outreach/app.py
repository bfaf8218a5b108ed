"""Puts outreach together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from schemas.topic import Topic
from schemas.topics import ERASURES, NOTICES, OUTREACH, TASK_UPDATES
from services.chassis.business import Business
from services.chassis.clock import Clock
from services.chassis.keyring import open_keyring
from services.chassis.lifecycle import VERSION, Assembly
from services.chassis.metrics import CHASSIS_METRICS, ChassisMetric, Metrics
from services.chassis.sql_service import Handler, Outline, open_sql_service
from services.chassis.web import ops_routes
from services.outreach import READS, WRITES
from services.outreach.desk import TaskDesk
from services.outreach.handlers import Outreach
from services.outreach.metrics import OUTREACH_METRICS, OutreachMetric
from services.outreach.rest import rest
from services.outreach.settings import OutreachSection, OutreachSettings
from services.outreach.settling import Settling
from services.outreach.watch import Watch

GROUP: Final = "outreach"
OUTLINE: Final = Outline("outreach", "services.outreach", READS, WRITES)


@asynccontextmanager
async def outreach(settings: OutreachSettings, business: Business, clock: Clock) -> AsyncIterator[Assembly]:
    """Outreach, ready to run."""
    metrics: Metrics[ChassisMetric | OutreachMetric] = Metrics(CHASSIS_METRICS, OUTREACH_METRICS)
    sections = business.sections("outreach", OutreachSection)
    async with (
        open_sql_service(OUTLINE, settings, clock, metrics) as service,
        open_keyring(settings, clock) as keyring,
    ):
        service.frame.health.add_probe("keyring", keyring.probe)
        settling = Settling(sections, keyring)
        handlers = Outreach(settling, clock, metrics)
        reads: dict[Topic[Any], Handler[Any]] = {
            OUTREACH: handlers.on_requests,
            NOTICES: handlers.on_notices,
            TASK_UPDATES: handlers.on_updates,
            ERASURES: handlers.on_erasures,
        }
        web = rest(TaskDesk(service, settling, clock), settings, ops_routes(service.frame.health, metrics, VERSION))
        yield Assembly(
            {
                "consumer": service.consumer(GROUP, reads).run,
                "outbox": service.sweeper().run,
                "watch": Watch(service, settling, clock, metrics).run,
            },
            web,
        )
