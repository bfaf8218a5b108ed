"""Cells: counts of one segment and UTC day within one source partition, in memory, in the store and as published."""

from __future__ import annotations

import struct
from array import array
from collections import Counter
from collections.abc import Mapping
from typing import Final

from services.scoring.windows import FINE_MINUTES

BUCKET_S: Final = FINE_MINUTES * 60
BUCKETS_A_DAY: Final = 24 * 3600 // BUCKET_S
SCORES: Final = 11
SLOTS_A_DAY: Final = BUCKETS_A_DAY * SCORES

Cell = dict[int, int]
"""Counts of one segment and day: bucket of the day times eleven plus score, to how many."""

CellKey = tuple[int, int]
"""Number of the segment, day since 1970."""

Slots = dict[tuple[int, ...], list[int]]
"""By the segments it counts in: bucket since 1970 times eleven plus score, once for each answer."""

_CELL_KEY: Final = struct.Struct(">Ii")


def pack_cell(cell: Cell) -> bytes:
    """Sparse: zeros are left out."""
    slots = array("H", cell.keys())
    return slots.tobytes() + array("I", cell.values()).tobytes()


def unpack_cell(content: bytes | None) -> Cell:
    """The inverse of `pack_cell`; an absent cell is empty."""
    if not content:
        return {}
    slots, counts = array("H"), array("I")
    size = len(content) // (slots.itemsize + counts.itemsize)
    slots.frombytes(content[: size * slots.itemsize])
    counts.frombytes(content[size * slots.itemsize :])
    return dict(zip(slots, counts, strict=True))


def pack_cell_key(key: CellKey) -> bytes:
    """Sorts by segment, then day."""
    return _CELL_KEY.pack(*key)


def unpack_cell_key(content: bytes) -> CellKey:
    """The inverse of `pack_cell_key`."""
    segment, day = _CELL_KEY.unpack(content)
    return segment, day


def differences(more: Slots, less: Slots) -> dict[CellKey, Cell]:
    """What a run of answers adds to and takes from each cell, one that ends as it began among them.

    What was true in between may have been published by an earlier owner, who read the run in other pieces.
    """
    by_segment: dict[int, Counter[int]] = {}
    for segments, slots in more.items():
        for segment in segments:
            by_segment.setdefault(segment, Counter()).update(slots)
    for segments, slots in less.items():
        for segment in segments:
            by_segment.setdefault(segment, Counter()).subtract(slots)
    found: dict[CellKey, Cell] = {}
    for segment, counts in by_segment.items():
        for slot, by in counts.items():
            day, place = divmod(slot, SLOTS_A_DAY)
            cell = found.get((segment, day))
            if cell is None:
                cell = found[segment, day] = {}
            if by:
                cell[place] = by
    return found


def apply(cell: Cell, delta: Mapping[int, int]) -> None:
    """Changes a cell.

    Raises:
        AssertionError: if a count would fall below zero, which no log can bring about.
    """
    for slot, by in delta.items():
        count = cell.get(slot, 0) + by
        assert count >= 0, f"slot {slot} would hold {count} answers"
        if count:
            cell[slot] = count
        else:
            cell.pop(slot, None)


def by_bucket(cell: Cell, minutes: int) -> dict[int, dict[int, int]]:
    """A cell's counts by bucket of so many minutes, and by score; both in order."""
    width = minutes // FINE_MINUTES * SCORES
    counts: dict[int, dict[int, int]] = {}
    for slot in sorted(cell):
        bucket, score = slot // width, slot % SCORES
        scores = counts.get(bucket)
        if scores is None:
            scores = counts[bucket] = {}
        scores[score] = scores.get(score, 0) + cell[slot]
    return counts
