"""What the `nps` command does of delivery's: pausing mail, sending an unknown mail again, recovery."""

from __future__ import annotations

from datetime import datetime

from schemas.topics import CONSENTS, MESSAGES, PROVIDER_EVENTS
from services.chassis.business import Business
from services.chassis.clock import Clock
from services.chassis.failures import Malformed
from services.chassis.kafka import Kafka
from services.chassis.keyring import open_keyring
from services.chassis.metrics import CHASSIS_METRICS, ChassisMetric, Metrics
from services.chassis.outbox import Outbox
from services.chassis.recovering import begin_anew, open_replay, set_group_offsets, wait_until_alone
from services.chassis.settings import SqlSettings
from services.chassis.sql_service import open_own_database
from services.delivery import sql_ledger, sql_pauses
from services.delivery.app import GROUP, OUTLINE
from services.delivery.domain import released
from services.delivery.handlers import Delivering, record_of
from services.delivery.metrics import DELIVERY_METRICS, DeliveryMetric
from services.delivery.recovery import Recovered, Recovery
from services.delivery.settings import DeliverySection, DeliverySettings

_CONSUMED = frozenset({MESSAGES.name, PROVIDER_EVENTS.name, CONSENTS.name})


async def pause(settings: SqlSettings, clock: Clock, tenant: str | None = None) -> None:
    """Sends no more mail of a tenant, or of anybody, until `resume`. What is wanted meanwhile stays planned."""
    async with open_own_database(OUTLINE, settings, clock) as (database, _), database.begin() as transaction:
        await sql_pauses.pause(transaction, tenant or sql_pauses.EVERYBODY, clock.now())


async def resume(settings: SqlSettings, clock: Clock, tenant: str | None = None) -> bool:
    """Ends what `pause` began for the same tenant, or for everybody; false if that was not paused."""
    async with open_own_database(OUTLINE, settings, clock) as (database, _), database.begin() as transaction:
        return await sql_pauses.resume(transaction, tenant or sql_pauses.EVERYBODY)


async def paused(settings: SqlSettings, clock: Clock) -> dict[str, datetime]:
    """Which tenants are paused, and since when; `*` stands for everybody."""
    async with open_own_database(OUTLINE, settings, clock) as (database, _), database.read() as transaction:
        return await sql_pauses.load(transaction)


async def resend(settings: SqlSettings, clock: Clock, tenant: str, response_id: str) -> bool:
    """Plans an unknown mail anew, on a person's word that it did not arrive; false if it is not unknown.

    Raises:
        Malformed: if there is no mail for that answer.
    """
    async with open_own_database(OUTLINE, settings, clock) as (database, database_id), database.begin() as transaction:
        known = await sql_ledger.load(transaction, [(tenant, response_id)])
        if (tenant, response_id) not in known:
            raise Malformed.of("response_id", "no mail is known for this answer")
        after = released(known[tenant, response_id], clock.now())
        if isinstance(after, str):
            return False
        await sql_ledger.save(transaction, [after])
        await Outbox(database_id, clock).add(transaction, [record_of(after, clock.now())])
        return True


async def recover(settings: DeliverySettings, business: Business, clock: Clock) -> Recovered:
    """Rebuilds a lost or restored ledger from topics, so that the service starts again and nobody is mailed twice.

    Raises:
        Halt: if a replica of delivery still runs.
        Transient: if Kafka or a database does not answer; nothing has changed then, or doing it again puts it right.
    """
    kafka = Kafka(settings)
    metrics: Metrics[ChassisMetric | DeliveryMetric] = Metrics(CHASSIS_METRICS, DELIVERY_METRICS)
    await wait_until_alone(kafka, GROUP)
    async with (
        open_own_database(OUTLINE, settings, clock) as (database, _),
        open_keyring(settings, clock) as keyring,
        open_replay(kafka) as replay,
    ):
        delivering = Delivering(business.sections("delivery", DeliverySection), keyring, clock, metrics)
        async with database.begin() as transaction:
            recovery = Recovery(transaction, replay, delivering)
            records = await recovery.run()
            positions = {place: end for place, end in replay.ends.items() if place[0] in _CONSUMED}
            database_id = await begin_anew(transaction, GROUP, positions, clock)
            await Outbox(database_id, clock).add(transaction, records)
    await set_group_offsets(kafka, GROUP, positions)
    return recovery.found
