"""Builders of what services say: a test shows only what matters to it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

from schemas.contract import band_of
from schemas.decision import Decision
from schemas.delivery import Delivery
from schemas.message import effect_id
from schemas.playbook_change import PlaybookChange
from schemas.score import Interval, Score, Window
from schemas.shadow_decision import ShadowDecision
from schemas.tally import Tally
from schemas.task import Customer, Task
from tests.support.answers import NOON

SPANS = {
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "90d": timedelta(days=90),
    "all_time": None,
}

PERIODS = {
    "month.2026-05": (datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)),
    "quarter.2026-Q2": (datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)),
    "year.2026": (datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
}
"""Calendar windows that are open at noon of 20 May 2026."""

Fields = dict[str, Any]  # fields of any type, checked by the model


def window(name: str, now: datetime = NOON, state: Literal["open", "final", "restated"] = "open") -> Window:
    """A window of a configured name, or a calendar one."""
    if name in PERIODS:
        start, end = PERIODS[name]
        return Window(name=name, kind="calendar", start=start, end=end, edge_minutes=0, state=state)
    span = SPANS[name]
    begins = now - span if span else None
    return Window(name=name, kind="rolling" if span else "all_time", start=begins, end=now, edge_minutes=5)


def scored(*histogram: int, name: str = "30d", now: datetime = NOON, **given: Any) -> Score:  # as above
    """The score of eleven counts; the interval is made up."""
    counts = [*histogram, *[0] * (11 - len(histogram))]
    n, promoters, detractors = sum(counts), sum(counts[9:]), sum(counts[:7])
    nps = 100 * (promoters - detractors) / n if n else None
    fields: Fields = {
        "tenant": "default",
        "segment": "all",
        "window": window(name, now),
        "as_of": now,
        "n": n,
        "promoters": promoters,
        "passives": n - promoters - detractors,
        "detractors": detractors,
        "histogram": counts,
        "nps": nps,
        "interval": None if nps is None else Interval(low=max(nps - 5, -100), high=min(nps + 5, 100), level=0.95),
        "enough": n > 100,
        "needed": max(0, 100 - n),
    }
    return Score(**(fields | given))


def tallied(by_score: dict[str, int] | None = None, **given: Any) -> Tally:  # as above
    """A cell; all its answers in one bucket, unless said otherwise."""
    fields: Fields = {
        "generation": "g1",
        "tenant": "default",
        "segment": "all",
        "series": "all",
        "day": NOON.date(),
        "partition": 0,
        "offset": 0,
        "resolution": 5,
        "counts": {"143": {"9": 1} if by_score is None else by_score},
    }
    return Tally(**(fields | given))


def decided(response_id: str, **given: Any) -> Decision:  # as above
    """Routing's decision to thank a promoter, unless said otherwise."""
    fields: Fields = {
        "tenant": "default",
        "response_id": response_id,
        "number": 1,
        "response_revision": 1,
        "outcome": "action",
        "action": "perk",
        "band": "promoter",
        "rule": "thank-promoters",
        "playbook": "default",
        "decided_at": NOON,
    }
    return Decision(**(fields | given))


def shadowed(response_id: str, **given: Any) -> ShadowDecision:  # as above
    """What a playbook on trial would have done beside the first decision: the same, unless said otherwise."""
    fields: Fields = {
        "tenant": "default",
        "response_id": response_id,
        "number": 1,
        "outcome": "action",
        "action": "perk",
        "rule": "thank-promoters",
        "playbook": "summer",
        "playbook_version": "v2",
        "differs": False,
        "decided_at": NOON,
    }
    return ShadowDecision(**(fields | given))


def activated(content: str | None, **given: Any) -> PlaybookChange:  # as above
    """A playbook in YAML that decides from now on, unless said otherwise."""
    fields: Fields = {
        "tenant": "default",
        "number": 1,
        "role": "active",
        "version": 1,
        "name": "spring",
        "content": content,
        "at": NOON,
    }
    return PlaybookChange(**(fields | given))


def delivered(response_id: str, **given: Any) -> Delivery:  # as above
    """A perk mail that has arrived, unless said otherwise."""
    tenant = given.get("tenant", "default")
    fields: Fields = {
        "delivery_id": effect_id(tenant, response_id, "mail"),
        "tenant": tenant,
        "response_id": response_id,
        "revision": 1,
        "version": 1,
        "kind": "perk",
        "template": "perk",
        "state": "delivered",
        "attempt": 1,
        "at": NOON,
    }
    return Delivery(**(fields | given))


def tasked(response_id: str, score: int = 3, **given: Any) -> Task:  # as above
    """An open task about a detractor, unless said otherwise."""
    tenant = given.get("tenant", "default")
    fields: Fields = {
        "task_id": effect_id(tenant, response_id, "task"),
        "tenant": tenant,
        "response_id": response_id,
        "version": 1,
        "revision": 1,
        "title": f"Call back: {band_of(score)}, {score} of 10",
        "status": "open",
        "priority": "high",
        "kind": "call",
        "due_at": NOON + timedelta(days=1),
        "score": score,
        "channel": "email",
        "customer": Customer(email="ada@example.org", name="Ada Lovelace"),
        "created_at": NOON,
        "updated_at": NOON,
    }
    return Task(**(fields | given))


def days_before(number: int, now: datetime = NOON) -> date:
    """A day before now's."""
    return now.date() - timedelta(days=number)
