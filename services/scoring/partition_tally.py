"""The tally of one source partition: folds runs of its records into a store, and knows what is not yet published.

A cell is published as it stands, absolute. Its mark is cleared only if what was acknowledged is what is stored.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Final

from services.chassis.failures import Halt
from services.scoring.store import FORMAT, Store
from services.scoring.tally import (
    SCORES,
    Answer,
    Cell,
    CellKey,
    Contribution,
    Folded,
    Names,
    applied,
    fold,
    keys_of,
    pack_cell,
    pack_cell_key,
    unpack_cell,
    unpack_cell_key,
)
from services.scoring.windows import COARSE_MINUTES, FINE_MINUTES

OFFSET_KEY: Final = b"o"
COARSENED_KEY: Final = b"d"
ANSWER: Final = b"a"
CELL: Final = b"c"
TENANT: Final = b"t"
SEGMENT: Final = b"s"
UNPUBLISHED: Final = b"u"

SLOTS_IN_MEMORY: Final = 200_000
"""About 20 MB of counts a partition; what was touched longest ago goes first."""
FINE_DAYS: Final = 8
"""Days older than this are published in coarse buckets: fifteen minutes fit every time zone's midnight."""

_EPOCH: Final = date(1970, 1, 1)
_NUMBER: Final = struct.Struct(">Q")
_DAY: Final = struct.Struct(">i")


@dataclass(frozen=True, slots=True)
class Pending:
    """A cell to be published: what it holds and since which offset."""

    key: CellKey
    tenant: str
    segment: str
    day: date
    minutes: int
    offset: int
    counts: dict[str, dict[str, int]]


