"""Parquet: read batch by batch, so that memory holds a batch and one group of rows at most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.malformed import Malformed
from services.intake.importing.rows import Entry

ROWS_AT_ONCE: Final = 2_000


class ParquetSheet:
    """One open Parquet file."""

    def __init__(self, path: Path) -> None:
        """Reads the schema.

        Raises:
            Malformed: if it is no Parquet.
        """
        try:
            self._file = pq.ParquetFile(path, pre_buffer=False)
        except (pa.ArrowException, OSError) as error:
            raise Malformed.of("file", "no Parquet") from error
        self.columns: Final[Sequence[str]] = list(self._file.schema_arrow.names)
        self._read = 0

    def rows(self) -> Iterator[Entry]:
        """Every row; timestamps finer than microseconds are cut."""
        try:
            for batch in self._file.iter_batches(batch_size=ROWS_AT_ONCE, use_threads=False):
                columns = [_values(column) for column in batch.columns]
                yield from enumerate(zip(*columns, strict=True), start=self._read + 1)
                self._read += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            raise Malformed.of("file", f"cannot be read after row {self._read}: {type(error).__name__}") from error

    def read(self) -> int:
        """Rows read so far."""
        return self._read

    def size(self) -> int:
        """Rows of the file."""
        return int(self._file.metadata.num_rows)


def _values(column: pa.Array) -> list[object]:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", tz=column.type.tz), safe=False)
    values: list[object] = column.to_pylist()
    return values
