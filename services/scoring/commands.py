"""What the `nps` command does of scoring's: what generations there are, and whether the counts are right."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from services.chassis.business import Business
from services.chassis.clock import Clock
from services.chassis.failures import Refused
from services.chassis.kafka import Kafka
from services.scoring.asked import Asked
from services.scoring.generations import announced
from services.scoring.settings import ScoringSettings
from services.scoring.standing_generations import Generations, newest
from services.scoring.verifying import Tell, Verification, Verified, Wanted


@dataclass(frozen=True, slots=True)
class Sample:
    """Which segments to look at: these, or so many by chance; of one tenant or of any."""

    segments: Collection[str]
    number: int
    tenant: str | None


async def verify(settings: ScoringSettings, business: Business, clock: Clock, sample: Sample, tell: Tell) -> Verified:
    """Recounts a sample of segments from the topic and compares them with what is shown.

    Raises:
        Refused: if what is shown is not what the business file asks for, or nobody counts.
        Halt: if the topic does not hold every answer from the first on.
        Transient: if Kafka does not answer.
    """
    del clock  # what is recounted has its own times
    kafka, asked = Kafka(settings), Asked.by(business)
    said = Generations()
    for record in await announced(kafka):
        said.put(record)
    shown = newest(list(said.whole("all")))
    if shown is None or shown.name != asked.generation:
        raise Refused(
            f"{shown.name if shown else 'nothing'} is shown, and the business file asks for {asked.generation}: "
            "wait until that has been counted to the end"
        )
    latest = asked.people and any(whole.name == asked.generation for whole in said.whole("latest"))
    wanted = Wanted(
        asked.generation, latest=latest, segments=sample.segments, tenant=sample.tenant, sample=sample.number
    )
    return await Verification(kafka, asked.rules_of, wanted, tell).run()
