"""Which alerts a business wants, and what each takes for evidence. The defaults are those of the simulation in docs.

How often a rule looks is part of what it costs: each look is another chance to be wrong.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, model_validator

from schemas.tally import ALL, Segment
from services.chassis.business import Section

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)


def _whole_hours(span: timedelta) -> timedelta:
    if span % HOUR:
        raise ValueError("must be a whole number of hours")
    return span


def _divides_a_day(span: timedelta) -> timedelta:
    if DAY % span:
        raise ValueError("must divide a day: 1, 2, 3, 4, 6, 8, 12 or 24 hours")
    return span


Length = Annotated[timedelta, Field(ge=HOUR, le=366 * DAY), AfterValidator(_whole_hours)]
Rhythm = Annotated[timedelta, Field(ge=HOUR, le=DAY), AfterValidator(_whole_hours), AfterValidator(_divides_a_day)]
Probability = Annotated[float, Field(gt=0, lt=0.5)]
LeastAnswers = Annotated[int, Field(ge=10, le=1_000_000)]


class MovedRule(Section):
    """The score of the last day against that of the weeks before it."""

    every: Rhythm = Field(default=12 * HOUR, description="how often it looks, counted from midnight UTC")
    window: Length = Field(default=DAY, description="what is compared")
    baseline: Length = Field(default=28 * DAY, description="what it is compared with: the span right before")
    p: Probability = Field(default=0.002, description="two-sided p below which a difference is evidence")
    settled_p: Probability = Field(default=0.05, description="p from which on an alert is resolved")
    effect: float = Field(default=5, gt=0, le=100, description="points below which a difference is of no interest")
    least: LeastAnswers = Field(default=50, description="answers that each side needs")

    @model_validator(mode="after")
    def _settles_later_than_it_opens(self) -> Self:
        if self.settled_p < self.p:
            raise ValueError("settled_p: must not be smaller than p")
        return self


class TargetRule(Section):
    """The score crossing the segment's target."""

    every: Rhythm = Field(default=12 * HOUR, description="how often it looks, counted from midnight UTC")
    window: Length = Field(default=28 * DAY, description="the span whose score is held against the target")
    doubt: Probability = Field(default=0.01, description="probability of the contrary that is still accepted")
    least: LeastAnswers = Field(default=50, description="answers that the span needs")


class SilentRule(Section):
    """Answers that stay away, held against the same hours of the four weeks before."""

    every: Rhythm = Field(default=HOUR, description="how often it looks, counted from midnight UTC")
    window: Length = Field(default=12 * HOUR, le=7 * DAY, description="how long answers stay away")
    share: float = Field(default=0.1, gt=0, lt=0.5, description="share of the usual number that counts as silence")
    p: Probability = Field(default=0.0001, description="probability of so few by chance below which it is evidence")


class BandRule(Section):
    """The share of promoters, passives or detractors outside the control limits of the weeks before."""

    every: Rhythm = Field(default=12 * HOUR, description="how often it looks, counted from midnight UTC")
    window: Length = Field(default=DAY, description="the span whose shares are looked at")
    baseline: Length = Field(
        default=28 * DAY, description="the spans before it, of the same length, that set the limits"
    )
    sigmas: float = Field(default=4, ge=2, le=10, description="how far from the centre the limits lie")
    least: LeastAnswers = Field(default=50, description="answers that the span needs")

    @model_validator(mode="after")
    def _baseline_has_enough_spans(self) -> Self:
        if self.baseline < 7 * self.window:
            raise ValueError("baseline: must hold at least seven times the window")
        return self


class AlertsSection(Section):
    """The alerts of a tenant. A rule that is null is not looked at."""

    segments: tuple[Segment, ...] = Field(
        default=(), max_length=100, description=f"segments that are watched besides {ALL}, for example country=FI"
    )
    cool_off: timedelta = Field(
        default=DAY, ge=timedelta(0), le=31 * DAY, description="how long after it was resolved an alert may not reopen"
    )
    moved: MovedRule | None = Field(default_factory=MovedRule, description="the score fell or rose")
    target: TargetRule | None = Field(default_factory=TargetRule, description="the target was missed or reached")
    silent: SilentRule | None = Field(default_factory=SilentRule, description="answers stay away")
    band: BandRule | None = Field(default_factory=BandRule, description="a share is out of its limits")

    @property
    def watched(self) -> tuple[str, ...]:
        """Every segment that is looked at."""
        return tuple(dict.fromkeys((ALL, *self.segments)))
