"""Opens a file as what its name says it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from schemas.malformed import Malformed
from services.intake.importing.csv_sheet import CsvSheet
from services.intake.importing.ndjson_sheet import NdjsonSheet
from services.intake.importing.rows import Sheet

NDJSON: Final = frozenset({".ndjson", ".jsonl"})
PARQUET: Final = frozenset({".parquet", ".pq"})
XLSX: Final = frozenset({".xlsx", ".xlsm"})
UNREAD: Final = frozenset({".xls", ".xlsb", ".ods", ".numbers", ".json", ".zip", ".gz"})
"""Formats we do not read; anything else is taken for CSV."""


def is_ndjson(path: Path) -> bool:
    """Whether a file holds an object a line."""
    return path.suffix.lower() in NDJSON


@contextmanager
def open_sheet(path: Path, name: str | None, encoding: str | None) -> Iterator[Sheet]:
    """A file as columns and rows; `name` is that of a sheet in a workbook, `encoding` that of a CSV.

    Raises:
        Malformed: if it cannot be read as that.
    """
    suffix = path.suffix.lower()
    if suffix in UNREAD:
        raise Malformed.of("file", f"{suffix} is not read: save it as CSV, NDJSON, Parquet or XLSX")
    with ExitStack() as stack:
        if suffix in PARQUET:
            from services.intake.importing.parquet_sheet import ParquetSheet  # noqa: PLC0415 takes 50 MiB to load

            yield ParquetSheet(path)
        elif suffix in XLSX:
            from services.intake.importing.xlsx_sheet import XlsxSheet  # noqa: PLC0415 slow to load

            yield XlsxSheet(stack.enter_context(path.open("rb")), name)
        else:
            raw = stack.enter_context(path.open("rb"))
            yield NdjsonSheet(path, raw) if suffix in NDJSON else CsvSheet(path, raw, encoding)
