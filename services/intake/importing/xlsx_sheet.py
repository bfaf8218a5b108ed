"""XLSX: the first sheet or the one that is named, row by row.

Excel keeps all texts of a workbook in one part that has to be read first; how much of it is taken is bounded. XML
that would expand without end is refused by defusedxml, which openpyxl uses where it is installed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Final
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile, ZipFile

from defusedxml.common import DefusedXmlException
from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from schemas.malformed import Malformed
from services.intake.importing.rows import Entry

TEXTS: Final = "sharedstrings.xml"
MOST_TEXT_BYTES: Final = 64 * 1024 * 1024

_BROKEN: Final = (BadZipFile, InvalidFileException, DefusedXmlException, ParseError, KeyError, ValueError, OSError)


class XlsxSheet:
    """One open sheet of a workbook."""

    def __init__(self, raw: BinaryIO, name: str | None) -> None:
        """Reads the header, the first row that is not blank.

        Raises:
            Malformed: if it is no workbook, has no such sheet, or holds more text than is read at once.
        """
        _check_texts(raw)
        try:
            self._book = load_workbook(raw, read_only=True, data_only=True)
        except _BROKEN as error:
            raise Malformed.of("file", f"no XLSX: {type(error).__name__}") from error
        titles = self._book.sheetnames
        if name is not None and name not in titles:
            raise Malformed.of("sheet", f"none of this name; there is {', '.join(titles)}")
        sheet: Any = self._book[name or titles[0]]  # read-only sheets have a type of their own
        if not hasattr(sheet, "reset_dimensions"):
            raise Malformed.of("sheet", "holds a chart and no cells")
        self._size = int(sheet.max_row or 0)
        sheet.reset_dimensions()  # programs write wrong ones, and rows beyond them would be lost
        self._cells = enumerate(sheet.iter_rows(values_only=True), start=1)
        self._read = 0
        self.columns: Final[Sequence[str]] = self._header()

    def rows(self) -> Iterator[Entry]:
        """Every row; its line is the number that Excel shows."""
        width = len(self.columns)
        try:
            for number, cells in self._cells:
                self._read = number
                if any(cell is not None for cell in cells):
                    yield number, (*cells[:width], *(None,) * (width - len(cells)))
        except _BROKEN as error:
            raise Malformed.of("file", f"cannot be read after row {self._read}: {type(error).__name__}") from error

    def read(self) -> int:
        """Rows read so far."""
        return self._read

    def size(self) -> int:
        """Rows of the sheet; 0 if it does not say."""
        return self._size

    def _header(self) -> list[str]:
        try:
            found = next((cells for _, cells in self._cells if any(cells)), ())
        except _BROKEN as error:
            raise Malformed.of("file", f"no XLSX: {type(error).__name__}") from error
        columns = ["" if cell is None else str(cell).strip() for cell in found]
        while columns and not columns[-1]:
            columns.pop()
        if not columns:
            raise Malformed.of("header", "the sheet is empty")
        return columns


def _check_texts(raw: BinaryIO) -> None:
    try:
        with ZipFile(raw) as parts:
            size = sum(part.file_size for part in parts.infolist() if part.filename.lower().endswith(TEXTS))
    except _BROKEN as error:
        raise Malformed.of("file", f"no XLSX: {type(error).__name__}") from error
    if size > MOST_TEXT_BYTES:
        raise Malformed.of("file", f"{size // 2**20} MiB of text: save it as CSV, which is read line by line")
