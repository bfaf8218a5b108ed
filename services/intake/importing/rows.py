"""A file as columns and rows, whatever its format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

LINE: Final = "line"
REASON: Final = "reason"
UNREADABLE: Final = "unreadable"
"""Holds, in a reject file, a whole row that cannot be divided into its columns."""

NOTES: Final = frozenset({LINE, REASON, UNREADABLE})
"""What stands in reject files for people to read; passed over when such a file is imported."""

Cells = Sequence[Any]
"""The cells of one row, in the order of the columns: text, or what the format has in its place; none if empty."""


@dataclass(frozen=True, slots=True)
class Torn:
    """A row that cannot be divided into its columns: its text, and what is wrong with it."""

    text: str
    reason: str


Entry = tuple[int, Cells | Torn]
"""The line on which a row begins (in formats without lines its number), and what stands in it."""


class Sheet(Protocol):
    """An open file. Rows are read one after the other, once; memory does not grow with their number."""

    @property
    def columns(self) -> Sequence[str]:
        """The columns by name, in the order of the cells."""
        ...

    def rows(self) -> Iterator[Entry]:
        """Every row below the header; blank ones are passed over.

        Raises:
            Malformed: if the file cannot be read any further.
        """
        ...

    def read(self) -> int:
        """How much of the file has been read, in the unit of `size`."""
        ...

    def size(self) -> int:
        """How much there is to read."""
        ...


def by_column(columns: Sequence[str], cells: Cells | Torn) -> Mapping[str, Any]:
    """The cells by column, as a reject file keeps them; of a torn row its text as a whole."""
    if isinstance(cells, Torn):
        return {**{name: "" for name in columns if name not in NOTES}, UNREADABLE: cells.text}
    named = dict(zip(columns, cells, strict=False))
    return {name: named.get(name) for name in columns if name not in NOTES} | {UNREADABLE: named.get(UNREADABLE)}
