"""Histories of answers and what a program without state would count, to hold the tally against."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final

import msgspec

from schemas.topic import join_key, partition_of
from services.scoring.answers_tally import AnswersTally
from services.scoring.people import Fact
from services.scoring.people_tally import PeopleTally
from services.scoring.segments import NO_RULES, Rules
from services.scoring.store import Store
from services.scoring.tally import Answer

TODAY: Final = date(2026, 5, 20)
NOON: Final = datetime(2026, 5, 20, 12, tzinfo=UTC)
PARTITIONS: Final = 3
RULES: Final = {"default": Rules((("country", "plan"),), latest=True)}

Cells = dict[tuple[str, str, str, date], Counter[int]]
"""By series, tenant, segment and day: bucket of the day times eleven plus score, to how many."""


def rules_of(tenant: str) -> Rules:
    return RULES.get(tenant, NO_RULES)


def an_answer(response_id: str = "r", revision: int = 1, **given: object) -> Answer:
    """An answer as the tally reads it; a test shows only what matters to it."""
    fields: dict[str, object] = {
        "tenant": "default",
        "response_id": response_id,
        "revision": revision,
        "op": "submitted",
        "answered_at": NOON,
        "digest": "0" * 32,
        "score": 9,
        "channel": "email",
    }
    if "segments" in given:
        given["segments"] = msgspec.Raw(msgspec.json.encode(given["segments"]))
    return Answer(**{**fields, **given})  # type: ignore[arg-type]  # fields of any type


def a_history(chance: random.Random, longest: int = 30) -> list[Answer]:
    """Answers given, edited, retracted, excluded, tried out, late, twice, in any order, by few people."""
    ids = ["a", "b", "c", "d", "01890a5d-ac96-774b-bcce-b302099a8057", "01890a5d-ac96-774b-bcce-b302099a8058"]
    events = []
    for _ in range(chance.randrange(longest + 1)):
        at = NOON - timedelta(days=chance.choice((0, 0, 1, 9, 400)), minutes=chance.choice((0, 0, 7, 299)))
        events.append(
            an_answer(
                chance.choice(ids),
                chance.randrange(1, 5),
                tenant=chance.choice(("default", "default", "other")),
                op=chance.choice(("submitted", "submitted", "updated", "retracted", "excluded", "commented")),
                score=chance.randrange(11),
                metric=chance.choice(("nps", "nps", "nps", "csat")),
                test=chance.random() < 0.1,
                subject=chance.choice((None, "a" * 32, "b" * 32)),
                segments=chance.choice(({}, {"plan": "pro"}, {"plan": "a,b%", "country": "FI"})),
                digest=f"{chance.randrange(3):032x}",
                answered_at=at,
            )
        )
    events += chance.choices(events, k=len(events) // 4) if events else []
    chance.shuffle(events)
    return events


def recomputed(logs: Iterable[Sequence[Answer]]) -> Cells:
    """What a program without state would count: the highest revision of each answer, the first of equals."""
    highest: dict[tuple[str, str], Answer] = {}
    for event in (event for log in logs for event in log):
        key = (event.tenant, event.response_id)
        if event.op != "commented" and (key not in highest or event.revision > highest[key].revision):
            highest[key] = event
    counted = [event for event in highest.values() if event.counts()]
    newest: dict[tuple[str, str], Answer] = {}
    for event in sorted(counted, key=lambda event: (event.answered_at, event.response_id.encode())):
        if event.subject and rules_of(event.tenant).latest:
            newest[event.tenant, event.subject] = event
    cells: Cells = defaultdict(Counter)
    for series, events in (("all", counted), ("latest", list(newest.values()))):
        for event in events:
            slot = (event.answered_at.hour * 60 + event.answered_at.minute) // 5 * 11 + (event.score or 0)
            for segment in event.segment_names(rules_of(event.tenant)):
                cells[series, event.tenant, segment, event.answered_at.date()][slot] += 1
    return dict(cells)


def partition_logs(events: Iterable[Answer]) -> list[list[Answer]]:
    """The same answers as they lie in partitions."""
    logs: list[list[Answer]] = [[] for _ in range(PARTITIONS)]
    for event in events:
        logs[partition_of(join_key((event.tenant, event.response_id)), PARTITIONS)].append(event)
    return logs


Tally = AnswersTally | PeopleTally


class Killed(Exception):
    """The process ends here."""


class DyingStore:
    """A store whose process may be killed at any write, before it or after it."""

    def __init__(self, store: Store, chance: random.Random) -> None:
        self._store = store
        self._chance = chance
        self.get_many = store.get_many
        self.scan = store.scan
        self.close = store.close

    def write(self, put: dict[bytes, bytes], delete: Iterable[bytes] = ()) -> None:
        """Writes, unless the process was killed before."""
        fate = self._chance.random()
        if fate < 0.05:
            raise Killed
        self._store.write(put, delete)
        if fate > 0.95:
            raise Killed


@dataclass
class Line:
    """Scoring's two tallies over the partitions of a topic, on stores that outlive their processes.

    Two workers take turns: whoever takes a partition over has a store of his own, which is behind, or empty.
    """

    chance: random.Random
    open_store: Callable[[str], Store]
    published: Cells = field(default_factory=dict)
    by_partition: dict[tuple[str, int, str, str, date], Counter[int]] = field(default_factory=dict)
    arrived: Counter[str] = field(default_factory=Counter)
    """How much of each partition is there yet to be read."""
    people: list[list[Fact]] = field(default_factory=lambda: [[] for _ in range(PARTITIONS)])

    def run(self, logs: Sequence[Sequence[Answer]]) -> Cells:
        """Counts all of it, killed again and again, and returns what was published."""
        for number in self._in_any_order():
            self._count("all", number, list(logs[number]))
        for number in self._in_any_order():
            self._count("latest", number, self.people[number])
        found: Cells = defaultdict(Counter)
        for (series, _, tenant, segment, day), counts in self.by_partition.items():
            found[series, tenant, segment, day] += counts
        return {key: counts for key, counts in found.items() if counts}

    def _in_any_order(self) -> list[int]:
        return self.chance.sample(range(PARTITIONS), PARTITIONS)

    def _count(self, series: str, number: int, log: Sequence[Answer | Fact]) -> None:
        while True:
            store = self.open_store(f"{series}{number}{self.chance.choice('ab')}")
            try:
                self._live(series, number, log, DyingStore(store, self.chance))
                return
            except Killed:
                continue
            finally:
                store.close()

    def _live(self, series: str, number: int, log: Sequence[Answer | Fact], store: DyingStore) -> None:
        tally = AnswersTally(store, TODAY, rules_of, 20) if series == "all" else PeopleTally(store, TODAY, 20)  # type: ignore[arg-type]  # the store's own methods
        place = f"{series}{number}"
        may_publish_at = self.arrived[place]
        while tally.position < len(log) or not tally.all_published:
            self.arrived[place] = min(self.arrived[place] + self.chance.randrange(5), len(log))
            if self.chance.random() < 0.6 or tally.position < may_publish_at:
                self._fold(tally, log[: self.arrived[place]])
            else:
                self._publish((series, number), tally, log[: self.arrived[place]])
            if self.chance.random() < 0.05:
                raise Killed

    def _fold(self, tally: Tally, log: Sequence[Answer | Fact]) -> None:
        start = tally.position
        end = min(start + self.chance.randrange(1, 9), len(log))
        if end > start:
            tally.fold(list(enumerate(log))[start:end], end)  # type: ignore[arg-type]  # of its own kind

    def _publish(self, place: tuple[str, int], tally: Tally, log: Sequence[Answer | Fact]) -> None:
        cells = tally.pending(self.chance.randrange(1, 6), TODAY)
        facts = tally.pending_facts(self.chance.randrange(4))
        width = {5: 1, 15: 3}
        for cell in cells:
            counts = Counter(
                {(bucket, score): n for bucket, scores in cell.counts.items() for score, n in scores.items()}
            )
            self.by_partition[*place, cell.tenant, cell.segment, cell.day] = Counter(
                {bucket * width[cell.minutes] * 11 + score: n for (bucket, score), n in counts.items()}
            )
        for fact in facts:
            said = Fact("g1", fact.tenant, fact.subject, fact.response_id, fact.answered_at, fact.score)
            said.segments = list(fact.segments)
            self.people[partition_of(join_key((fact.tenant, fact.subject)), PARTITIONS)].append(said)
        if self.chance.random() < 0.2:
            raise Killed
        if self.chance.random() < 0.3:
            self._fold(tally, log)
        tally.published(cells)
        tally.published_facts(facts)


def in_quarters(cells: Cells) -> Cells:
    """The same in the buckets that are published: quarters of an hour where a day is older than eight."""
    found: Cells = {}
    for key, counts in cells.items():
        coarse = key[3] < TODAY - timedelta(days=8)
        mapped: Counter[int] = Counter()
        for slot, n in counts.items():
            bucket, score = divmod(slot, 11)
            mapped[(bucket // 3 * 3 if coarse else bucket) * 11 + score] += n
        found[key] = mapped
    return found
