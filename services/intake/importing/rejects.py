"""The reject file: what was not accepted, with line and reason, so that it can be mended and imported."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Self

from pydantic_core import to_json

from schemas.malformed import Malformed
from services.intake.importing.rows import LINE, NOTES, REASON, UNREADABLE, Cells, Torn, by_column
from services.intake.importing.sheets import is_ndjson


class Rejects:
    """Made at the first bad row, so that a clean import leaves none. NDJSON for NDJSON, else CSV."""

    def __init__(self, source: Path, columns: Sequence[str], kept: int, *, written: bool = True) -> None:
        """`kept` is how many bytes an import that goes on finds of its own; what is beyond them comes again.

        What only looks has nothing `written`.
        """
        self._written = written
        self._ndjson = is_ndjson(source)
        self._columns = columns
        self._kept = kept
        self.path = source.with_name(f"{source.stem}.rejected{source.suffix if self._ndjson else '.csv'}")
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._file:
            self._file.close()

    def write(self, line: int, error: Malformed, cells: Cells | Torn) -> None:
        """Line, reason, and the row as it was."""
        if not self._written:
            return
        if self._file is None:
            self._file = self._opened()
        self._write({LINE: line, REASON: str(error), **self._original(cells)})

    def synced(self) -> int:
        """Has the disk hold all of it; returns its size."""
        if self._file is None:
            return self._kept
        self._file.flush()
        os.fsync(self._file.fileno())
        return os.fstat(self._file.fileno()).st_size

    def _opened(self) -> IO[str]:
        goes_on = 0 < self._kept <= (self.path.stat().st_size if self.path.exists() else 0)
        file = self.path.open("r+" if goes_on else "w", encoding="utf-8", errors="surrogateescape", newline="")
        if goes_on:
            file.truncate(self._kept)
            file.seek(0, os.SEEK_END)
        self._write = _json_writer(file) if self._ndjson else _csv_writer(file, self._columns, header=not goes_on)
        return file

    def _original(self, cells: Cells | Torn) -> Mapping[str, Any]:  # cells are of any type
        named = by_column(self._columns, cells)
        if not self._ndjson:
            return {name: "" if cell is None else cell for name, cell in named.items()}
        others = {} if isinstance(cells, Torn) or len(cells) == len(self._columns) else cells[len(self._columns)]
        return {name: cell for name, cell in named.items() if cell is not None} | others


def _csv_writer(file: IO[str], columns: Sequence[str], *, header: bool) -> Callable[[Mapping[str, Any]], object]:
    writer = csv.DictWriter(file, [LINE, REASON, *(name for name in columns if name not in NOTES), UNREADABLE])
    if header:
        writer.writeheader()
    return writer.writerow


def _json_writer(file: IO[str]) -> Callable[[Mapping[str, Any]], object]:
    return lambda told: file.write(to_json(told, inf_nan_mode="constants").decode() + "\n")
