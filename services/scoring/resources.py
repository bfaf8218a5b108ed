"""What scores look like over HTTP: what is asked for and answered."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import Annotated, Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, field_validator, model_validator

from schemas.contract import Moment, Tenant
from schemas.malformed import Malformed
from schemas.score import Count, Interval, Score, Verdict, WindowName
from schemas.tally import ALL, Segment, Series
from services.scoring.board import BoardKey
from services.scoring.periods import zone_of

Bucket = Literal["hour", "day", "week", "month", "quarter", "year"]
Zone = Annotated[str, StringConstraints(min_length=1, max_length=64)]

_KEY: Final = TypeAdapter(BoardKey)


def cursor_of(key: BoardKey) -> str:
    """A token for the page that begins after a score."""
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def place_of(cursor: str) -> BoardKey:
    """The score a token stands for.

    Raises:
        Malformed: if it is none of ours.
    """
    try:
        return _KEY.validate_json(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError as error:  # bad base64, bad UTF-8 and what pydantic finds
        raise Malformed.of("cursor", "none that this list gave") from error


class _Asked(BaseModel):
    """Parameters of a request; one that nobody knows is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, populate_by_name=True)


class ScoreFilter(_Asked):
    """Which scores to list."""

    tenant: Tenant | None = None
    segment: Segment | None = Field(default=None, description="for example all or channel=email")
    window: WindowName | None = Field(default=None, description="for example 30d or month.2026-05")
    series: Series | None = None
    limit: int = Field(default=100, ge=1, le=1000)
    cursor: str | None = Field(default=None, max_length=2000, description="`next` of the page before")

    def fits(self, key: BoardKey, series: Series) -> bool:
        """Whether a score is among those that are asked for."""
        asked = (self.tenant, self.segment, self.window, self.series)
        return all(wanted in {None, is_} for wanted, is_ in zip(asked, (*key, series), strict=True))


class ScorePage(BaseModel):
    """Some scores by tenant, segment and window, and where the list goes on."""

    scores: list[Score]
    next: str | None = Field(default=None, description="cursor of the next page; not there on the last one")


class _OfSegment(_Asked):
    tenant: Tenant = "default"
    segment: Segment = ALL
    series: Series = "all"


class SeriesWanted(_OfSegment):
    """Which buckets to tell: all that have a part in [from, to), each whole."""

    start: Moment = Field(alias="from", description="with its offset, for example 2026-05-01T00:00:00Z")
    end: Moment = Field(alias="to", description="exclusive")
    bucket: Bucket = "day"
    timezone: Zone | None = Field(default=None, description="where days and hours begin; the tenant's, if not given")

    @field_validator("timezone")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        if name is not None:
            zone_of(name)
        return name

    @model_validator(mode="after")
    def _forwards(self) -> Self:
        _check_span(self.start, self.end, "to")
        return self

    def zone(self, otherwise: ZoneInfo) -> ZoneInfo:
        """The time zone that is meant."""
        return zone_of(self.timezone) if self.timezone else otherwise


class ComparisonWanted(_OfSegment):
    """Two spans that share no moment: what changed from b to a."""

    a_from: Moment = Field(description="with its offset, for example 2026-05-01T00:00:00Z")
    a_to: Moment = Field(description="exclusive")
    b_from: Moment
    b_to: Moment = Field(description="exclusive")

    @model_validator(mode="after")
    def _apart(self) -> Self:
        _check_span(self.a_from, self.a_to, "a_to")
        _check_span(self.b_from, self.b_to, "b_to")
        if self.a_from < self.b_to and self.b_from < self.a_to:
            raise ValueError("b_from, b_to: overlap with a_from, a_to; an answer must not be compared with itself")
        return self


class Span(BaseModel):
    """Answers of [start, end) and what they are worth. `nps` is unrounded."""

    start: datetime
    end: datetime
    edge_minutes: Count = Field(description="how far start and end may be off: the width of a bucket; 0 if exact")
    n: Count
    promoters: Count
    passives: Count
    detractors: Count
    histogram: list[Count] = Field(min_length=11, max_length=11, description="answers with score 0, 1, ... 10")
    nps: float | None = Field(description="null where n is 0")
    interval: Interval | None = Field(description="null where n is 0")


class History(BaseModel):
    """One segment by bucket; a bucket without answers has n 0 and nps null."""

    tenant: Tenant
    segment: Segment
    series: Series
    bucket: Bucket
    timezone: Zone
    buckets: list[Span]


class Comparison(BaseModel):
    """Span a against span b; `verdict.delta` is a minus b."""

    tenant: Tenant
    segment: Segment
    series: Series
    a: Span
    b: Span
    verdict: Verdict


def _check_span(start: datetime, end: datetime, field: str) -> None:
    if end <= start:
        raise ValueError(f"{field}: must be later than where it begins")
