"""The counts of one source partition: what a fold changes is kept in a store, together with what is not yet published.

A cell is published as it stands, absolute. Its mark is cleared only if what was acknowledged is what is stored.
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any, Final

from services.scoring.cells import (
    Cell,
    CellKey,
    Slots,
    apply,
    by_bucket,
    differences,
    pack_cell,
    pack_cell_key,
    unpack_cell,
    unpack_cell_key,
)
from services.scoring.names import Names
from services.scoring.store import Store
from services.scoring.tally_format import FORMAT, OFFSET_KEY, check_format
from services.scoring.windows import COARSE_MINUTES, FINE_MINUTES

COARSENED_KEY: Final = b"d"
TOLD_KEY: Final = b"g"
CELL: Final = b"c"
TENANT: Final = b"t"
SEGMENT: Final = b"s"
UNPUBLISHED: Final = b"u"

SLOTS_IN_MEMORY: Final = 200_000
"""About 20 MB of counts; what was touched longest ago goes first."""
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
    counts: Mapping[int, Mapping[int, int]]


@dataclass(frozen=True, slots=True)
class PendingFact:
    """What one answer of a person adds at present; without a score it adds nothing any more."""

    key: bytes
    offset: int
    tenant: str
    subject: str
    response_id: str
    answered_at: datetime
    score: int | None
    segments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """What a run of records changes: entries of the store, and answers that segments gain and lose.

    `put` is given away: what the cells add goes into it.
    """

    more: Slots
    less: Slots
    put: dict[bytes, bytes]
    delete: Iterable[bytes] = field(default=())


class PartitionTally(ABC):
    """Everything that is known of one source partition. Subclasses say what a record means."""

    def __init__(self, store: Store, today: date, slots_in_memory: int = SLOTS_IN_MEMORY) -> None:
        """Reads back what the store holds.

        Raises:
            Halt: if another version of this program wrote it, and this one does not know how to read that.
        """
        check_format(store)
        self._store = store
        self._cells: OrderedDict[CellKey, Cell] = OrderedDict()
        self._slots = 0
        self._most_slots = slots_in_memory
        self._names = _stored_names(store)
        offset, coarsened, told = store.get_many([OFFSET_KEY, COARSENED_KEY, TOLD_KEY])
        self.position = _NUMBER.unpack(offset[1:])[0] if offset else 0
        self._coarsened: int = _DAY.unpack(coarsened)[0] if coarsened else _days(today) - FINE_DAYS - 1
        self.told = told is not None
        """Whether anything of it has ever been published, as far as is known."""
        self.unpublished: dict[CellKey, int] = {
            unpack_cell_key(key[1:]): _NUMBER.unpack(value)[0] for key, value in store.scan(UNPUBLISHED)
        }

    @abstractmethod
    def fold(self, records: Sequence[tuple[int, Any]], end: int) -> object:  # of whatever kind is counted
        """Folds a run of records, each with its offset, that ends before `end`; durable on return."""

    def keep(self, change: Change, end: int) -> None:
        """Takes over what a run of records that ends before `end` changes; durable on return."""
        deltas = differences(change.more, change.less)
        put = change.put
        self._load(deltas)
        changed_at = max(end - 1, 0)
        mark = _NUMBER.pack(changed_at)
        for key, delta in deltas.items():
            cell = self._cells[key]
            before = len(cell)
            apply(cell, delta)
            self._slots += len(cell) - before
            packed = pack_cell_key(key)
            put[CELL + packed] = pack_cell(cell)
            put[UNPUBLISHED + packed] = mark
        put |= self._new_names()
        put[OFFSET_KEY] = FORMAT + _NUMBER.pack(end)
        put[COARSENED_KEY] = _DAY.pack(self._coarsened)
        self._store.write(put, change.delete)
        self.position = end
        self.unpublished |= dict.fromkeys(deltas, changed_at)
        self._trim()

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
        self._store.write({} if self.told else {TOLD_KEY: b"1"}, [UNPUBLISHED + pack_cell_key(key) for key in cleared])
        self.told = True
        for key in cleared:
            del self.unpublished[key]

    def pending_facts(self, most: int) -> list[PendingFact]:
        """Facts about people that wait to be published, as they stand."""
        del most
        return []

    def published_facts(self, acknowledged: Sequence[PendingFact]) -> None:
        """Clears the marks of facts that have not changed since."""
        assert not acknowledged, "who tells no facts has none acknowledged"

    @property
    def all_published(self) -> bool:
        """Whether nothing waits."""
        return not self.unpublished

    def publish_all(self) -> None:
        """Marks every cell: what was published is gone, or nobody knows."""
        self._mark(unpack_cell_key(key[1:]) for key, _ in self._store.scan(CELL))

    def grow_coarse(self, today: date) -> int:
        """Marks cells of days that have just become old, so that they are published in coarse buckets."""
        due = range(self._coarsened + 1, _days(today) - FINE_DAYS)
        if not due:
            return 0
        keys = [(segment, day) for day in due for segment in range(len(self._names.by_code))]
        found = self._store.get_many([CELL + pack_cell_key(key) for key in keys])
        self._coarsened = due[-1]
        marked = self._mark(key for key, value in zip(keys, found, strict=True) if value)
        self._store.write({COARSENED_KEY: _DAY.pack(self._coarsened)})
        return marked

    def cells(self) -> Iterator[tuple[str, str, date, Cell]]:
        """Every cell: tenant, segment, day, counts."""
        for key, value in self._store.scan(CELL):
            segment, day = unpack_cell_key(key[1:])
            tenant, name = self._names.by_code[segment]
            yield tenant, name, _date(day), unpack_cell(value)

    def close(self) -> None:
        """Lets go of the store."""
        self._store.close()

    def _mark(self, keys: Iterable[CellKey]) -> int:
        at = max(self.position - 1, 0)
        marks = dict.fromkeys(keys, at)
        self._store.write({UNPUBLISHED + pack_cell_key(key): _NUMBER.pack(at) for key in marks})
        self.unpublished |= marks
        return len(marks)

    def _pending(self, key: CellKey, today: date) -> Pending:
        tenant, segment = self._names.by_code[key[0]]
        coarse = key[1] < _days(today) - FINE_DAYS
        minutes = COARSE_MINUTES if coarse else FINE_MINUTES
        counts = by_bucket(self._cells[key], minutes)
        return Pending(key, tenant, segment, _date(key[1]), minutes, self.unpublished[key], counts)

    def _load(self, keys: Iterable[CellKey]) -> None:
        """Brings cells into memory."""
        keys = list(keys)
        missing = [key for key in keys if key not in self._cells]
        found = self._store.get_many([CELL + pack_cell_key(key) for key in missing])
        for key, value in zip(missing, found, strict=True):
            self._cells[key] = unpack_cell(value)
            self._slots += len(self._cells[key])
        for key in keys:
            self._cells.move_to_end(key)

    def _trim(self) -> None:
        while self._slots > self._most_slots:
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
