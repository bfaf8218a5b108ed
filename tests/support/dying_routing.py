"""Routing in a process of its own, which is killed at one step of its work: it sends itself SIGKILL."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from services.chassis import outbox, sql_service
from services.chassis.business import Business
from services.chassis.outbox import Outbox
from services.chassis.standing import Standing
from services.routing.app import routing
from services.routing.settings import RoutingSettings
from tests.support.clocks import ManualClock
from tests.support.hosting import hosted
from tests.support.playbooks import SERVICES, SHIPPED

P = ParamSpec("P")
R = TypeVar("R")

DIES_WITHIN_S: Final = 60.0
READY: Final = ["services.routing.app", "tests.support.playbooks", "tests.support.hosting"]

_processes = multiprocessing.get_context("forkserver")


class _TickingClock(ManualClock):
    """Goes on from a moment."""

    def __init__(self, at: datetime) -> None:
        super().__init__(at)
        self._started = time.monotonic()

    def now(self) -> datetime:
        """The moment it has come to."""
        return super().now() + timedelta(seconds=time.monotonic() - self._started)


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _before(work: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """The same work, of a process that is killed as soon as there is some."""

    @wraps(work)
    async def dies(*given: P.args, **named: P.kwargs) -> R:
        if given[-1]:
            _kill()
        return await work(*given, **named)

    return dies


def _after(work: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """The same work, of a process that is killed once some is done."""

    @wraps(work)
    async def dies(*given: P.args, **named: P.kwargs) -> R:
        done = await work(*given, **named)
        if given[-1]:
            _kill()
        return done

    return dies


def _set(owner: object, name: str, change: Callable[[Any], Any]) -> Callable[[], None]:  # work of any kind
    return lambda: setattr(owner, name, change(getattr(owner, name)))


def _before_the_next(owner: object, name: str) -> Callable[[Any], Any]:  # as above
    """Has the process killed as soon as it comes to other work, once there is some of this."""

    def change(work: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        @wraps(work)
        async def goes_on(*given: P.args, **named: P.kwargs) -> R:
            if given[-1]:
                _set(owner, name, _before)()
            return await work(*given, **named)

        return goes_on

    return change


STEPS: Final[dict[str, Callable[[], None]]] = {
    "before the commit": _set(Outbox, "add", _after),
    "after the commit, before publishing": _set(sql_service, "publish_own", _before),
    "after publishing, before that is noted": _set(outbox, "_delete", _before),
    "after publishing, before the offset is told": _set(sql_service, "publish_own", _before_the_next(Standing, "tell")),
}
"""Where the process is killed, and how that is brought about."""


def die(settings: RoutingSettings, now: datetime, step: str) -> int:
    """Runs routing until it is killed at a step; returns the exit code of its process."""
    _processes.set_forkserver_preload(READY)
    process = _processes.Process(target=_live, args=(settings, now, step), daemon=True)
    process.start()
    process.join(DIES_WITHIN_S)
    alive = process.exitcode is None
    if alive:
        process.kill()
        process.join()
    assert process.exitcode is not None
    return 0 if alive else process.exitcode


def _live(settings: RoutingSettings, now: datetime, step: str) -> None:
    STEPS[step]()
    asyncio.run(_run(settings, _TickingClock(now)))


async def _run(settings: RoutingSettings, clock: _TickingClock) -> None:
    async with hosted(routing(settings, Business.load(SHIPPED, None, SERVICES), clock)):
        await asyncio.sleep(DIES_WITHIN_S)
