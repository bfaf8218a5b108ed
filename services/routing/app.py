"""Puts routing together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from starlette.applications import Starlette

from schemas.topic import Topic
from schemas.topics import CONSENTS, DELIVERIES, RESPONSES, TASKS
from services.chassis.business import Business
from services.chassis.clock import Clock
from services.chassis.keyring import open_keyring
from services.chassis.lifecycle import VERSION, Assembly
from services.chassis.metrics import CHASSIS_METRICS, ChassisMetric, Metrics
from services.chassis.sql_service import Handler, Outline, open_sql_service
from services.chassis.web import ON_ERROR, ops_routes
from services.routing import READS, WRITES
from services.routing.handlers import Routing
from services.routing.metrics import ROUTING_METRICS, RoutingMetric
from services.routing.rulebooks import Rulebooks
from services.routing.settings import RoutingSection, RoutingSettings
from services.routing.waiting import Waiting

GROUP: Final = "routing"
OUTLINE: Final = Outline("routing", "services.routing", READS, WRITES)


@asynccontextmanager
async def routing(settings: RoutingSettings, business: Business, clock: Clock) -> AsyncIterator[Assembly]:
    """Routing, ready to run."""
    metrics: Metrics[ChassisMetric | RoutingMetric] = Metrics(CHASSIS_METRICS, ROUTING_METRICS)
    sections = business.sections("routing", RoutingSection)
    async with (
        open_sql_service(OUTLINE, settings, clock, metrics) as service,
        open_keyring(settings, clock) as keyring,
    ):
        service.frame.health.add_probe("keyring", keyring.probe)
        handlers = Routing(Rulebooks(sections, at_once=settings.at_once), keyring, clock, metrics)
        reads: dict[Topic[Any], Handler[Any]] = {
            RESPONSES: handlers.on_answers,
            DELIVERIES: handlers.on_deliveries,
            CONSENTS: handlers.on_consents,
            TASKS: handlers.on_tasks,
        }
        web = Starlette(routes=ops_routes(service.frame.health, metrics, VERSION), exception_handlers=ON_ERROR)
        loops = {
            "consumer": service.consumer(GROUP, reads).run,
            "outbox": service.sweeper().run,
            "waiting": Waiting(service, handlers).run,
        }
        yield Assembly(loops, web)