class PartitionTally:
    """Everything that is known of one source partition."""

    def __init__(self, store: Store, today: date) -> None:
        """Reads back what the store holds.

        Raises:
            Halt: if another version of this program wrote it.
        """
        self._store = store
        self._cells: OrderedDict[CellKey, Cell] = OrderedDict()
        self._slots = 0
        self._names = _stored_names(store)
        self.position, coarsened = self._opened(today)
        self._coarsened = coarsened
        self.unpublished: dict[CellKey, int] = {
            unpack_cell_key(key[1:]): _NUMBER.unpack(value)[0] for key, value in store.scan(UNPUBLISHED)
        }

    def _opened(self, today: date) -> tuple[int, int]:
        meta, coarsened = self._store.get_many([OFFSET_KEY, COARSENED_KEY])
        if meta is None:
            return 0, _days(today) - FINE_DAYS - 1
        if meta[:1] != FORMAT:
            raise Halt(f"the tally is of format {meta[:1]!r}, this program writes {FORMAT!r}: remove its folder")
        return _NUMBER.unpack(meta[1:])[0], _DAY.unpack(coarsened)[0] if coarsened else _days(today) - FINE_DAYS - 1

    def fold(self, answers: Sequence[tuple[int, Answer]], end: int) -> Folded:
        """Folds a run of records that ends before `end`; durable on return."""
        keys = [ANSWER + key for key in keys_of(answers, self._names)]
        stored = self._store.get_many(list(dict.fromkeys(keys)))
        known = {
            key: Contribution.unpacked(value)
            for key, value in zip(dict.fromkeys(keys), stored, strict=True)
            if value is not None
        }
        folded = fold(answers, keys, known, self._names)
        put = {key: contribution.packed() for key, contribution in folded.contributions.items()}
        self._load(folded.deltas)
        for key, delta in folded.deltas.items():
            before = self._cells[key]
            self._cells[key] = applied(before, delta)
            self._slots += len(self._cells[key]) - len(before)
            packed = pack_cell_key(key)
            put[CELL + packed] = pack_cell(self._cells[key])
            put[UNPUBLISHED + packed] = _NUMBER.pack(folded.changed_at[key])
        put |= self._new_names()
        put[OFFSET_KEY] = FORMAT + _NUMBER.pack(end)
        put[COARSENED_KEY] = _DAY.pack(self._coarsened)
        self._store.write(put)
        self.position = end
        self.unpublished |= folded.changed_at
        self._trim()
        return folded

    def pending(self, most: int, today: date) -> list[Pending]:
        """Cells that wait to be published, as they stand."""
        keys = list(islice(self.unpublished, most))
        self._load(keys)
        found = [self._pending(key, today) for key in keys]
        self._trim()
        return found

    def published(self, acknowledged: Sequence[Pending]) -> None:
        """Clears the marks of cells that have not changed since."""
        cleared = [cell.key for cell in acknowledged if self.unpublished.get(cell.key) == cell.offset]
        self._store.write({}, [UNPUBLISHED + pack_cell_key(key) for key in cleared])
        for key in cleared:
            del self.unpublished[key]

    def grow_coarse(self, today: date) -> int:
        """Marks cells of days that have just become old, so that they are published in coarse buckets."""
        due = range(self._coarsened + 1, _days(today) - FINE_DAYS)
        if not due:
            return 0
        keys = [(segment, day) for day in due for segment in range(len(self._names.by_code))]
        found = self._store.get_many([CELL + pack_cell_key(key) for key in keys])
        at = max(self.position - 1, 0)
        marks = {key: at for key, value in zip(keys, found, strict=True) if value}
        self._coarsened = due[-1]
        put = {UNPUBLISHED + pack_cell_key(key): _NUMBER.pack(offset) for key, offset in marks.items()}
        self._store.write(put | {COARSENED_KEY: _DAY.pack(self._coarsened)})
        self.unpublished |= marks
        return len(marks)

    def cells(self) -> Iterator[tuple[str, str, date, Cell]]:
        """Every cell: tenant, segment, day, counts."""
        for key, value in self._store.scan(CELL):
            segment, day = unpack_cell_key(key[1:])
            tenant, name = self._names.by_code[segment]
            yield tenant, name, _date(day), unpack_cell(value)

    def close(self) -> None:
        """Lets go of the store."""
        self._store.close()

    def _pending(self, key: CellKey, today: date) -> Pending:
        tenant, segment = self._names.by_code[key[0]]
        coarse = key[1] < _days(today) - FINE_DAYS
        minutes = COARSE_MINUTES if coarse else FINE_MINUTES
        counts = by_bucket(self._cells[key], minutes)
        return Pending(key, tenant, segment, _date(key[1]), minutes, self.unpublished[key], counts)

    def _load(self, keys: Sequence[CellKey] | dict[CellKey, Cell]) -> None:
        """Brings cells into memory."""
        missing = [key for key in keys if key not in self._cells]
        found = self._store.get_many([CELL + pack_cell_key(key) for key in missing])
        for key, value in zip(missing, found, strict=True):
            self._cells[key] = unpack_cell(value)
            self._slots += len(self._cells[key])
        for key in keys:
            self._cells.move_to_end(key)

    def _trim(self) -> None:
        while self._slots > SLOTS_IN_MEMORY:
            _, cell = self._cells.popitem(last=False)
            self._slots -= len(cell)

    def _new_names(self) -> dict[bytes, bytes]:
        put: dict[bytes, bytes] = {}
        for name in self._names.added:
            if len(name) == 1:
                put[TENANT + self._names.tenants[name[0]].to_bytes(4, "big")] = name[0].encode()
            else:
                code = self._names.segments[name[0], name[1]]
                put[SEGMENT + code.to_bytes(4, "big")] = "\0".join(name).encode()
        self._names.added.clear()
        return put


def by_bucket(cell: Cell, minutes: int) -> dict[str, dict[str, int]]:
    """A cell as it is published: counts by bucket and score, as text."""
    width = minutes // FINE_MINUTES
    counts: dict[str, dict[str, int]] = {}
    for slot, count in sorted(cell.items()):
        bucket, score = divmod(slot, SCORES)
        scores = counts.setdefault(str(bucket // width), {})
        scores[str(score)] = scores.get(str(score), 0) + count
    return counts


def _stored_names(store: Store) -> Names:
    names = Names()
    for _, value in store.scan(TENANT):
        names.tenant(value.decode())
    for _, value in store.scan(SEGMENT):
        tenant, segment = value.decode().split("\0")
        names.segment(tenant, segment)
    names.added.clear()
    return names


def _days(day: date) -> int:
    return (day - _EPOCH).days


def _date(days: int) -> date:
    return _EPOCH + timedelta(days=days)


def today_of(now: datetime) -> date:
    """The UTC day of a moment."""
    return now.astimezone(UTC).date()
