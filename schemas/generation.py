"""How far a generation of tallies stands: rules that changed are counted beside the old ones until all of it does."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from schemas.contract import Contract, Moment
from schemas.tally import Series

GenerationName = Annotated[str, StringConstraints(pattern=r"^g[0-9]+(-[0-9a-f]{8})?$")]
"""The number of the fold's rules and, where a tenant has rules of its own, a digest of these."""


class Generation(Contract):
    """One source partition has been counted up to where it ended, and all of it is published.

    A generation stands in a partition of `nps.tallies` once there is a record of every source partition and the reader
    has passed the end that each of them names. Of several that stand, the one whose workers started last is shown.
    """

    generation: GenerationName
    series: Series
    partition: int = Field(ge=0, description="partition of the source")
    partitions: int = Field(ge=1, description="how many the source has")
    position: int = Field(ge=0, description="offset in the source up to which it is counted")
    started_at: Moment = Field(description="when the worker that counts it started")
    ends: dict[str, int] = Field(description="end of each partition of nps.tallies when all of it was published")
