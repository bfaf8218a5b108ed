"""Puts scoring together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

from rocksdict import Cache
from starlette.applications import Starlette

from services.chassis.business import Business
from services.chassis.clock import Clock
from services.chassis.frame import open_frame
from services.chassis.lifecycle import VERSION, Assembly
from services.chassis.metrics import CHASSIS_METRICS, Metrics
from services.chassis.sql_service import wanted_topics
from services.chassis.web import ON_ERROR, ops_routes
from services.scoring import READS, WRITES
from services.scoring.metrics import SCORING_METRICS, AnyMetric
from services.scoring.settings import ScoringSection, ScoringSettings
from services.scoring.store import RocksStore
from services.scoring.stream import Worker
from services.scoring.tallying import GENERATION, Tallying
from services.scoring.windowing import Windowing

MIB: Final = 1024 * 1024


@asynccontextmanager
async def scoring(settings: ScoringSettings, business: Business, clock: Clock) -> AsyncIterator[Assembly]:
    """Scoring, ready to run."""
    metrics: Metrics[AnyMetric] = Metrics(CHASSIS_METRICS, SCORING_METRICS)
    sections = business.sections("scoring", ScoringSection)
    topics = wanted_topics(READS, WRITES, settings.partitions)
    async with open_frame("scoring", settings, clock, metrics, topics) as frame:
        cache = Cache(settings.tally_cache_mib * MIB)
        open_store = partial(_store, settings.state_dir / "tally" / GENERATION, cache)
        tallying = Tallying(frame, open_store)
        windowing = Windowing(frame, sections, at_most_every=settings.scores_every)
        worker = Worker(settings, frame, tallying=tallying, windowing=windowing)
        web = Starlette(routes=ops_routes(frame.health, metrics, VERSION), exception_handlers=ON_ERROR)
        yield Assembly({"worker": worker.run}, web)


def _store(folder: Path, cache: Cache, partition: int) -> RocksStore:
    return RocksStore(folder / str(partition), cache)
