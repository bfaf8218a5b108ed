"""Puts the monitor together. It makes no topics and waits for nothing: while Kafka is away, the page says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware

from services.chassis.business import Business
from services.chassis.clock import Clock
from services.chassis.health import Health
from services.chassis.kafka import Kafka
from services.chassis.lifecycle import VERSION, Assembly, Loop
from services.chassis.metrics import CHASSIS_METRICS, Metrics
from services.chassis.web import ON_ERROR, guarded, ops_routes
from services.monitor.following import Follower
from services.monitor.live import Live
from services.monitor.metrics import MONITOR_METRICS, AnyMetric
from services.monitor.settings import MonitorSection, MonitorSettings, RoutingSection
from services.monitor.watching import Watcher
from services.monitor.web import Pages, SecurityHeaders, Views, routes

SMALLEST_ZIPPED: Final = 1_000


@asynccontextmanager
async def monitor(settings: MonitorSettings, business: Business, clock: Clock) -> AsyncIterator[Assembly]:
    """The monitor, ready to run."""
    metrics: Metrics[AnyMetric] = Metrics(CHASSIS_METRICS, MONITOR_METRICS)
    kafka, health, live = Kafka(settings), Health(clock), Live(clock)
    follower = Follower(kafka, live, partitions=settings.partitions, health=health, metrics=metrics)
    watcher = Watcher(kafka, live, health, metrics)
    health.add_probe("kafka", watcher.probe)
    views = Views(live, business.sections("monitor", MonitorSection), business.sections("routing", RoutingSection))
    web = Starlette(
        routes=[*routes(Pages(), views), *ops_routes(health, metrics, VERSION)],
        middleware=[
            Middleware(SecurityHeaders),
            *guarded(settings),
            Middleware(GZipMiddleware, minimum_size=SMALLEST_ZIPPED),
        ],
        exception_handlers=ON_ERROR,
    )
    loops = {"following": follower.run, "watching": watcher.run, "live": live.run}
    yield Assembly({name: _until_stopped(loop) for name, loop in loops.items()}, web)


def _until_stopped(run: Callable[[], Awaitable[None]]) -> Loop:
    """A loop that is cancelled when the process stops: it holds nothing that could be lost."""

    async def loop(stop: asyncio.Event) -> None:
        running = asyncio.ensure_future(run())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    return loop
