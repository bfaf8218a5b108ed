"""NDJSON: one object a line. Columns are the keys of the first lines; what comes up later stands where it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

from pydantic_core import from_json

from schemas.malformed import Malformed
from services.intake.importing.rows import NOTES, UNREADABLE, Entry, Torn

LOOKED_AT: Final = 100
LONGEST_LINE: Final = 1024 * 1024


class NdjsonSheet:
    """One open NDJSON file. A row's cells are those of the columns, and after them the object of all other keys."""

    def __init__(self, path: Path, raw: BinaryIO) -> None:
        """Looks at the first lines.

        Raises:
            Malformed: if there is nothing in the file.
        """
        self._raw = raw
        self._size = path.stat().st_size
        found: dict[str, None] = {}
        lines = 0
        for line in islice(raw, LOOKED_AT):
            lines += 1
            found |= dict.fromkeys(_object(line) or ())
        if not lines:
            raise Malformed.of("file", "empty")
        raw.seek(0)
        self.columns: Final[Sequence[str]] = list(found | {UNREADABLE: None})

    def rows(self) -> Iterator[Entry]:
        """Every row; a line that is no object is torn."""
        columns = self.columns
        known = set(columns) | NOTES
        number = 0
        while line := self._raw.readline(LONGEST_LINE):
            number += 1
            if not line.strip():
                continue
            told = _object(line)
            if told is None:
                yield number, Torn(line.decode(errors="backslashreplace").strip(), "no JSON object")
                continue
            cells = [told.get(name) for name in columns]
            others = told.keys() - known
            yield number, [*cells, {name: told[name] for name in others}] if others else cells

    def read(self) -> int:
        """Bytes read so far."""
        return self._raw.tell()

    def size(self) -> int:
        """Bytes of the file."""
        return self._size


def _object(line: bytes) -> dict[str, object] | None:
    try:
        told = from_json(line)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None
