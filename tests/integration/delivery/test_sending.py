"""The sending loop, turn by turn, on a real Kafka and a real database, with a provider in memory."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal
from uuid import uuid4

import pytest

from schemas.contract import Contract
from schemas.message import Message
from schemas.provider_event import EventType, ProviderEvent
from services.chassis.business import Business, Sections
from services.chassis.consuming import Batch
from services.chassis.failures import Malformed, Transient
from services.chassis.keyring import Keyring
from services.chassis.metrics import CHASSIS_METRICS, ChassisMetric, Metrics
from services.chassis.publishing import Publisher
from services.chassis.records import Outgoing, Raw, Received
from services.chassis.settings import SealedSettings
from services.chassis.sql import Transaction
from services.chassis.sql_service import Handler, SqlService, open_sql_service
from services.delivery import sql_ledger
from services.delivery.app import OUTLINE
from services.delivery.domain import Entry
from services.delivery.handlers import Delivering
from services.delivery.letters import Letters
from services.delivery.mailer import Mailer
from services.delivery.metrics import DELIVERY_METRICS, DeliveryMetric
from services.delivery.rendering import Templates
from services.delivery.sending import HELD_AFTER, Sending
from services.delivery.settings import DeliverySection, DeliverySettings
from tests.support.answers import NOON
from tests.support.clocks import ManualClock
from tests.support.fake_mailer import Crash, FakeMailer
from tests.support.mails import message_to

on_each_database = pytest.mark.parametrize("sql_url", ["sqlite", "postgresql"], indirect=True)


@dataclass
class Desk:
    """Delivery without its consumer: what it reads is put before it by hand."""

    service: SqlService
    delivering: Delivering
    letters: Letters
    settings: DeliverySettings
    clock: ManualClock

    def sending(self, mailer: Mailer, **changed: Any) -> Sending:  # values of settings
        """A loop that has just started."""
        settings = self.settings.model_copy(update=changed)
        return Sending(self.service, self.delivering, mailer, self.letters, settings)

    async def read(self, handler: Handler[Any], *payloads: Contract) -> None:
        raw = Raw("topic", 0, 0, NOON, None, None, ())

        async def refuse(_raw: Raw, error: Malformed) -> None:
            raise error

        batch = Batch("topic", (), tuple(Received(raw, one) for one in payloads), refuse)

        async def change(transaction: Transaction) -> tuple[None, Sequence[Outgoing]]:
            return None, await handler(transaction, batch)

        await self.service.apply(change)

    async def wants(self, *messages: Message) -> None:
        await self.read(self.delivering.on_messages, *messages)

    async def hears(self, message: Message, kind: EventType) -> None:
        event = ProviderEvent(
            event_id=str(uuid4()),
            provider="fake",
            tenant=message.tenant,
            delivery_id=message.message_id,
            type=kind,
            occurred_at=self.clock.now(),
        )
        await self.read(self.delivering.on_provider_events, event)

    async def stands(self, message: Message) -> Entry:
        async with self.service.database.read() as transaction:
            found = await sql_ledger.find(transaction, (message.tenant, message.message_id))
        assert found
        return found


@pytest.fixture
def sql_url(request: pytest.FixtureRequest) -> str | None:
    """Where the ledger lies: in SQLite, unless a test asks for each."""
    named = getattr(request, "param", "sqlite")
    return None if named == "sqlite" else str(request.getfixturevalue("postgres_url"))


@pytest.fixture
async def desk(
    sealed_settings: SealedSettings, keyring: Keyring, clock: ManualClock, business: Business, sql_url: str | None
) -> AsyncIterator[Desk]:
    settings = DeliverySettings(**{**sealed_settings.model_dump(), "sql_url": sql_url, "sendgrid_key": "SG.test"})
    metrics: Metrics[ChassisMetric | DeliveryMetric] = Metrics(CHASSIS_METRICS, DELIVERY_METRICS)
    sections = business.sections("delivery", DeliverySection)
    async with open_sql_service(OUTLINE, settings, clock, metrics) as service:
        delivering = Delivering(sections, keyring, clock, metrics)
        letters = Letters(sections, keyring, Templates.shipped(), "https://acme.example")
        yield Desk(service, delivering, letters, settings, clock)


async def turns(sending: Sending, number: int = 3) -> None:
    """So many turns, each with what the one before it began."""
    for _ in range(number):
        await sending.turn(claiming=True)
        if sending._under_way:
            await asyncio.wait(sending._under_way)


async def crashes(sending: Sending) -> None:
    with pytest.raises(Crash):
        await turns(sending)


@on_each_database
async def test_a_mail_goes_out_once_however_often_the_loop_turns(desk: Desk, keyring: Keyring) -> None:
    mailer = FakeMailer(desk.clock)
    message = await message_to(keyring)
    await desk.wants(message, message)
    await turns(desk.sending(mailer), 6)
    await turns(desk.sending(mailer), 2)
    assert len(mailer.taken) == 1
    assert (await desk.stands(message)).state == "accepted"


@pytest.mark.parametrize(("crash", "taken"), [("before", 0), ("after", 1)])
async def test_a_crash_around_the_request_leaves_an_unknown_mail_that_no_machine_sends_again(
    desk: Desk, keyring: Keyring, crash: Literal["before", "after"], taken: int
) -> None:
    mailer = FakeMailer(desk.clock, crash=crash)
    message = await message_to(keyring)
    await desk.wants(message)
    await crashes(desk.sending(mailer))
    mailer.crash = None
    await turns(desk.sending(mailer))
    assert (await desk.stands(message)).state == "sending"
    desk.clock.advance(seconds=desk.settings.lease.total_seconds() + 1)
    await turns(desk.sending(mailer))
    desk.clock.advance(days=30)
    await turns(desk.sending(mailer), 5)
    assert (await desk.stands(message)).state == "unknown"
    assert len(mailer.taken) == taken


@on_each_database
@pytest.mark.parametrize("settled_by", ["processed", "bounce"])
async def test_after_a_crash_between_acceptance_and_commit_the_providers_event_settles_the_mail(
    desk: Desk, keyring: Keyring, settled_by: EventType
) -> None:
    mailer = FakeMailer(desk.clock, crash="after")
    message = await message_to(keyring)
    await desk.wants(message)
    await crashes(desk.sending(mailer))
    desk.clock.advance(minutes=10)
    mailer.crash = None
    await turns(desk.sending(mailer))
    assert (await desk.stands(message)).state == "unknown"
    await desk.hears(message, settled_by)
    await turns(desk.sending(mailer), 5)
    assert (await desk.stands(message)).state in {"accepted", "bounced"}
    assert len(mailer.taken) == 1


class Silent(Publisher):
    """A publisher whose Kafka does not answer."""

    def __init__(self) -> None:
        """Needs nothing."""

    async def publish(self, records: Sequence[Outgoing], *, patience: timedelta = timedelta(0)) -> None:
        raise Transient(f"Kafka does not take {len(records)} records within {patience}")


async def test_what_kafka_does_not_know_to_be_sent_is_not_sent(desk: Desk, keyring: Keyring) -> None:
    mailer = FakeMailer(desk.clock)
    message = await message_to(keyring)
    await desk.wants(message)
    cut_off = replace(desk.service, frame=replace(desk.service.frame, publisher=Silent()))
    await turns(replace(desk, service=cut_off).sending(mailer))
    assert mailer.asked == 0
    assert (await desk.stands(message)).state == "planned"
    desk.clock.advance(minutes=1)
    await turns(desk.sending(mailer))
    assert len(mailer.taken) == 1


@dataclass
class Dawdling:
    """A mailer that takes its time before anything is written."""

    mailer: FakeMailer
    dawdle: Callable[[], object]
    name: str = "fake"

    async def send(self, mail: Any, may_leave: Callable[[], bool]) -> Any:  # passed on as they are
        self.dawdle()
        return await self.mailer.send(mail, may_leave)


async def test_a_request_that_comes_too_late_for_its_lease_is_not_written(desk: Desk, keyring: Keyring) -> None:
    mailer = FakeMailer(desk.clock)
    message = await message_to(keyring)
    await desk.wants(message)
    almost = desk.settings.lease.total_seconds() - desk.settings.sendgrid_timeout_s
    await turns(desk.sending(Dawdling(mailer, lambda: desk.clock.advance(seconds=almost))), 2)
    assert mailer.asked == 0
    assert (await desk.stands(message)).state == "planned"


async def test_no_request_leaves_between_a_429_and_its_reset(desk: Desk, keyring: Keyring) -> None:
    mailer = FakeMailer(desk.clock, faults=deque(["429"]))
    messages = [await message_to(keyring, f"a{number}@example.org") for number in range(5)]
    await desk.wants(*messages)
    sending = desk.sending(mailer)
    await turns(sending)
    assert mailer.asked == 1
    for _ in range(19):
        desk.clock.advance(seconds=1)
        await turns(sending, 1)
    assert mailer.asked == 1
    desk.clock.advance(seconds=1)
    await turns(sending)
    assert len(mailer.taken) == 5


async def test_a_key_that_is_refused_condemns_no_mail(desk: Desk, keyring: Keyring) -> None:
    mailer = FakeMailer(desk.clock, faults=deque(["401", "401"]))
    messages = [await message_to(keyring, f"a{number}@example.org") for number in range(3)]
    await desk.wants(*messages)
    sending = desk.sending(mailer)
    for _ in range(10):
        await turns(sending, 2)
        desk.clock.advance(seconds=10)
    assert len(mailer.taken) == 3


async def test_while_the_provider_is_down_few_mails_become_unknown(desk: Desk, keyring: Keyring) -> None:
    mailer = FakeMailer(desk.clock, faults=deque(["timeout"] * 50))
    messages = [await message_to(keyring, f"a{number}@example.org") for number in range(50)]
    await desk.wants(*messages)
    sending = desk.sending(mailer)
    for _ in range(60):
        await turns(sending, 1)
        desk.clock.advance(seconds=1)
    assert mailer.asked < 10


async def test_a_wish_that_changes_while_the_mail_is_sent_is_answered_too_late(desk: Desk, keyring: Keyring) -> None:
    message = await message_to(keyring)
    await desk.wants(message)
    sending = desk.sending(FakeMailer(desk.clock, crash="before"))
    await crashes(sending)
    await desk.wants(message.model_copy(update={"revision": 2, "command": "none"}))
    stands = await desk.stands(message)
    assert (stands.state, stands.reason, stands.kind) == ("sending", "too_late", "perk")


async def test_a_mail_whose_perk_left_the_catalogue_waits_for_it_to_come_back(desk: Desk, keyring: Keyring) -> None:
    mailer = FakeMailer(desk.clock)
    message = await message_to(keyring)
    await desk.wants(message)
    without = replace(desk.letters, sections=Sections({"default": DeliverySection()}))
    await turns(replace(desk, letters=without).sending(mailer))
    stands = await desk.stands(message)
    assert (stands.state, mailer.asked) == ("planned", 0)
    assert stands.detail
    desk.clock.advance(hours=1)
    await turns(desk.sending(mailer))
    assert (await desk.stands(message)).state == "accepted"


async def test_a_mail_long_unknown_is_held_and_shows_in_the_metrics(desk: Desk, keyring: Keyring) -> None:
    message = await message_to(keyring)
    await desk.wants(message)
    sending = desk.sending(FakeMailer(desk.clock, faults=deque(["timeout"])))
    await turns(sending)
    assert b"nps_delivery_unknown 0.0" in desk.delivering.metrics.render()
    desk.clock.advance(seconds=HELD_AFTER.total_seconds())
    await turns(sending)
    assert b"nps_delivery_unknown 1.0" in desk.delivering.metrics.render()
    await desk.hears(message, "delivered")
    desk.clock.advance(seconds=2)
    await turns(sending)
    assert b"nps_delivery_unknown 0.0" in desk.delivering.metrics.render()


@on_each_database
async def test_two_loops_on_one_ledger_send_each_mail_once(desk: Desk, keyring: Keyring) -> None:
    mailer = FakeMailer(desk.clock)
    messages = [await message_to(keyring, f"a{number}@example.org") for number in range(40)]
    await desk.wants(*messages)
    one, other = desk.sending(mailer), desk.sending(mailer)
    for _ in range(12):
        await asyncio.gather(turns(one, 1), turns(other, 1))
    assert sorted(mail.recipient for mail in mailer.taken) == sorted(f"a{number}@example.org" for number in range(40))
