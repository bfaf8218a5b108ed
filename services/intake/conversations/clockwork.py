"""The loop that moves conversations on as time passes: reminders, ends, and forgetting. It may run in every replica."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from services.chassis.frame import Frame
    from services.intake.conversations.conversing import Conversing

LOOP: Final = "conversations"
TURN: Final = timedelta(seconds=5)
FORGET_EVERY: Final = timedelta(minutes=10)


class Clockwork:
    """Turns every few seconds; what fell due while nobody looked is made up for."""

    def __init__(self, frame: Frame, conversing: Conversing) -> None:
        self._frame = frame
        self._conversing = conversing

    async def run(self, stop: asyncio.Event) -> None:
        """Turns until stopped."""
        health, forget_at = self._frame.health, self._frame.clock.now()
        while not stop.is_set():
            health.turned(LOOP)
            with health.pausing(LOOP):
                while not stop.is_set() and await self._conversing.pass_time():
                    health.turned(LOOP)
                if self._frame.clock.now() >= forget_at:
                    await self._conversing.conversations.forget_old(self._frame.clock.now())
                    forget_at = self._frame.clock.now() + FORGET_EVERY
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), TURN.total_seconds())
        health.ended(LOOP)
