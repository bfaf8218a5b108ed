"""A world for delivery: its topics, its keyring, the mail sandbox, and what tests ask of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from infra.sandbox.sendgrid.signing import new_key_pair
from schemas.consent import Consent
from schemas.contract import Contract
from schemas.delivery import Delivery
from schemas.message import Message
from schemas.topic import Topic
from schemas.topics import CONSENTS, DELIVERIES, MESSAGES, PROVIDER_EVENTS
from services.chassis.business import Business
from services.chassis.frame import Frame
from services.chassis.keyring import Keyring
from services.chassis.lifecycle import Assembly
from services.chassis.positions import Positions
from services.chassis.reading import open_reader
from services.chassis.records import Cause, outgoing
from services.chassis.sql import open_database
from services.chassis.sql_service import database_url
from services.delivery.app import delivery
from services.delivery.settings import DeliverySettings
from services.intake.sources import sendgrid
from tests.support.answers import NOON
from tests.support.clocks import ManualClock
from tests.support.listening import listening
from tests.support.mail_sandbox import MailSandbox, mail_sandbox
from tests.support.mails import message_to
from tests.support.topics import DEADLINE_S, TopicReader, reading

Newest = dict[str, Delivery]
"""The newest version of each delivery, by response id."""


SHIPPED = Path(str(files("schemas"))) / "nps.yaml"


class RunningClock(ManualClock):
    """The machine's clock, that can be moved on as well."""

    def now(self) -> datetime:
        """The present moment, and what it was moved on by."""
        return datetime.now(UTC) + (super().now() - NOON)


@dataclass
class World:
    frame: Frame
    keyring: Keyring
    clock: ManualClock
    settings: DeliverySettings
    business: Business
    sandbox: MailSandbox
    published: int = field(default=0)

    def delivery(self, **changed: Any) -> AbstractAsyncContextManager[Assembly]:  # values of settings
        return delivery(self.settings.model_copy(update=changed), self.business, self.clock)

    async def wanted(self, email: str | None = "ada@example.org", **given: Any) -> Message:  # fields of a message
        """A perk for somebody, unless said otherwise."""
        return await message_to(self.keyring, email, **given)

    def decide(self, **section: Any) -> None:  # values of delivery's section
        """What the business decides, for every tenant."""
        own = self.settings.state_dir / "nps.yaml"
        own.write_text(yaml.safe_dump({"defaults": {"delivery": section}}))
        self.business = Business.load(SHIPPED, own, frozenset({"routing", "delivery", "outreach", "intake", "scoring"}))

    async def heard(self, topic: Topic[Any]) -> None:
        """Returns once delivery has read a topic up to its end."""
        async with open_reader(self.frame.kafka) as reader, open_database(self._sql) as database:
            await reader.assign([topic.name])
            ends = {place: end for place, end in (await reader.ends()).items() if end}
            positions = Positions(database, "delivery")
            async with asyncio.timeout(DEADLINE_S):
                while await positions.load(ends) != ends:
                    await asyncio.sleep(0.02)

    @property
    def _sql(self) -> str:
        return database_url(self.settings, "delivery")

    async def publish(self, topic: Topic[Any], *payloads: Contract) -> None:
        cause = Cause("test", self.clock.now())
        first = self.published
        self.published += len(payloads)
        await self.frame.publisher.publish(
            [outgoing(topic, one, f"test-{first + index}", cause) for index, one in enumerate(payloads)]
        )

    async def want(self, *messages: Message) -> None:
        await self.publish(MESSAGES, *messages)

    async def consent(self, subject: str | None, *, granted: bool) -> None:
        """Somebody's word on being mailed."""
        assert subject
        word = Consent(
            tenant="default", subject=subject, purpose="mail", granted=granted, source="test", at=self.clock.now()
        )
        await self.publish(CONSENTS, word)

    async def until(self, satisfied: Callable[[Newest], bool], *, deadline_s: float = DEADLINE_S) -> Newest:
        """How mails stand, once that satisfies."""
        async with self.deliveries() as deliveries:
            await deliveries.reader.until(lambda _: satisfied(deliveries.newest()), deadline_s=deadline_s)
            return deliveries.newest()

    async def ends(self, message: Message, state: str, *, reason: str | None = None) -> Delivery:
        """The mail of a message, once it stands so."""

        def stands_so(newest: Newest) -> bool:
            found = newest.get(message.response_id)
            return found is not None and (found.state, found.reason) == (state, reason or found.reason)

        return (await self.until(stands_so))[message.response_id]

    @asynccontextmanager
    async def deliveries(self) -> AsyncIterator[Deliveries]:
        async with reading(self.frame.kafka, DELIVERIES.name) as reader:
            yield Deliveries(reader)

    async def history(self, message: Message) -> list[Delivery]:
        """Every version of a mail there is, in order."""
        async with self.deliveries() as deliveries:
            await deliveries.reader.to_end()
            found = {d.version: d for d in deliveries.all() if d.response_id == message.response_id}
        return [found[version] for version in sorted(found)]


@dataclass
class Deliveries:
    reader: TopicReader

    def all(self) -> list[Delivery]:
        return [DELIVERIES.decode(raw.headers, raw.value) for raw in self.reader.records]

    async def look(self) -> Newest:
        await self.reader.to_end()
        return self.newest()

    def newest(self) -> Newest:
        return {d.response_id: d for d in sorted(self.all(), key=lambda one: one.version)}


@dataclass(frozen=True)
class Hooks:
    """Takes SendGrid's webhooks the way intake does, and publishes what they say."""

    frame: Frame
    clock: ManualClock
    public_key: str

    async def take(self, request: Request) -> Response:
        body = await request.body()
        sendgrid.verify(request.headers, body, self.public_key, self.clock.now())
        cause = Cause("test", self.clock.now())
        events = [outgoing(PROVIDER_EVENTS, event, event.event_id, cause) for event in sendgrid.parse(body)]
        await self.frame.publisher.publish(events)
        return Response(status_code=204)


@asynccontextmanager
async def delivery_world(
    frame: Frame, keyring: Keyring, clock: ManualClock, settings: DeliverySettings, business: Business
) -> AsyncIterator[World]:
    """The world around delivery: a sandbox whose webhooks end up on the topic."""
    keys = new_key_pair()
    hooks = Starlette(routes=[Route("/", Hooks(frame, clock, keys.public).take, methods=["POST"])])
    async with (
        listening(hooks) as address,
        mail_sandbox(
            settings.state_dir / "sandbox",
            clock,
            sandbox_webhook_url=address,
            sandbox_sendgrid_private_key=keys.private,
            sandbox_sendgrid_key=settings.sendgrid_key,
        ) as sandbox,
    ):
        mine = settings.model_copy(update={"sendgrid_url": sandbox.url})
        yield World(frame, keyring, clock, mine, business, sandbox)
