"""Whether this process lives and whether it is ready.

Live: every loop has turned lately, or waits on purpose. Ready: no probe of Kafka or SQL fails and no partition waits.
Mail providers and CRMs are never asked: their failure is no reason to restart us.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final

from services.chassis.clock import Clock
from services.chassis.failures import Transient
from services.chassis.logs import logger

Probe = Callable[[], Awaitable[None]]
"""Returns if the dependency answers; raises Transient if not."""

STALLED_AFTER: Final = timedelta(seconds=60)

_log = logger("health")


class Health:
    """What the loops of a process report, and what its probes find."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._turned: dict[str, datetime] = {}
        self._waiting: dict[str, str] = {}
        self._probes: dict[str, Probe] = {}

    def turned(self, loop: str) -> None:
        """A loop has come round, whether or not it found work."""
        self._turned[loop] = self._clock.now()

    def ended(self, loop: str) -> None:
        """A loop has come to its end on purpose."""
        self._turned.pop(loop, None)

    def waits(self, what: str, reason: str) -> None:
        """Something waits for a dependency: not ready, yet alive."""
        self._waiting[what] = reason

    def goes_on(self, what: str) -> None:
        """What waited goes on."""
        self._waiting.pop(what, None)

    @contextmanager
    def pausing(self, what: str) -> Iterator[None]:
        """One turn of a loop: if a dependency is away it ends early and waits, and the next one makes up for it."""
        try:
            yield
        except Transient as error:
            _log.warning("turn.failed", what=what, reason=str(error))
            self.waits(what, str(error))
        else:
            self.goes_on(what)

    def add_probe(self, name: str, probe: Probe) -> None:
        """Something that readiness depends on."""
        self._probes[name] = probe

    def stalled(self) -> list[str]:
        """Loops that have not turned for a minute."""
        now = self._clock.now()
        return [loop for loop, at in self._turned.items() if now - at > STALLED_AFTER]

    async def not_ready(self) -> dict[str, str]:
        """What is missing, by name, with the reason; empty if ready."""
        found = dict(self._waiting)
        for name, probe in self._probes.items():
            try:
                await probe()
            except Transient as error:
                found[name] = str(error)
        return found

    async def anything_down(self) -> str | None:
        """The first dependency that does not answer, with the reason."""
        for name, probe in self._probes.items():
            try:
                await probe()
            except Transient as error:
                return f"{name}: {error}"
        return None
