"""A business in the midst of its day: months of answers and what became of them, as the services would have written.

Chance is seeded: the same scene each time.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from schemas.contract import Contract
from schemas.decision import Decision
from schemas.delivery import Delivery
from schemas.response import Response
from schemas.score import Interval, Score, Target
from schemas.tally import Tally
from schemas.task import Task
from schemas.topic import Topic
from schemas.topics import DECISIONS, DELIVERIES, RESPONSES, SCORES, TALLIES, TASKS
from services.chassis.records import Cause, Outgoing, outgoing
from services.scoring.score import Counts, Spanned, interval, needed, nps
from services.scoring.verdicts import verdict_of
from tests.support.answers import answered
from tests.support.events import PERIODS, SPANS, decided, delivered, tasked, window

CHANNELS = {"email": 40, "in_app": 25, "website": 15, "sms": 10, "phone": 6, "chatbot": 4}
COUNTRIES = {"FI": 30, "DE": 28, "FR": 18, "PL": 14, "SE": 10}
PLANS = {"free": 50, "pro": 35, "team": 15}
TOUCHPOINTS = {"checkout": 4, "delivery": 4, "support": 3, "onboarding": 2}
SCORES_OF = {"promoter": (9, 10, 10), "passive": (7, 8, 8), "detractor": (6, 6, 5, 4, 3, 2, 1, 0)}
LEANING = {"in_app": 6, "phone": -9, "sms": -4, "DE": -5, "FI": 5, "team": 8}

_TOPIC_OF: dict[type[Contract], Topic[Any]] = {Decision: DECISIONS, Delivery: DELIVERIES, Task: TASKS}

Said = tuple[Topic[Any], Contract, str]  # topics differ in their payload
"""A topic, what is said on it, and the event's id."""


