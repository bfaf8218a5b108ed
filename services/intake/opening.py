"""Opens the door, to answers and to calls: what the running service and the `nps` command both need."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from services.chassis.business import Business
from services.chassis.clock import Clock
from services.chassis.dead_letters import DeadLetters
from services.chassis.keyring import Keyring, open_keyring
from services.chassis.metrics import CHASSIS_METRICS, Metrics
from services.chassis.sql_service import Outline, SqlService, open_sql_service
from services.intake import READS, WRITES
from services.intake.calls import Calls
from services.intake.door import Door
from services.intake.http_vendor_api import open_http_vendor_api
from services.intake.lookups import Lookups
from services.intake.metrics import INTAKE_METRICS, AnyMetric
from services.intake.public_keys import PublicKeys
from services.intake.settings import IntakeSection, IntakeSettings
from services.intake.sql_registers import SegmentRegister, SourceRegister

GROUP: Final = "intake"
OUTLINE: Final = Outline("intake", "services.intake", READS, WRITES)


@dataclass(frozen=True, slots=True)
class Opened:
    """The door, and what it stands in."""

    service: SqlService
    keyring: Keyring
    door: Door


@asynccontextmanager
async def open_door(settings: IntakeSettings, business: Business, clock: Clock) -> AsyncIterator[Opened]:
    """Kafka, database and keyring, and the door over them."""
    metrics: Metrics[AnyMetric] = Metrics(CHASSIS_METRICS, INTAKE_METRICS)
    sections = business.sections("intake", IntakeSection)
    async with (
        open_sql_service(OUTLINE, settings, clock, metrics) as service,
        open_keyring(settings, clock) as keyring,
    ):
        service.frame.health.add_probe("keyring", keyring.probe)
        door = Door(
            sections,
            SegmentRegister(service.database),
            SourceRegister(service.database, clock),
            keyring,
            service.frame.publisher,
            metrics,
        )
        yield Opened(service, keyring, door)


@asynccontextmanager
async def open_calls(opened: Opened, settings: IntakeSettings, clock: Clock) -> AsyncIterator[Calls]:
    """What lets calls of sources in, and asks their vendors for what calls do not carry."""
    frame = opened.service.frame
    letters = DeadLetters(frame.publisher, GROUP, opened.keyring)
    async with open_http_vendor_api(settings, clock) as api:
        yield Calls(frame, opened.door, letters, settings, Lookups(settings, api), PublicKeys(api))
