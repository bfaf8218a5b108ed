"""Generations of tallies that stand, as the tally tells of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from schemas.generation import Generation
from schemas.topics import GENERATIONS
from services.chassis.records import Cause, Outgoing, outgoing

STARTED = datetime(2026, 5, 1, tzinfo=UTC)


def counted(generation: str = "g1", partition: int = 0, **given: Any) -> Generation:  # fields of any type
    """One of two source partitions, counted up to where it ended; tallies were empty, unless said otherwise."""
    fields: dict[str, Any] = {
        "generation": generation,
        "series": "all",
        "partition": partition,
        "partitions": 2,
        "position": 0,
        "started_at": STARTED,
        "ends": {"0": 0, "1": 0},
    }
    return Generation(**fields | given)


def standing(generation: str = "g1", **given: Any) -> list[Outgoing]:  # fields of any type
    """Records that let a generation stand."""
    records = [counted(generation, partition, **given) for partition in range(2)]
    cause = Cause("scoring", STARTED)
    return [
        outgoing(GENERATIONS, record, f"{generation}/{record.series}/{record.partition}", cause) for record in records
    ]
