"""Files with answers in each format that is imported."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

Rows = Sequence[Sequence[object]]


def write(path: Path, columns: Sequence[str], rows: Rows) -> None:
    """A file in the format its name tells."""
    _WRITERS[path.suffix](path, columns, rows)


def _csv(path: Path, columns: Sequence[str], rows: Rows) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns, *rows])


def _ndjson(path: Path, columns: Sequence[str], rows: Rows) -> None:
    path.write_text("".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows))


def _parquet(path: Path, columns: Sequence[str], rows: Rows) -> None:
    pq.write_table(pa.table(dict(zip(columns, zip(*rows, strict=True), strict=True))), path, row_group_size=1_000)


def _xlsx(path: Path, columns: Sequence[str], rows: Rows) -> None:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Answers")
    for row in (columns, *rows):
        sheet.append(list(row))
    book.create_sheet("Other").append(["nothing"])
    book.save(path)


_WRITERS = {".csv": _csv, ".ndjson": _ndjson, ".parquet": _parquet, ".xlsx": _xlsx}
