"""What the `nps` command does of intake's: keys, channels, imports, dead letters, orders to erase, recovery."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import uuid4

from schemas.erasure import Erasure
from schemas.malformed import Fault, Malformed
from schemas.topic import dead_letters_of, inbound
from schemas.topics import ERASURES, RESPONSES
from services.chassis.business import Business
from services.chassis.clock import Clock
from services.chassis.dead_letters import DeadLetter
from services.chassis.kafka import Kafka
from services.chassis.keyring import Identity
from services.chassis.lifecycle import tune_interpreter
from services.chassis.migrating import migrate
from services.chassis.records import Cause, outgoing
from services.chassis.recovering import begin_anew, committed_offsets, open_replay, wait_until_alone
from services.chassis.sql import Database, open_database, sqlite_url
from services.chassis.topic_admin import open_topic_admin, wanted_dead_letters, wanted_inbound
from services.intake import sql_keys, sql_registers
from services.intake.domain import SegmentPair
from services.intake.giving_way import GivingWay
from services.intake.importing import Import, Importer, Report, Tell
from services.intake.importing.dry_run import Looking, NoPlaces
from services.intake.kafka_traffic import open_traffic
from services.intake.opening import GROUP, OUTLINE, open_calls, open_door
from services.intake.replaying import Replay
from services.intake.settings import IntakeSection, IntakeSettings
from services.intake.sql_imports import SqlImports
from services.intake.sql_keys import NO_TERMS, ApiKey, Terms


@asynccontextmanager
async def _database(settings: IntakeSettings, clock: Clock) -> AsyncIterator[Database]:
    url = settings.sql_url.get_secret_value() if settings.sql_url else sqlite_url(settings.state_dir, OUTLINE.name)
    async with open_database(url) as database:
        await migrate(database, clock, OUTLINE.package)
        yield database


async def create_key(
    settings: IntakeSettings, clock: Clock, tenant: str, name: str, terms: Terms = NO_TERMS
) -> tuple[ApiKey, str]:
    """A new API key and its token, which is told this once.

    Raises:
        Malformed: if there is no such scope.
    """
    async with _database(settings, clock) as database:
        return await sql_keys.create(database, tenant, name, clock.now(), terms)


async def revoke_key(settings: IntakeSettings, clock: Clock, key_id: str) -> bool:
    """Revokes an API key; false if there is none that holds."""
    async with _database(settings, clock) as database:
        return await sql_keys.revoke(database, key_id, clock.now())


async def list_keys(settings: IntakeSettings, clock: Clock) -> list[ApiKey]:
    """All API keys."""
    async with _database(settings, clock) as database:
        return await sql_keys.every(database)


async def create_channels(settings: IntakeSettings, clock: Clock, channels: Sequence[str]) -> list[str]:
    """Makes inbound topics; returns the names of those that were not there.

    Raises:
        Malformed: if a channel's name cannot stand in a topic.
        Halt: if a topic is there and is not as it must be, or may not be made.
    """
    try:
        names = [inbound(channel) for channel in channels]
    except ValueError as error:
        raise Malformed.of("channel", str(error)) from error
    kafka = Kafka(settings)
    async with open_topic_admin(kafka, settings.replication) as admin, _database(settings, clock) as database:
        wanted = [wanted_inbound(channel, settings.partitions) for channel in channels]
        made = await admin.ensure([*wanted, *(wanted_dead_letters(name) for name in names)])
        for name in set(made) & set(names):
            await sql_registers.note_channel(database, name, clock.now())
    return [name for name in made if not name.endswith(dead_letters_of(""))]


async def import_file(settings: IntakeSettings, business: Business, clock: Clock, what: Import, tell: Tell) -> Report:
    """Imports a file through the door, or the rest of it; good rows are durable on return. A dry run only looks.

    Raises:
        Malformed: if the file as a whole cannot be read.
    """
    tune_interpreter()
    business.sections("intake", IntakeSection).of(what.tenant)
    if what.dry_run:
        looking = Looking(business.sections("intake", IntakeSection))
        return await Importer(what, looking, NoPlaces(), clock).run(tell)
    async with open_door(settings, business, clock) as opened, open_traffic(opened.service.frame.kafka) as traffic:
        entrance = GivingWay(opened.door, traffic.look, clock)
        report = await Importer(what, entrance, SqlImports(opened.service.database), clock).run(tell)
        report.waited = entrance.waited
        return report


async def replay(
    settings: IntakeSettings, business: Business, clock: Clock, letters: Sequence[DeadLetter]
) -> AsyncIterator[tuple[DeadLetter, list[Fault]]]:
    """Reads dead letters of strangers again; tells of each what is still wrong with it, if anything is.

    Raises:
        Transient: if nothing can be accepted now.
    """
    async with open_door(settings, business, clock) as opened, open_calls(opened, settings, clock) as calls:
        async for letter, faults in Replay(calls).run(letters):
            yield letter, faults


async def recover(settings: IntakeSettings, business: Business, clock: Clock) -> str:
    """Starts again with an empty or older database: positions from the group, segments from the answers.

    Keys, and requests under an Idempotency-Key, are not on any topic: keys must be made anew; a request sent again is
    counted once all the same where it names its answer.

    Raises:
        Halt: if a replica of intake still runs.
    """
    del business  # what was let in needs no rules any more
    kafka = Kafka(settings)
    await wait_until_alone(kafka, GROUP)
    async with _database(settings, clock) as database, open_replay(kafka) as replay:
        positions = await committed_offsets(kafka, GROUP)
        segments: dict[str, set[SegmentPair]] = {}
        async for batch in replay.batches(RESPONSES):
            for answer in (record.payload for record in batch):
                segments.setdefault(answer.tenant, set()).update(answer.segments.items())
        async with database.begin() as transaction:
            await sql_registers.restore_segments(transaction, segments)
            await begin_anew(transaction, GROUP, positions, clock)
    return f"{sum(map(len, segments.values()))} segments; make new API keys with `nps keys create`"


async def erase(settings: IntakeSettings, business: Business, clock: Clock, tenant: str, who: Identity) -> Erasure:
    """Orders that a person be forgotten: every linked subject, now and after any restore.

    Raises:
        Malformed: if nothing is said of who it is.
    """
    async with open_door(settings, business, clock) as opened:
        one = await opened.door.identify(tenant, who)
        if one is None:
            raise Malformed.of("person", "one of customer id, e-mail and phone is required")
        values = [value for value, _ in one.identifiers]
        groups = await opened.keyring.subjects_of(tenant, values)
        now = clock.now()
        order = Erasure(
            erasure_id=uuid4(),
            tenant=tenant,
            subjects=sorted(frozenset().union(*groups.values())),
            requested_at=now,
        )
        record = outgoing(ERASURES, order, str(order.erasure_id), Cause("console", now))
        await opened.service.frame.publisher.publish([record])
        await opened.keyring.erase(tenant, order.subjects)
        return order
