"""Exact counts of answers: one cell is one segment, one UTC day and one source partition."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from schemas.contract import Contract, Tenant

Segment = Annotated[str, StringConstraints(min_length=1, max_length=500)]
"""`all`, `key=value` such as `channel=email`, or a combination such as `country=FI,plan=pro`.

In a combination a comma or per cent sign of a value is written `%2C` or `%25`.
"""

ALL: Final = "all"
"""The segment every answer belongs to."""

Series = Literal["all", "latest"]
"""all counts every answer, latest each subject's newest alone."""


class Tally(Contract):
    """The whole content of one cell, never a difference: the last record of a key wins."""

    generation: str = Field(description="which rules made it; generations are never mixed")
    tenant: Tenant
    segment: Segment
    series: Series
    day: date = Field(description="UTC day of answered_at")
    partition: int = Field(ge=0, description="partition of nps.responses that these answers came from")
    offset: int = Field(ge=0, description="offset there after which this was true")
    resolution: int = Field(description="minutes a bucket: 5, or 15 for days older than eight")
    counts: dict[str, dict[str, int]] = Field(
        description='answers by bucket of the day and score, for example {"143": {"9": 2}}; zeros are left out'
    )
