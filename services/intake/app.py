"""Puts intake together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from schemas.topic import INBOUND_PATTERN
from services.chassis.business import Business
from services.chassis.clock import Clock
from services.chassis.consuming import Consumer, Subscription
from services.chassis.dead_letters import DeadLetters
from services.chassis.health import Health
from services.chassis.lifecycle import VERSION, Assembly
from services.chassis.positions import Positions
from services.chassis.rate_limits import RateLimit
from services.chassis.web import ops_routes
from services.intake.api import Api
from services.intake.conversations.answers import Answers
from services.intake.conversations.clockwork import Clockwork
from services.intake.conversations.conversing import Conversing
from services.intake.conversations.http_conversations import HttpConversations
from services.intake.conversations.sql_conversations import SqlConversations
from services.intake.conversations.texting import Texting
from services.intake.conversations.twilio_texter import open_twilio_texter
from services.intake.dead_letter_topics import DeadLetterTopics
from services.intake.domain import Arrival
from services.intake.forms.pages import Pages
from services.intake.forms.routes import Forms
from services.intake.forms.sql_answers import SqlAnswers
from services.intake.front import front
from services.intake.gathering import GatheringDoor
from services.intake.handlers import Eraser, Inbound
from services.intake.inbound import decoder
from services.intake.opening import GROUP, Opened, open_calls, open_door
from services.intake.routes import web_app
from services.intake.settings import IntakeSettings
from services.intake.sql_keys import KeyRegister
from services.intake.sql_requests import SqlRequests
from services.intake.webhooks import Webhooks

FORGET_EVERY: Final = timedelta(minutes=10)
FORGET_AGAIN_AFTER: Final = timedelta(seconds=10)

Drop = Callable[[datetime], Awaitable[int]]
"""Drops what is too old at a moment; returns how many."""


@asynccontextmanager
async def intake(settings: IntakeSettings, business: Business, clock: Clock) -> AsyncIterator[Assembly]:
    """Intake, ready to run."""
    async with (
        open_door(settings, business, clock) as opened,
        open_calls(opened, settings, clock) as silent,
        open_twilio_texter(settings) as texter,
    ):
        frame, database = opened.service.frame, opened.service.database
        requests = SqlRequests(database)
        sql_conversations = SqlConversations(database)
        door = GatheringDoor.before(opened.door)
        limit = RateLimit("key", settings.rate_limit_per_key)
        api = Api(frame, door, KeyRegister(database, clock), limit, requests, sql_conversations)
        inbound = Inbound(frame, opened.door, database, Positions(database, GROUP))
        conversing = Conversing(
            frame,
            Answers(door, frame.publisher),
            sql_conversations,
            Texting(frame, texter, settings),
        )
        conversations = HttpConversations(conversing, api.tenant_of)
        calls = replace(silent, door=door, conversations=conversations)
        answers = SqlAnswers(database)
        forms = Forms(frame, door, answers, Pages.shipped())
        pages = [*ops_routes(frame.health, frame.metrics, VERSION), *forms.routes()]
        described = web_app(api, Webhooks(frame, opened.keyring, settings), calls, conversations, pages)
        loops = {
            "inbound": _consumer(opened, inbound, calls.letters).run,
            "deleting": inbound.delete_taken,
            "erasing": Eraser(frame, opened.keyring).run,
            "dead letters": DeadLetterTopics(frame).run,
            "conversations": Clockwork(frame, conversing).run,
            "forgetting": _Forgetting((requests.forget_old, answers.forget_old), clock, frame.health).run,
        }
        yield Assembly(loops, front(described, api, settings))


def _consumer(opened: Opened, inbound: Inbound, letters: DeadLetters) -> Consumer[Arrival]:
    """Every inbound topic there is or will be; what strangers send is sealed when it becomes a dead letter."""
    frame = opened.service.frame
    return Consumer(
        Subscription(GROUP, INBOUND_PATTERN, decoder(opened.door.sections, frame.clock), trusted=False),
        inbound,
        frame=frame,
        positions=inbound.positions,
        dead_letters=letters,
    )


class _Forgetting:
    """Drops requests older than a day, and what was said behind links that have expired."""

    def __init__(self, drops: Sequence[Drop], clock: Clock, health: Health) -> None:
        self._drops = drops
        self._clock = clock
        self._health = health

    async def run(self, stop: asyncio.Event) -> None:
        """Looks every ten minutes, and sooner after the database was away, until stopped."""
        due = self._clock.now()
        while not stop.is_set():
            with self._health.pausing("forgetting"):
                now = self._clock.now()
                if now >= due:
                    for drop in self._drops:
                        await drop(now)
                    due = now + FORGET_EVERY
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), FORGET_AGAIN_AFTER.total_seconds())
