"""A plain recount of answers, to hold tallies against: SQL over what the topic says, and nothing of the fold in it.

The highest revision of each answer counts, the first of equals; of each person the answer given last, of two at the
same moment the one whose id sorts last. All of it lies in a temporary file, so that memory stays the same however much
is counted, and a day is compared at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, NamedTuple, Self

from schemas.tally import Series, Tally

FINE_MINUTES: Final = 5
CACHE_KIB: Final = 64 * 1024
"""Of the temporary file, held in memory."""

Counts = dict[tuple[int, int], int]
"""Bucket of the day and score, to how many."""


class Revision(NamedTuple):
    """One revision of an answer. `score` is none where it does not count, `segments` the watched ones as JSON.

    `person` is none where nobody counts people, `meets` the partition their answers meet in.
    """

    tenant: str
    response_id: str
    revision: int
    score: int | None
    day: str
    bucket: int
    at_ms: int
    segments: str
    person: str | None
    meets: int | None


class Place(NamedTuple):
    """A cell: the partition is one of the topic that its series is counted from."""

    series: Series
    partition: int
    day: str
    tenant: str
    segment: str


@dataclass(frozen=True, slots=True)
class Published:
    """What stands of a cell."""

    offset: int
    minutes: int
    counts: Counts

    @classmethod
    def of(cls, tally: Tally) -> Published:
        """From its record."""
        counts = {
            (int(bucket), int(score)): number
            for bucket, scores in tally.counts.items()
            for score, number in scores.items()
            if number
        }
        return cls(tally.offset, tally.resolution, counts)


@dataclass(frozen=True, slots=True)
class Compared:
    """A cell as it was recounted, beside what stands of it: none where nothing was ever published."""

    place: Place
    recounted: Counts
    published: Published | None

    @property
    def same(self) -> bool:
        """Whether both say the same, in the buckets that were published."""
        if self.published is None:
            return not self.recounted
        width = self.published.minutes // FINE_MINUTES
        expected: Counts = {}
        for (bucket, score), number in self.recounted.items():
            coarse = bucket // width, score
            expected[coarse] = expected.get(coarse, 0) + number
        return expected == self.published.counts


_SCHEMA: Final = """
create table answer (
  tenant text, response_id text, revision integer, score integer, day text, bucket integer, at_ms integer,
  segments text, person text, meets integer, primary key (tenant, response_id)
) without rowid;
create table latest (
  tenant text, response_id text, score integer, day text, bucket integer, at_ms integer, segments text, person text,
  meets integer, primary key (tenant, person)
) without rowid;
create table tally (
  series text, partition integer, day text, tenant text, segment text, content text,
  primary key (series, partition, day, tenant, segment)
) without rowid;
"""
_TAKE: Final = """
insert into answer values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
on conflict do update set
  revision = excluded.revision, score = excluded.score, day = excluded.day, bucket = excluded.bucket,
  at_ms = excluded.at_ms, segments = excluded.segments, person = excluded.person, meets = excluded.meets
where excluded.revision > answer.revision
"""
_TAKE_LATEST: Final = """
insert into latest
select tenant, response_id, score, day, bucket, at_ms, segments, person, meets from answer
where score is not null and person is not null
on conflict do update set
  response_id = excluded.response_id, score = excluded.score, day = excluded.day, bucket = excluded.bucket,
  at_ms = excluded.at_ms, segments = excluded.segments
where (excluded.at_ms, excluded.response_id) > (latest.at_ms, latest.response_id)
"""
_COUNT: Final[Mapping[Series, str]] = {
    "all": "select tenant, value, bucket, score, count(*) from answer, json_each(segments)"
    " where day = ? and score is not null group by 1, 2, 3, 4",
    "latest": "select tenant, value, bucket, score, count(*) from latest, json_each(segments)"
    " where day = ? and meets = ? group by 1, 2, 3, 4",
}
_DAYS: Final[Mapping[Series, str]] = {
    "all": "select day from answer where score is not null"
    " union select day from tally where series = ?1 and partition = ?2",
    "latest": "select day from latest where meets = ?2"
    " union select day from tally where series = ?1 and partition = ?2",
}
_BY_DAY: Final[Mapping[Series, str]] = {
    "all": "create index if not exists answer_by_day on answer (day)",
    "latest": "create index if not exists latest_by_day on latest (meets, day)",
}


class Recount:
    """Counts one source partition after the other; people are kept over all of them."""

    def __init__(self) -> None:
        # without a name it is a file of SQLite's own, gone when it is closed
        self._database = sqlite3.connect("")
        self._database.execute(f"pragma cache_size = -{CACHE_KIB}")
        self._database.execute("pragma journal_mode = off")
        self._database.executescript(_SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def stands(self, place: Place, content: bytes | None) -> None:
        """Takes over what a record of `nps.tallies` says of a cell; the last one wins."""
        if content is None:
            self._database.execute(
                "delete from tally where (series, partition, day, tenant, segment) = (?, ?, ?, ?, ?)", place
            )
        else:
            self._database.execute("insert or replace into tally values (?, ?, ?, ?, ?, ?)", (*place, content))

    def take(self, revisions: Iterable[Revision]) -> None:
        """Takes over revisions of answers, in the order of their partition."""
        self._database.executemany(_TAKE, revisions)

    def compared(self, series: Series, partition: int) -> Iterator[Compared]:
        """Every cell of one partition of the topic that a series is counted from."""
        self._database.execute(_BY_DAY[series])
        for (day,) in self._database.execute(_DAYS[series], (series, partition)).fetchall():
            recounted = self._recounted(series, partition, day)
            published = self._published(series, partition, day)
            for place in sorted(recounted.keys() | published.keys()):
                yield Compared(place, recounted.get(place, {}), published.get(place))

    def end_partition(self) -> None:
        """Keeps each person's latest answer of it, and forgets the rest."""
        self._database.execute(_TAKE_LATEST)
        self._database.execute("drop index if exists answer_by_day")
        self._database.execute("delete from answer")

    def _recounted(self, series: Series, partition: int, day: str) -> dict[Place, Counts]:
        found: dict[Place, Counts] = {}
        given = (day,) if series == "all" else (day, partition)
        for tenant, segment, bucket, score, number in self._database.execute(_COUNT[series], given):
            found.setdefault(Place(series, partition, day, tenant, segment), {})[bucket, score] = number
        return found

    def _published(self, series: Series, partition: int, day: str) -> dict[Place, Published]:
        rows = self._database.execute(
            "select tenant, segment, content from tally where series = ? and partition = ? and day = ?",
            (series, partition, day),
        )
        return {
            Place(series, partition, day, tenant, segment): Published.of(Tally.model_validate_json(content))
            for tenant, segment, content in rows
        }
