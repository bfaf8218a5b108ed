"""Which generations there are: what has been announced, beside what the business file asks for. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from schemas.generation import Generation
from schemas.tally import Series
from services.scoring.standing_generations import Generations, newest


@dataclass(frozen=True, slots=True)
class Listed:
    """One series of a generation.

    It stands once `announced` source partitions are all of `partitions`. `since` is when the slowest of its workers
    started, `counted` how many records of its source it had counted when it was announced.
    """

    generation: str
    series: Series
    announced: int
    partitions: int
    counted: int
    since: datetime | None
    shown: bool
    asked: bool


def shown(said: Sequence[Generation], series: Series) -> str | None:
    """The generation that readers show once they have read all that there is."""
    generations = Generations()
    for record in said:
        generations.put(record)
    found = newest(list(generations.whole(series)))
    return found.name if found else None


def listed(said: Sequence[Generation], asked: Sequence[tuple[str, Series]]) -> list[Listed]:
    """All of them, those that are asked for and have not been announced included."""
    names = {(one.generation, one.series) for one in said} | set(asked)
    return [_listed(name, said, is_asked=name in asked) for name in sorted(names)]


def _listed(name: tuple[str, Series], said: Sequence[Generation], *, is_asked: bool) -> Listed:
    mine = [one for one in said if (one.generation, one.series) == name]
    return Listed(
        generation=name[0],
        series=name[1],
        announced=len(mine),
        partitions=max((one.partitions for one in mine), default=0),
        counted=sum(one.position for one in mine),
        since=min((one.started_at for one in mine), default=None),
        shown=shown(said, name[1]) == name[0],
        asked=is_asked,
    )