@dataclass
class Scene:
    """Answers of some months up to a moment."""

    now: datetime
    tenant: str = "default"
    days: int = 180
    a_day: float = 11.0
    answers: list[Response] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._chance = random.Random(7)
        start = self.now - timedelta(days=self.days)
        at = start
        while True:
            weekend = 0.45 if at.weekday() >= 5 else 1.0
            at += timedelta(days=self._chance.expovariate(self.a_day * weekend))
            if at >= self.now:
                return
            self.answers.append(self.answer(at, (at - start) / timedelta(days=self.days)))

    def answer(self, at: datetime, progress: float = 1.0) -> Response:
        """One more answer; over the months people grow a little happier."""
        channel, country, plan = (self._pick(choices) for choices in (CHANNELS, COUNTRIES, PLANS))
        leaning = sum(LEANING.get(one, 0) for one in (channel, country, plan)) + 12 * progress
        band = self._pick({"promoter": 42 + leaning, "passive": 32, "detractor": max(26 - leaning, 4)})
        return answered(
            self._chance.choice(SCORES_OF[band]),
            tenant=self.tenant,
            response_id=f"r-{len(self.answers):05d}-{self._chance.getrandbits(24):06x}",
            channel=channel,
            touchpoint=self._pick(TOUCHPOINTS),
            segments={"country": country, "plan": plan},
            answered_at=at,
            received_at=at,
        )

    def said(self) -> Iterator[Said]:
        """Everything, in the order of the flow."""
        for answer in self.answers:
            yield RESPONSES, answer, f"{answer.response_id}/1"
        for tally in self.tallies():
            yield TALLIES, tally, f"{tally.segment}/{tally.day}/{tally.partition}"
        for score in self.scores():
            yield SCORES, score, f"{score.segment}/{score.window.name}"
        for number, answer in enumerate(self.answers):
            if number != len(self.answers) - 3:  # one still waits
                yield from self.fate(answer)

    def records(self) -> list[Outgoing]:
        """Everything, as records."""
        cause = Cause("test", self.now)
        return [outgoing(topic, payload, event_id, cause) for topic, payload, event_id in self.said()]

    def fate(self, answer: Response) -> Iterator[Said]:
        """What became of one answer."""
        for payload in self._fate(answer):
            topic = _TOPIC_OF[type(payload)]
            yield topic, payload, f"{answer.response_id}/{topic.name}/{getattr(payload, 'version', 1)}"

    def _fate(self, answer: Response) -> Iterator[Decision | Delivery | Task]:
        same = {"tenant": answer.tenant, "response_id": answer.response_id}
        age = self.now - answer.answered_at
        band = answer.band()
        rule, action = {
            "promoter": ("thank-promoters", "perk"),
            "passive": ("win-passives", "offer"),
            "detractor": ("talk-to-detractors", "outreach"),
        }[band or "passive"]
        at = answer.answered_at + timedelta(seconds=2)
        decision = decided(**same, rule=rule, action=action, band=band, channel=answer.channel, decided_at=at)
        if action != "outreach" and self._chance.random() < 0.09:
            reason = self._pick({"no_address": 5, "opt_out": 3, "cap": 2, "quiet_hours": 1})
            yield decision.model_copy(update={"outcome": "suppressed", "action": "none", "reason": reason})
            return
        yield decision
        if action == "outreach":
            yield self._task(answer, age)
            return
        fresh = age < timedelta(minutes=3)
        state = "accepted" if fresh else self._pick({"delivered": 950, "bounced": 22, "spam": 3, "unsubscribed": 9})
        yield delivered(**same, kind=action, state=state, version=3, at=at)

    def _task(self, answer: Response, age: timedelta) -> Task:
        assert answer.score is not None
        done = self._chance.random() < min(1.0, age / timedelta(days=4))
        status = "done" if done else self._pick({"open": 6, "in_progress": 3, "waiting": 1})
        return tasked(
            answer.response_id,
            answer.score,
            tenant=answer.tenant,
            status=status,
            outcome=self._pick({"resolved": 8, "unreachable": 2, "churned": 1}) if done else None,
            priority="urgent" if answer.score <= 2 else "high" if answer.score <= 5 else "normal",
            owner="kim" if status == "in_progress" else None,
            channel=answer.channel,
            touchpoint=answer.touchpoint,
            due_at=answer.answered_at + timedelta(hours=24),
        )

    def tallies(self) -> list[Tally]:
        """The cells of every segment, in two source partitions."""
        cells: dict[tuple[str, date, int], Counter[str]] = defaultdict(Counter)
        for offset, answer in enumerate(self.answers):
            for segment in _segments(answer):
                cells[segment, answer.answered_at.date(), offset % 2][str(answer.score)] += 1
        return [
            Tally(
                generation="g1",
                tenant=self.tenant,
                segment=segment,
                series="all",
                day=day,
                partition=partition,
                offset=len(self.answers),
                resolution=5,
                counts={"143": dict(counts)},
            )
            for (segment, day, partition), counts in cells.items()
        ]

    def scores(self) -> list[Score]:
        """The score of every segment and window."""
        by_segment: dict[str, list[Response]] = defaultdict(list)
        for answer in self.answers:
            for segment in _segments(answer):
                by_segment[segment].append(answer)
        return [self._score(segment, name, mine) for segment, mine in by_segment.items() for name in (*SPANS, *PERIODS)]

    def _score(self, segment: str, name: str, answers: list[Response]) -> Score:
        seen = window(name, self.now)
        start = seen.start
        histogram = _histogram(answers, start, self.now)
        counts = Counts.of(histogram)
        bounds = interval(counts, 0.95)
        verdict = None
        if start:
            begins = start - (seen.end - start)
            earlier = Counts.of(_histogram(answers, begins, start))
            now, before = Spanned(counts, start, seen.end), Spanned(earlier, begins, start)
            verdict = verdict_of(now, before, 0.95)
        aim = Target(value=35, source="plan for the year", date=date(2026, 1, 1)) if segment == "all" else None
        points = nps(counts)
        return Score(
            tenant=self.tenant,
            segment=segment,
            window=seen,
            as_of=self.now,
            n=counts.n,
            promoters=counts.promoters,
            passives=counts.passives,
            detractors=counts.detractors,
            histogram=histogram,
            nps=points,
            interval=Interval(low=bounds.low, high=bounds.high, level=0.95) if bounds else None,
            verdict=verdict,
            enough=counts.n > 0 and not needed(counts, 10, 0.95),
            needed=needed(counts, 10, 0.95),
            target=aim,
            distance=points - aim.value if aim and points is not None else None,
        )

    def _pick(self, choices: dict[str, Any]) -> str:  # weights, whole or not
        return self._chance.choices(list(choices), list(choices.values()))[0]


def _segments(answer: Response) -> list[str]:
    return ["all", f"channel={answer.channel}", *(f"{key}={value}" for key, value in answer.segments.items())]


def _histogram(answers: list[Response], start: datetime | None, end: datetime) -> list[int]:
    found = Counter(a.score for a in answers if (start is None or a.answered_at >= start) and a.answered_at < end)
    return [found[score] for score in range(11)]
