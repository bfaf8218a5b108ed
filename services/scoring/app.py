"""Puts scoring together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

from services.chassis.business import Business
from services.chassis.clock import Clock
from services.chassis.frame import Frame, open_frame
from services.chassis.lifecycle import VERSION, Assembly
from services.chassis.metrics import CHASSIS_METRICS, Metrics
from services.chassis.sql_service import wanted_topics
from services.chassis.web import ops_routes
from services.scoring import READS, WRITES, counted
from services.scoring.alerting import Alerting
from services.scoring.asked import Asked
from services.scoring.history import Desk
from services.scoring.metrics import SCORING_METRICS, AnyMetric
from services.scoring.settings import ScoringSection, ScoringSettings
from services.scoring.shelf import Shelf
from services.scoring.store import RocksStore, StoreMemory
from services.scoring.stream import Worker
from services.scoring.tally_progress import TallyProgress
from services.scoring.tallying import Tallying
from services.scoring.web import web
from services.scoring.windowing import Windowing

SLOTS_IN_MEMORY: Final = 400_000
"""Counts of cells kept at hand over all partitions, about 40 MB."""


@asynccontextmanager
async def scoring(settings: ScoringSettings, business: Business, clock: Clock) -> AsyncIterator[Assembly]:
    """Scoring, ready to run."""
    metrics: Metrics[AnyMetric] = Metrics(CHASSIS_METRICS, SCORING_METRICS)
    sections = business.sections("scoring", ScoringSection)
    topics = wanted_topics(READS, WRITES, settings.partitions)
    async with open_frame("scoring", settings, clock, metrics, topics) as frame:
        asked = Asked.by(business, settings)
        tallying = _tallying(frame, settings, asked)
        progress = TallyProgress(frame.kafka, counted.group_of(counted.ANSWERS_GROUP, asked.generation))
        alerting = Alerting(frame, sections, progress, settle=settings.alerts_settle)
        shelf = Shelf(sections.knows)
        windowing = Windowing(frame, shelf, alerting, sections, at_most_every=settings.scores_every)
        worker = Worker(settings, frame, tallying=tallying, windowing=windowing)
        ops = ops_routes(frame.health, metrics, VERSION)
        yield Assembly({"worker": worker.run}, web(Desk(shelf, sections), settings, ops))


def _tallying(frame: Frame, settings: ScoringSettings, asked: Asked) -> list[Tallying]:
    """The tally of answers and, where a tenant wants it, that of people."""
    slots = SLOTS_IN_MEMORY // settings.partitions
    kinds = [counted.answers(asked.generation, asked.rules_of, slots)]
    if asked.people:
        kinds.append(counted.people_of(asked.generation, slots))
    memory = StoreMemory(settings.tally_store_mib)
    return [
        Tallying(frame, kind, partial(_store, settings.state_dir / kind.name / asked.generation, memory))
        for kind in kinds
    ]


def _store(folder: Path, memory: StoreMemory, partition: int) -> RocksStore:
    return RocksStore(folder / str(partition), memory)
