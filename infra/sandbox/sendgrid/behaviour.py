"""What the sandbox does beside taking mail: faults on request, a quota, and what happens to a mail afterwards.

Set for all requests over the control API, or for one mail by the local part of its recipient, as in
`bounce@example.org` or `503-once+anna@example.org`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

Fault = Literal[
    "400", "401", "429", "500", "503", "malformed", "no-message-id", "slow", "timeout", "hang", "reset", "drop"
]
"""malformed: a 500 whose body is no JSON. slow: the usual answer, late. timeout, reset: never an answer, or the
connection is cut, and the mail is not taken. hang, drop: the same, and it is."""

USUAL_SECONDS: Final[dict[Fault, float]] = {"slow": 20.0, "429": 2.0}
ONCE: Final = "-once"
UNDER_WAY: Final = timedelta(milliseconds=250)
"""What arrives within this after a 429 was on its way before the 429 was read, and is not too early."""

Event = Literal["processed", "deferred", "delivered", "bounce", "dropped", "spamreport", "unsubscribe", "open", "click"]

USUALLY: Final[tuple[Event, ...]] = ("processed", "delivered")
AFTERWARDS: Final[dict[str, tuple[Event, ...]]] = {
    "bounce": ("processed", "bounce"),
    "late-bounce": ("processed", "delivered", "bounce"),
    "dropped": ("dropped",),
    "deferred": ("processed", "deferred", "delivered"),
    "spam": ("processed", "delivered", "spamreport"),
    "unsubscribe": ("processed", "delivered", "unsubscribe"),
    "silent": (),
}
"""What happens to a mail, by the local part of its recipient."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FaultRule(_Model):
    """A fault for a share of all requests, or for the next few."""

    fault: Fault
    rate: Annotated[float, Field(ge=0, le=1)] = 1.0
    times: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="how often more; without end if not set"
    )
    seconds: Annotated[float, Field(ge=0, le=300)] | None = Field(
        default=None, description="how late a slow answer is, or how far away the reset of a 429"
    )

    @property
    def span(self) -> float:
        """Those seconds, or what is usual."""
        return USUAL_SECONDS.get(self.fault, 0.0) if self.seconds is None else self.seconds


class QuotaRule(_Model):
    """How many requests the sandbox answers in a window."""

    limit: Annotated[int, Field(ge=1)] = 100_000
    window_s: Annotated[int, Field(ge=1)] = 60


class Behaviour(_Model):
    """Everything that can be asked of the sandbox."""

    faults: list[FaultRule] = Field(default_factory=list)
    quota: QuotaRule = Field(default_factory=QuotaRule)
    webhooks: Literal["send", "hold"] = "send"
    repeat_events: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.0, description="share of webhook requests sent a second time, their sg_event_id changed"
    )

    def fault(self, recipient: str, *, seen_before: bool, chance: float) -> FaultRule | None:
        """The fault for one request; `chance` between 0 and 1 decides about rates."""
        asked = fault_of(recipient, seen_before=seen_before)
        if asked:
            return FaultRule(fault=asked)
        for rule in self.faults:
            if rule.times != 0 and chance < rule.rate:
                if rule.times is not None:
                    rule.times -= 1
                return rule
            chance = (chance - rule.rate) % 1.0
        return None


def fault_of(recipient: str, *, seen_before: bool) -> Fault | None:
    """The fault a recipient's address asks for; with `-once` only the first time for each mail."""
    asked = _local_part(recipient)
    if asked.endswith(ONCE) and seen_before:
        return None
    name = asked.removesuffix(ONCE)
    return next((fault for fault in get_args(Fault) if fault == name), None)


def afterwards(recipient: str) -> tuple[Event, ...]:
    """What happens to a mail to this address."""
    return AFTERWARDS.get(_local_part(recipient), USUALLY)


def _local_part(recipient: str) -> str:
    return recipient.partition("@")[0].partition("+")[0].lower()


class QuotaWindow:
    """Counts requests in the window they fall in. Holds no clock."""

    def __init__(self) -> None:
        self._reset_at: datetime | None = None
        self._told_at: datetime | None = None
        self._used = 0
        self.too_early = 0

    def take(self, rule: QuotaRule, now: datetime) -> bool:
        """Counts a request; whether it is within the quota."""
        if self._reset_at is None or now >= self._reset_at:
            self._reset_at = _whole_second(now + timedelta(seconds=rule.window_s))
            self._used, self._told_at = 0, None
        self._used += 1
        if self._told_at is not None:
            self.too_early += now - self._told_at > UNDER_WAY
            return False
        if self._used > rule.limit:
            self._told_at = now
        return self._told_at is None

    def exhaust(self, now: datetime, seconds: float) -> None:
        """Uses the window up: nothing more until `seconds` from now."""
        self._reset_at = _whole_second(now + timedelta(seconds=seconds))
        self._told_at = now

    def headers(self, rule: QuotaRule) -> dict[str, str]:
        """What SendGrid tells with every answer."""
        assert self._reset_at is not None  # a request has been counted
        remaining = 0 if self._told_at else max(rule.limit - self._used, 0)
        return {
            "X-RateLimit-Limit": str(rule.limit),
            "X-RateLimit-Remaining": str(remaining),
            "X-RateLimit-Reset": str(int(self._reset_at.timestamp())),
        }


def _whole_second(moment: datetime) -> datetime:
    """The next whole second: the reset is told in seconds, and must not be over before it is told to be."""
    return moment if moment.microsecond == 0 else moment.replace(microsecond=0) + timedelta(seconds=1)
