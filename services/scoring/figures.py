"""Figures from outside that a score is held against: targets of the business, and benchmarks that others published.

Each names its source and date: figures for one trade lie up to forty points apart, and age.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Self

from pydantic import Field, model_validator

from services.chassis.business import Section

Figure = Annotated[float, Field(ge=-100, le=100)]


class TargetSection(Section):
    """What a business aims at in one segment, and where the figure comes from."""

    value: Figure = Field(description="NPS to reach")
    source: str = Field(min_length=1, max_length=200, description="who says so")
    date: dt.date = Field(description="as of when")


class BenchmarkSection(Section):
    """What others reach: one value, or a range from low to high. It is shown beside the score and never alarmed on."""

    value: Figure | None = Field(default=None, description="NPS, where the source gives one figure")
    low: Figure | None = Field(default=None, description="lower end, where it gives a range")
    high: Figure | None = Field(default=None, description="upper end")
    source: str = Field(min_length=1, max_length=200, description="who published it")
    date: dt.date = Field(description="as of when")
    note: str | None = Field(default=None, min_length=1, max_length=200, description="what to know about it")

    @model_validator(mode="after")
    def _one_figure_or_a_range(self) -> Self:
        ends = (self.low, self.high)
        if (self.value is None) == (ends == (None, None)) or (None in ends and ends != (None, None)):
            raise ValueError("needs either value, or both low and high")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError("low: must not lie above high")
        return self

    @property
    def bounds(self) -> tuple[float, float]:
        """Its lower and upper end; the same where the source gives one figure."""
        if self.low is not None and self.high is not None:
            return self.low, self.high
        assert self.value is not None, "checked when it was read"
        return self.value, self.value
