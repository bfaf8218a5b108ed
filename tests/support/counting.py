"""Answers to be counted, the rules to count them by, and how to wait until tallies hold them."""

from __future__ import annotations

from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Final

from schemas.response import Response
from schemas.tally import Tally
from schemas.topics import GENERATIONS, TALLIES
from services.chassis.business import Business
from services.chassis.kafka import Kafka
from services.chassis.records import Raw
from tests.support.answers import NOON, answered
from tests.support.topics import reading

SERVICES: Final = frozenset({"intake", "scoring", "routing", "delivery", "outreach", "monitor"})
LATEST: Final = "{latest: true, combinations: [[country, plan]]}"
COUNTED: Final = 55
"""How many of `some_answers` count."""


def business_with(folder: Path, scoring: str) -> Business:
    """The business file that ships, with a section of scoring's for tenant default."""
    own = folder / "own.yaml"
    own.write_text(f"tenants: {{default: {{scoring: {scoring}}}}}\n")
    return Business.load(Path(str(files("schemas"))) / "nps.yaml", own, SERVICES)


def some_answers() -> list[Response]:
    """Edited, retracted, late and twice, of several segments."""
    first = [
        answered(
            number % 11,
            response_id=f"r-{number}",
            segments={"country": "FI" if number % 3 else "SE", "plan": "pro"},
            answered_at=NOON - timedelta(days=number % 12, minutes=number),
            subject=f"{number % 7:032x}",
        )
        for number in range(60)
    ]
    edits = [one.model_copy(update={"revision": 3, "score": 10, "digest": "e" * 32}) for one in first[:9]]
    late = [one.model_copy(update={"revision": 2, "score": 0, "digest": "f" * 32}) for one in first[:9]]
    gone = [one.model_copy(update={"revision": 2, "op": "retracted", "digest": "d" * 32}) for one in first[20:25]]
    return first + edits + late + gone + first[30:40]


async def counted_by(kafka: Kafka, number: int, generation: str = "g1") -> list[Tally]:
    """The tallies once they hold so many answers of segment all."""

    def newest(tallies: list[Tally]) -> dict[tuple[object, ...], Tally]:
        mine = [t for t in tallies if (t.generation, t.segment, t.series) == (generation, "all", "all")]
        return {(t.day, t.partition): t for t in mine}

    def total(tallies: list[Tally]) -> int:
        return sum(n for t in newest(tallies).values() for scores in t.counts.values() for n in scores.values())

    async with reading(kafka, TALLIES.name) as reader:
        raws = await reader.until(
            lambda raws: total([TALLIES.decode(raw.headers, raw.value) for raw in raws if raw.value]) == number
        )
    return list(newest([TALLIES.decode(raw.headers, raw.value) for raw in raws if raw.value]).values())


async def announced_at(kafka: Kafka, generation: str, started_at: datetime, partitions: int = 2) -> None:
    """Returns once workers that started then have counted and published everything of a generation."""

    def told(raws: list[Raw]) -> set[int]:
        said = [GENERATIONS.decode(raw.headers, raw.value) for raw in raws if raw.value]
        mine = (generation, "all", started_at)
        return {one.partition for one in said if (one.generation, one.series, one.started_at) == mine}

    async with reading(kafka, GENERATIONS.name) as reader:
        await reader.until(lambda raws: len(told(raws)) == partitions)
