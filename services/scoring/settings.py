"""What scoring needs to know: addresses from the environment, and its section of the business file."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Final, Self
from zoneinfo import ZoneInfo

from pydantic import Field, StringConstraints, field_validator, model_validator

from schemas.contract import SegmentKey
from services.chassis.business import Section
from services.chassis.settings import ServiceSettings
from services.scoring.alert_settings import AlertsSection
from services.scoring.figures import BenchmarkSection, TargetSection
from services.scoring.measuring import LATEST_SUFFIX
from services.scoring.periods import KINDS, SEPARATOR, Kind, zone_of
from services.scoring.segments import Rules
from services.scoring.windows import ALL_TIME, RollingWindow

WindowName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,55}$")]
"""What a rolling window may be called: the name of a window has 63 characters, and may get an ending from us."""

SHORTEST: Final = dt.timedelta(hours=1)
LONGEST: Final = dt.timedelta(days=731)

_CALENDAR_NAMES: Final = tuple(kind + SEPARATOR for kind in KINDS)


class ScoringSettings(ServiceSettings):
    """Scoring's environment."""

    http_port: int = Field(default=8085, ge=0, le=65535, description="port to listen on; 0 takes any")
    scores_every: dt.timedelta = Field(
        default=dt.timedelta(seconds=1), description="the same score is published at most once in this time"
    )
    alerts_settle: dt.timedelta = Field(
        default=dt.timedelta(seconds=5),
        ge=dt.timedelta(0),
        description="how long counts are given to come through, once all answers are read, before alerts are judged",
    )
    tally_store_mib: int = Field(
        default=64,
        ge=16,
        le=16_384,
        description="memory of the tally's store: blocks, filters and what waits to be written",
    )


def _brief() -> dict[str, dt.timedelta]:
    return {
        "24h": dt.timedelta(hours=24),
        "7d": dt.timedelta(days=7),
        "30d": dt.timedelta(days=30),
        "90d": dt.timedelta(days=90),
    }


class ScoringSection(Section):
    """Scoring's part of a tenant in the business file."""

    windows: dict[WindowName, dt.timedelta] = Field(
        default_factory=_brief, description="rolling windows by name, one hour to two years; all time is always there"
    )
    calendar: tuple[Kind, ...] = Field(
        default=("month", "quarter", "year"),
        description="calendar windows there are: day, week (ISO), month, quarter, year",
    )
    timezone: str = Field(
        default="UTC", description="where days begin for calendar windows, for example Europe/Helsinki"
    )
    level: float = Field(default=0.95, ge=0.5, le=0.999, description="confidence of intervals and verdicts")
    margin: float = Field(default=10, gt=0, le=100, description="points either way that make a score precise enough")
    combinations: list[Annotated[tuple[SegmentKey, ...], Field(min_length=2, max_length=3)]] = Field(
        default_factory=list, max_length=20, description="keys that are counted together as well, e.g. [country, plan]"
    )
    latest: bool = Field(
        default=False, description="whether each person's latest answer alone is counted as well, as a second series"
    )
    targets: dict[str, TargetSection] = Field(default_factory=dict, description="by segment, for example all")
    benchmarks: dict[str, tuple[BenchmarkSection, ...]] = Field(
        default_factory=dict, description="by segment: what others reach, shown beside the score"
    )
    alerts: AlertsSection | None = Field(
        default_factory=AlertsSection, description="what is watched, and what is taken for evidence; null for none"
    )

    @field_validator("calendar")
    @classmethod
    def _each_once(cls, kinds: tuple[Kind, ...]) -> tuple[Kind, ...]:
        if len(set(kinds)) < len(kinds):
            raise ValueError("names a kind twice")
        return kinds

    @field_validator("timezone")
    @classmethod
    def _known(cls, name: str) -> str:
        return zone_of(name).key

    @model_validator(mode="after")
    def _sound(self) -> Self:
        for keys in self.combinations:
            if len(set(keys)) < len(keys):
                raise ValueError(f"combinations: {' and '.join(keys)} names a key twice")
        for name, length in self.windows.items():
            if name == ALL_TIME:
                raise ValueError(f"windows.{name}: is always there and needs no length")
            if name.endswith(LATEST_SUFFIX) or name.startswith(_CALENDAR_NAMES):
                raise ValueError(
                    f"windows.{name}: a window that is made from others, or from the calendar, is called so"
                )
            if not SHORTEST <= length <= LONGEST:
                raise ValueError(f"windows.{name}: must be between one hour and two years")
        return self

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of calendar windows."""
        return zone_of(self.timezone)

    def rules(self) -> Rules:
        """Which segments there are; a change is a new generation of the tally."""
        return Rules(tuple(self.combinations), self.latest)

    def rolling(self) -> tuple[RollingWindow, ...]:
        """Every window that moves with the clock, all time last."""
        return (*(RollingWindow(name, length) for name, length in self.windows.items()), RollingWindow(ALL_TIME, None))
