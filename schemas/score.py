"""A score with what it is worth: counts, interval, verdict against the window before, and how many are missing."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from schemas.contract import Contract, Moment, ShortText, Tenant
from schemas.tally import Segment, Series

WindowName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-zA-Z0-9_.-]{0,62}$")]
"""What people call a window, or a period; these have capitals where ISO 8601 has them."""

Count = Annotated[int, Field(ge=0)]


class Window(Contract):
    """The span of time a score is about, by event time. `all_time` has no start.

    A calendar window is named after its period (`month.2026-05`, `week.2026-W21`). One that counts each subject's
    latest answer alone has `.latest` after its name.
    """

    name: WindowName
    kind: Literal["rolling", "calendar", "all_time"]
    start: Moment | None = Field(default=None, description="inclusive")
    end: Moment = Field(description="exclusive; of a rolling window the moment of as_of")
    edge_minutes: int = Field(description="how far the start may be off: the width of a bucket; 0 if exact")
    state: Literal["open", "final", "restated"] = Field(
        default="open", description="final once its period is over; restated where late answers changed what was final"
    )


class Interval(Contract):
    """Where the true score lies with the given confidence."""

    low: float
    high: float
    level: float = Field(description="confidence, for example 0.95")
    method: Literal["adjusted_wald"] = "adjusted_wald"


class Verdict(Contract):
    """This window against the one before it that does not overlap with it."""

    direction: Literal["up", "down", "no_evidence"]
    delta: float | None = Field(default=None, description="points; none where one of the windows is empty")
    z: float | None = None
    p: float | None = Field(default=None, description="two-sided")
    detectable: float | None = Field(
        default=None, description="points that these two windows would show with a probability of 0.8 if it were there"
    )


class Target(Contract):
    """What a business aims at, with the source of the figure."""

    value: float
    source: ShortText
    date: date
    probability: float | None = Field(
        default=None, ge=0, le=1, description="that the true score has reached the value; none where n is 0"
    )


class Benchmark(Contract):
    """What others reach, as somebody published it: to look at, never to alarm on. Sources disagree widely."""

    low: float
    high: float = Field(description="the same as low where the source gives one figure")
    source: ShortText
    date: date
    note: ShortText | None = None


class Score(Contract):
    """NPS of one tenant, segment and window. `nps` is unrounded: round in the view."""

    tenant: Tenant
    segment: Segment
    series: Series = "all"
    window: Window
    as_of: Moment
    n: Count
    promoters: Count
    passives: Count
    detractors: Count
    histogram: list[Count] = Field(min_length=11, max_length=11, description="answers with score 0, 1, ... 10")
    nps: float | None = Field(default=None, ge=-100, le=100, description="none where n is 0")
    interval: Interval | None = Field(default=None, description="none where n is 0")
    verdict: Verdict | None = Field(default=None, description="none for all_time")
    enough: bool = Field(description="whether the interval is as narrow as the tenant asks for")
    needed: Count = Field(description="answers still missing until it is")
    target: Target | None = None
    distance: float | None = Field(default=None, description="nps minus target, in points")
    sample: Literal["insufficient", "indicative", "sound"] | None = Field(
        default=None, description="insufficient below 10 answers, indicative below 50"
    )
    benchmarks: list[Benchmark] = Field(default_factory=list)

    def to_json(self) -> bytes:
        """As it is written to a topic: null is said, since a window without answers has no score, not 0."""
        return self.model_dump_json().encode()
