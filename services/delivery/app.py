"""Puts delivery together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from starlette.applications import Starlette

from schemas.topic import Topic
from schemas.topics import CONSENTS, MESSAGES, PROVIDER_EVENTS
from services.chassis.business import Business
from services.chassis.clock import Clock
from services.chassis.keyring import open_keyring
from services.chassis.lifecycle import VERSION, Assembly
from services.chassis.metrics import CHASSIS_METRICS, ChassisMetric, Metrics
from services.chassis.sql_service import Handler, Outline, open_sql_service
from services.chassis.web import ON_ERROR, ops_routes
from services.delivery import READS, WRITES, sql_fingerprints
from services.delivery.going_live import check_may_go_live, unsubscribe_base
from services.delivery.handlers import Delivering
from services.delivery.letters import Letters
from services.delivery.metrics import DELIVERY_METRICS, DeliveryMetric
from services.delivery.rendering import Templates
from services.delivery.sendgrid_mailer import open_sendgrid_mailer
from services.delivery.sending import Sending
from services.delivery.settings import DeliverySection, DeliverySettings
from services.delivery.web import Unsubscribing

GROUP: Final = "delivery"
OUTLINE: Final = Outline("delivery", "services.delivery", READS, WRITES)


@asynccontextmanager
async def delivery(settings: DeliverySettings, business: Business, clock: Clock) -> AsyncIterator[Assembly]:
    """Delivery, ready to run.

    Raises:
        Halt: if real mail would go out before everything that needs is set, or the keyring was lost.
    """
    metrics: Metrics[ChassisMetric | DeliveryMetric] = Metrics(CHASSIS_METRICS, DELIVERY_METRICS)
    sections = business.sections("delivery", DeliverySection)
    check_may_go_live(settings, sections)
    templates = Templates.shipped()
    async with (
        open_sql_service(OUTLINE, settings, clock, metrics) as service,
        open_keyring(settings, clock) as keyring,
        open_sendgrid_mailer(settings, clock) as mailer,
    ):
        await sql_fingerprints.check(service.database, keyring)
        service.frame.health.add_probe("keyring", keyring.probe)
        delivering = Delivering(sections, keyring, clock, metrics)
        letters = Letters(sections, keyring, templates, unsubscribe_base(settings))
        sending = Sending(service, delivering, mailer, letters, settings)
        reads: dict[Topic[Any], Handler[Any]] = {
            MESSAGES: delivering.on_messages,
            PROVIDER_EVENTS: delivering.on_provider_events,
            CONSENTS: delivering.on_consents,
        }
        routes = [
            *ops_routes(service.frame.health, metrics, VERSION),
            *Unsubscribing(service, delivering, templates).routes(),
        ]
        loops = {
            "consumer": service.consumer(GROUP, reads).run,
            "outbox": service.sweeper().run,
            "mail": sending.run,
        }
        yield Assembly(loops, Starlette(routes=routes, exception_handlers=ON_ERROR))
