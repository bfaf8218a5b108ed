"""What would become of a file: everything is read and checked, and nothing goes in or is written.

How many segments there would be is not looked at: which of them are told apart, the database alone knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from schemas.malformed import Malformed
from schemas.response import Response
from services.chassis.business import Sections
from services.intake.domain import Arrival, check
from services.intake.door import Prepared
from services.intake.settings import IntakeSection
from services.intake.sql_imports import Reached


@dataclass(frozen=True, slots=True)
class Looking:
    """An entrance through which nothing goes."""

    sections: Sections[IntakeSection]

    async def prepare(self, arrivals: Sequence[Arrival], now: datetime) -> Prepared:
        """Whether each would be let in."""
        del now
        return Prepared([self._looked_at(arrival) for arrival in arrivals], [])

    async def let_in(self, prepared: Prepared) -> None:
        """Nothing goes in."""

    def _looked_at(self, arrival: Arrival) -> Response | Malformed:
        try:
            self.sections.of(arrival.tenant)
            check(arrival)
        except Malformed as error:
            return error
        return cast("Response", arrival)  # nobody looks into what nothing is made of


class NoPlaces:
    """Remembers nothing: what only looks begins at the beginning."""

    async def reached(self, what: str) -> Reached:
        """The beginning."""
        del what
        return Reached()

    async def note(self, what: str, place: Reached, now: datetime) -> None:
        """Nothing to note."""

    async def finish(self, what: str) -> None:
        """Nothing to forget."""
