"""Reads records of `nps.tallies` quickly: there are many, and each is large. What fits here fits the contract."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final, Literal

import msgspec

from schemas.malformed import Malformed
from schemas.tally import Series
from services.scoring.windows import COARSE_MINUTES, FINE_MINUTES, MINUTES_A_DAY, SCORES, CellContent

Natural = Annotated[int, msgspec.Meta(ge=0)]
_Bucket = Annotated[int, msgspec.Meta(ge=0, lt=MINUTES_A_DAY // FINE_MINUTES)]
_Score = Annotated[int, msgspec.Meta(ge=0, lt=SCORES)]
_Count = Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)]


class Cell(msgspec.Struct, gc=False):
    """One cell as its source partition states it."""

    generation: str
    tenant: str
    segment: str
    series: Series
    day: date
    partition: Natural
    offset: Natural
    resolution: Literal[5, 15]
    counts: dict[_Bucket, dict[_Score, _Count]]

    def content(self) -> CellContent:
        """What it holds."""
        return CellContent(self.resolution, self.counts)


_decoder: Final = msgspec.json.Decoder(Cell)


def decode(value: bytes) -> Cell:
    """A cell from the value of a record.

    Raises:
        Malformed: if it is none.
    """
    try:
        cell = _decoder.decode(value)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Malformed.of("body", f"no tally: {error}") from error
    if cell.resolution == COARSE_MINUTES and max(cell.counts, default=0) >= MINUTES_A_DAY // COARSE_MINUTES:
        raise Malformed.of("counts", "has a bucket that no day has")
    return cell
