"""What the `nps` command does of scoring's: generations listed and ended, counts verified, saved and brought back."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from services.chassis.business import Business
from services.chassis.clock import Clock
from services.chassis.failures import Refused
from services.chassis.kafka import Kafka
from services.scoring import counted, snapshots
from services.scoring.asked import Asked
from services.scoring.generation_list import Listed, listed, shown
from services.scoring.generations import announced
from services.scoring.pruning import Pruning, wait_for_workers, written
from services.scoring.settings import ScoringSettings
from services.scoring.snapshots import Folders, Snapshot
from services.scoring.verifying import Tell, Verification, Verified, Wanted


@dataclass(frozen=True, slots=True)
class Sample:
    """Which segments to look at: these, or so many by chance; of one tenant or of any."""

    segments: Collection[str]
    number: int
    tenant: str | None


async def generations(settings: ScoringSettings, business: Business, clock: Clock) -> list[Listed]:
    """What has been announced, and what the business file asks for, announced or not.

    Raises:
        Transient: if Kafka does not answer.
    """
    del clock  # generations have their own times
    asked = Asked.by(business, settings)
    wanted = [(asked.generation, series) for series in asked.series]
    return listed(await announced(Kafka(settings)), wanted)


async def prunable(settings: ScoringSettings, business: Business, clock: Clock, generation: str | None) -> list[str]:
    """The generations that may be ended: this one, or all that are neither shown nor asked for.

    Raises:
        Refused: if this one may not be, or none is shown yet.
        Transient: if Kafka does not answer.
    """
    del clock
    kafka, asked = Kafka(settings), Asked.by(business, settings)
    said = await announced(kafka)
    in_use: dict[str | None, str] = {asked.generation: "is what the business file asks for"}
    for series in asked.series:
        in_use[shown(said, series)] = "is shown"
    if shown(said, "all") is None:
        raise Refused("no generation is shown yet: until one is, none is ended")
    if generation in in_use:
        raise Refused(f"{generation} {in_use[generation]}: it is not ended")
    there = await written(kafka)
    if generation is not None and generation not in there:
        raise Refused(f"nothing stands of a generation {generation}")
    return sorted((there if generation is None else {generation}) - in_use.keys())


async def prune(settings: ScoringSettings, business: Business, clock: Clock, generation: str, tell: Tell) -> int:
    """Ends a generation; returns how many records were tombstoned.

    Raises:
        Refused: if it may not be ended, or a worker counts it.
        Transient: if Kafka fails; doing it again puts it right.
    """
    await prunable(settings, business, clock, generation)
    kafka = Kafka(settings)
    await wait_for_workers(kafka, generation)
    return await Pruning(kafka, generation, tell).run()


async def snapshot(settings: ScoringSettings, business: Business, clock: Clock, to: Path) -> Snapshot:
    """Saves what this replica has counted by the rules of the business file, while it stands still.

    Raises:
        Refused: if there is nothing, it counts, or the folder is taken.
        Halt: if something cannot be read or written.
    """
    del clock  # a snapshot is as old as its offsets
    return snapshots.save(_folders(settings, business), to)


async def restore(settings: ScoringSettings, business: Business, clock: Clock, source: Path) -> Snapshot:
    """Puts a snapshot in place of what this replica has counted.

    Raises:
        Refused: if it is none, of another generation or a later format, or this replica counts.
    """
    del clock
    return snapshots.bring_back(_folders(settings, business), source)


def _folders(settings: ScoringSettings, business: Business) -> Folders:
    return Folders(settings.state_dir, counted.NAMES, Asked.by(business, settings).generation)


async def verify(settings: ScoringSettings, business: Business, clock: Clock, sample: Sample, tell: Tell) -> Verified:
    """Recounts a sample of segments from the topic and compares them with what is shown.

    Raises:
        Refused: if what is shown is not what the business file asks for, or nobody counts.
        Halt: if the topic does not hold every answer from the first on.
        Transient: if Kafka does not answer.
    """
    del clock  # what is recounted has its own times
    kafka, asked = Kafka(settings), Asked.by(business, settings)
    said = await announced(kafka)
    if shown(said, "all") != asked.generation:
        raise Refused(
            f"{shown(said, 'all') or 'nothing'} is shown, and the business file asks for {asked.generation}: "
            "wait until that has been counted to the end"
        )
    latest = shown(said, "latest") == asked.generation
    wanted = Wanted(
        asked.generation, latest=latest, segments=sample.segments, tenant=sample.tenant, sample=sample.number
    )
    return await Verification(kafka, asked.rules_of, wanted, tell).run()
