"""What the `nps` command does of outreach's: pausing what goes out to CRMs, and recovery."""

from __future__ import annotations

from datetime import datetime

from services.chassis.business import Business
from services.chassis.clock import Clock
from services.chassis.kafka import Kafka
from services.chassis.keyring import open_keyring
from services.chassis.metrics import CHASSIS_METRICS, Metrics
from services.chassis.outbox import Outbox
from services.chassis.recovering import begin_anew, open_replay, set_group_offsets, wait_until_alone
from services.chassis.settings import SqlSettings
from services.chassis.sql_service import open_own_database
from services.outreach import sql_tasks
from services.outreach.app import GROUP, OUTLINE
from services.outreach.handlers import Outreach
from services.outreach.metrics import OUTREACH_METRICS
from services.outreach.recovery import CONSUMED, Recovered, Recovery
from services.outreach.settings import OutreachSection, OutreachSettings
from services.outreach.settling import EVERYBODY, Settling


async def pause(settings: SqlSettings, clock: Clock, tenant: str | None = None) -> None:
    """Tasks of a tenant, or of all, are made and changed here and shown to no CRM until `resume`."""
    async with open_own_database(OUTLINE, settings, clock) as (database, _), database.begin() as transaction:
        await sql_tasks.pause(transaction, tenant or EVERYBODY, clock.now())


async def resume(settings: SqlSettings, clock: Clock, tenant: str | None = None) -> bool:
    """Ends what `pause` began for the same tenant, or for all; false if that was not paused.

    The service publishes what was held, each task once and as it stands.
    """
    async with open_own_database(OUTLINE, settings, clock) as (database, _), database.begin() as transaction:
        return await sql_tasks.resume(transaction, tenant or EVERYBODY)


async def paused(settings: SqlSettings, clock: Clock) -> dict[str, datetime]:
    """Whose tasks are paused, and since when; `*` stands for everybody's."""
    async with open_own_database(OUTLINE, settings, clock) as (database, _), database.read() as transaction:
        return await sql_tasks.paused(transaction)


async def recover(settings: OutreachSettings, business: Business, clock: Clock) -> Recovered:
    """Rebuilds lost or restored tasks from topics, so that the service starts again and no CRM gets a second one.

    Raises:
        Halt: if a replica of outreach still runs.
        Transient: if Kafka or a database does not answer; nothing has changed then, or doing it again puts it right.
    """
    kafka = Kafka(settings)
    await wait_until_alone(kafka, GROUP)
    async with (
        open_own_database(OUTLINE, settings, clock) as (database, _),
        open_keyring(settings, clock) as keyring,
        open_replay(kafka) as replay,
    ):
        settling = Settling(business.sections("outreach", OutreachSection), keyring)
        handlers = Outreach(settling, clock, Metrics(CHASSIS_METRICS, OUTREACH_METRICS))
        async with database.begin() as transaction:
            recovery = Recovery(transaction, replay, handlers)
            records = await recovery.run()
            positions = {place: end for place, end in replay.ends.items() if place[0] in CONSUMED}
            database_id = await begin_anew(transaction, GROUP, positions, clock)
            await Outbox(database_id, clock, OUTLINE.in_order).add(transaction, records)
    await set_group_offsets(kafka, GROUP, positions)
    return recovery.found
