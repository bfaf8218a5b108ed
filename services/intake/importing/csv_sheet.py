"""CSV: which encoding and delimiter a file has, and its rows with the lines they begin on.

UTF-8 with and without a byte order mark and UTF-16 are told apart by the bytes. The Windows code pages are not: any
bytes are text in each of them, so a file that is no Unicode is refused until somebody says which it is.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, Final

from schemas.malformed import Malformed
from services.intake.importing.rows import Entry, Torn

DELIMITERS: Final = ",;\t|"
ENCODINGS: Final = ("utf-8", "utf-16", "windows-1250", "windows-1251", "windows-1252")
SAMPLE_BYTES: Final = 1024 * 1024

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class CsvSheet:
    """One open CSV file."""

    def __init__(self, path: Path, raw: BinaryIO, encoding: str | None) -> None:
        """Reads the header.

        Raises:
            Malformed: if the encoding must be told, or there is no header.
        """
        self._raw = raw
        self._size = path.stat().st_size
        sample = raw.read(SAMPLE_BYTES)
        raw.seek(0)
        named = encoding_of(sample) if encoding is None else encoding.replace("utf-8", "utf-8-sig")
        self._file = TextIOWrapper(raw, encoding=named, errors="surrogateescape", newline="")
        self._taken: list[str] = []
        delimiter = max(DELIMITERS, key=self._file.readline().count)
        self._file.seek(0)
        self._rows = csv.reader(self._lines(), delimiter=delimiter, strict=True)
        self.columns: Final[Sequence[str]] = self._header()

    def rows(self) -> Iterator[Entry]:
        """Every row; one that breaks off, or has more cells than there are columns, is torn."""
        width, rows = len(self.columns), self._rows
        while True:
            self._taken.clear()
            before = rows.line_num
            try:
                cells = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                yield before + 1, Torn(self._text(), f"no CSV: {error}")
                continue
            if len(cells) == width:
                yield before + 1, cells
            elif len(cells) > width:
                yield before + 1, Torn(self._text(), "more cells than there are columns")
            elif cells:
                yield before + 1, [*cells, *[""] * (width - len(cells))]

    def read(self) -> int:
        """Bytes read so far."""
        return self._raw.tell()

    def size(self) -> int:
        """Bytes of the file."""
        return self._size

    def _lines(self) -> Iterator[str]:
        """The lines of the file; those of the row in hand are kept, for what cannot be divided."""
        keep = self._taken.append
        for line in self._file:
            keep(line)
            yield line

    def _text(self) -> str:
        return "".join(self._taken).rstrip("\r\n")

    def _header(self) -> list[str]:
        try:
            columns = next((cells for cells in self._rows if cells), None)
        except csv.Error as error:
            raise Malformed.of("header", f"no CSV: {error}") from error
        if not columns:
            raise Malformed.of("header", "the file is empty")
        return [name.strip() for name in columns]


def encoding_of(sample: bytes) -> str:
    """The encoding of a text that begins so.

    Raises:
        Malformed: if it is no Unicode, so that somebody must say what it is.
    """
    for mark, named in _MARKS:
        if sample.startswith(mark):
            return named
    # of text in our alphabets at least the delimiters and digits have a zero byte in UTF-16, and none has one in UTF-8
    zeros = sample[:1000].count(0, 0, 1000)
    if zeros:
        low = sample[1:1000:2].count(0)
        return "utf-16-le" if low > zeros - low else "utf-16-be"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError as error:
        raise Malformed.of(
            "encoding", f"not UTF-8 (byte {error.start}): say which it is, for example {', '.join(ENCODINGS[2:])}"
        ) from error
    return "utf-8"
