"""A business's contact policy: whom it may contact how often, when, on what grounds, and for how much."""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from typing import Annotated, Final, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, field_validator, model_validator

from schemas.contract import Channel, Name
from services.chassis.business import Section

ContactKind = Literal["mail", "task", "survey"]
"""What reaches a person: a mail, somebody who talks to them, or another question."""

Ground = Literal["consent", "existing_customer", "none"]
"""consent: only whoever has agreed. existing_customer: whoever has not opted out (for advertising by mail: Directive
2002/58/EC, article 13(2)). none: on no stated ground."""

Period = Literal["day", "week", "month"]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]

WEEKDAYS: Final[tuple[Weekday, ...]] = (
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
)


MINUTE: Final = timedelta(minutes=1)


@cache
def _zones() -> frozenset[str]:
    """Every name there is: it takes ten milliseconds to find out."""
    return frozenset(available_timezones())


def _zone(name: str) -> str:
    if name not in _zones():
        raise ValueError(f"{name} is no time zone of the IANA database")
    return name


Zone = Annotated[str, AfterValidator(_zone)]


class QuietHours(Section):
    """When nobody is written to, by their own clock; from `begins` to `ends`, over midnight if need be."""

    begins: time = Field(default=time(20), description="no mail from this time of the day on")
    ends: time = Field(default=time(8), description="until this time")
    days: frozenset[Weekday] = Field(default=frozenset(), description="days on which nobody is written to at all")

    @field_validator("begins", "ends")
    @classmethod
    def _of_no_zone(cls, clock: time) -> time:
        if clock.tzinfo is not None:
            raise ValueError("leave out the offset: it is by everybody's own clock")
        return clock

    @model_validator(mode="after")
    def _leaves_room(self) -> Self:
        if len(self.days) == len(WEEKDAYS):
            raise ValueError("days: all seven are quiet, so nobody could ever be written to")
        return self

    def covers(self, local: datetime) -> bool:
        """Whether a moment by somebody's own clock is quiet."""
        clock = local.time()
        if WEEKDAYS[local.weekday()] in self.days:
            return True
        if self.begins <= self.ends:
            return self.begins <= clock < self.ends
        return clock >= self.begins or clock < self.ends


class Cap(Section):
    """At most so many contacts of a kind within a span that moves with the clock."""

    kind: ContactKind | Literal["any"]
    per: Literal["person", "account"] = "person"
    at_most: int = Field(ge=1, le=1000)
    within: timedelta = Field(gt=timedelta(0), le=timedelta(days=366))


class Budget(Section):
    """At most so many contacts of a kind in a day, week or month of the business's own time zone."""

    name: Name
    action: Literal["perk", "offer", "outreach", "survey_request"]
    channel: Channel | None = Field(default=None, description="only answers that came by this channel; all if left out")
    at_most: int = Field(ge=0, le=10_000_000)
    per: Period = "month"


class HoldOut(Section):
    """A share of people who get nothing, so that what the others get can be measured against them."""

    share: float = Field(default=0.0, ge=0, le=0.5)
    name: Name = Field(default="hold-out", description="another name draws other people")
    actions: frozenset[Literal["perk", "offer", "outreach", "survey_request"]] = frozenset({"perk", "offer"})
    include_detractors: bool = Field(default=False, description="unhappy customers are held out only if this says so")


class Grounds(Section):
    """On what ground each kind of contact rests."""

    perk: Ground = "existing_customer"
    offer: Ground = "none"
    survey_request: Ground = "existing_customer"


class ContactPolicy(Section):
    """What holds whatever the rules say."""

    timezone: Zone = Field(default="UTC", description="of the business, and of whoever's own is not known")
    quiet_hours: QuietHours | None = Field(default_factory=QuietHours, description="null: none")
    caps: tuple[Cap, ...] = (
        Cap(kind="mail", at_most=1, within=timedelta(days=7)),
        Cap(kind="task", at_most=1, within=timedelta(days=7)),
        Cap(kind="survey", at_most=1, within=timedelta(days=30)),
    )
    budgets: tuple[Budget, ...] = ()
    hold_out: HoldOut = Field(default_factory=HoldOut)
    grounds: Grounds = Field(default_factory=Grounds)
    left_when: str | None = Field(
        default=None, description="condition (CEL) that says that a person is no customer any more"
    )

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        names = [budget.name for budget in self.budgets]
        doubled = next((name for name in names if names.count(name) > 1), None)
        if doubled:
            raise ValueError(f"budgets: two are named {doubled}")
        return self

    @property
    def longest_span(self) -> timedelta:
        """How far back contacts matter to caps."""
        return max((cap.within for cap in self.caps), default=timedelta(0))

    def quiet_until(self, zone: str | None, now: datetime) -> datetime | None:
        """When the quiet time a person is in ends; none if it is none. An unknown zone is the business's."""
        quiet = self.quiet_hours
        if quiet is None:
            return None
        tz = ZoneInfo(zone if zone in _zones() else self.timezone)
        at = now.astimezone(tz)
        if not quiet.covers(at):
            return None
        for days in range(len(WEEKDAYS) + 1):
            for candidate in _turns(at.date() + timedelta(days=days), quiet.ends, tz):
                if candidate > now and not quiet.covers(candidate.astimezone(tz)):
                    return candidate
        raise AssertionError("one of eight days has a time that is not quiet")


@lru_cache(maxsize=10_000)
def _turns(day: date, ends: time, tz: ZoneInfo) -> tuple[datetime, ...]:
    """The moments of a day at which quiet time may end: midnight and `ends`, also if they come twice; a changed clock.

    A clock that leaps over `ends` has it end with the leap, and one that is put back may be put to before it began.
    """
    first, last = _at(day, time(0), tz), _at(day + timedelta(days=1), time(0), tz)
    shown = [_at(day, clock, tz) for once in (time(0), ends) for clock in (once, once.replace(fold=1))]
    before = first.astimezone(tz).utcoffset()
    if last.astimezone(tz).utcoffset() != before:
        minutes = range((last - first) // MINUTE)
        put = bisect_left(minutes, 1, key=lambda n: (first + n * MINUTE).astimezone(tz).utcoffset() != before)
        shown.append(first + put * MINUTE)
    return tuple(sorted(shown))


def _at(day: date, clock: time, tz: ZoneInfo) -> datetime:
    """The first moment at which a clock shows this time, with fold=1 the second; another where it leaps over it."""
    wall = datetime.combine(day, clock, tz)
    return wall.astimezone(UTC)


def period_start(period: Period, zone: str, now: datetime) -> datetime:
    """When the day, week (from Monday) or month began in a time zone."""
    tz = ZoneInfo(zone)
    today = now.astimezone(tz).date()
    if period == "week":
        today -= timedelta(days=today.weekday())
    elif period == "month":
        today = today.replace(day=1)
    return _at(today, time(0), tz)
