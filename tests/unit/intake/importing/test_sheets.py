"""Files of each format as columns and rows: what they hold, what is refused, and that memory does not grow."""

from __future__ import annotations

import tracemalloc
import zipfile
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import openpyxl
import pytest

from schemas.malformed import Malformed
from services.intake.importing import Import, preview, xlsx_sheet
from services.intake.importing.csv_sheet import encoding_of
from services.intake.importing.preview import shown
from services.intake.importing.rows import Cells, Torn
from services.intake.importing.sheets import open_sheet
from tests.support.sheets import write

TEXT = "Skóre;Komentář\n9;Příliš žluťoučký kůň\n"


def rows_of(
    path: Path, name: str | None = None, encoding: str | None = None
) -> tuple[Sequence[str], list[Cells | Torn]]:
    with open_sheet(path, name, encoding) as sheet:
        return sheet.columns, [cells for _, cells in sheet.rows()]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_unicode_is_told_by_its_bytes(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(TEXT.encode(encoding))
    assert rows_of(file) == (["Skóre", "Komentář"], [["9", "Příliš žluťoučký kůň"]])


def test_any_other_encoding_must_be_told(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(TEXT.encode("windows-1250"))
    with pytest.raises(Malformed, match=r"encoding: not UTF-8 .*windows-1250"):
        rows_of(file)
    assert rows_of(file, encoding="windows-1250")[1] == [["9", "Příliš žluťoučký kůň"]]


def test_a_letter_cut_in_two_at_the_end_of_what_is_looked_at_is_no_error() -> None:
    assert encoding_of("ž".encode()[:1]) == "utf-8"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_told_by_the_header(tmp_path: Path, delimiter: str) -> None:
    file = tmp_path / "a.csv"
    file.write_text(
        f"NPS{delimiter}Why\n9{delimiter}a, b; c\n" if delimiter not in ",;" else f"NPS{delimiter}Why\n9{delimiter}x\n"
    )
    assert rows_of(file)[0] == ["NPS", "Why"]


def test_times_and_whole_numbers_of_workbooks_stay_what_they_are(tmp_path: Path) -> None:
    file = tmp_path / "a.xlsx"
    write(file, ("NPS", "Date"), [(9, datetime(2026, 3, 4, 10, 15)), (7.0, date(2026, 3, 5))])  # noqa: DTZ001 as Excel
    assert rows_of(file)[1] == [(9, datetime(2026, 3, 4, 10, 15)), (7, datetime(2026, 3, 5))]  # noqa: DTZ001 as Excel


def test_another_sheet_is_read_if_it_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.xlsx"
    write(file, ("NPS",), [(9,)])
    assert rows_of(file, "Other")[0] == ["nothing"]
    with pytest.raises(Malformed, match="sheet: none of this name; there is Answers, Other"):
        rows_of(file, "Third")


def test_a_workbook_that_says_it_is_smaller_than_it_is_is_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "a.xlsx"
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for row in (["NPS"], [9], [8]):
        sheet.append(row)
    book.save(file)
    _changed(file, "xl/worksheets/sheet1.xml", b'ref="A1:A3"', b'ref="A1:A1"')
    assert rows_of(file)[1] == [(9,), (8,)]


def test_xml_that_expands_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.xlsx"
    write(file, ("NPS",), [(9,)])
    bomb = b'<!DOCTYPE a [<!ENTITY b "bbbb">]><worksheet '
    _changed(file, "xl/worksheets/sheet1.xml", b"<worksheet ", bomb)
    with pytest.raises(Malformed, match="file: no XLSX"):
        rows_of(file)


def test_more_text_than_can_be_held_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.xlsx"
    write(file, ("NPS", "Why"), [(9, "price")])
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("xl/sharedStrings.xml", "<sst><si><t>price</t></si></sst>")
    monkeypatch.setattr(xlsx_sheet, "MOST_TEXT_BYTES", 10)
    with pytest.raises(Malformed, match="save it as CSV"):
        rows_of(file)


@pytest.mark.parametrize("name", ["a.xlsx", "a.parquet"])
def test_what_is_not_what_it_is_called_is_refused(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_text("NPS\n9\n")
    with pytest.raises(Malformed, match="file: no "):
        rows_of(file)


def test_formats_nobody_reads_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.xls"
    file.write_bytes(b"\xd0\xcf")
    with pytest.raises(Malformed, match="save it as CSV"):
        rows_of(file)


@pytest.mark.parametrize("name", ["a.csv", "a.ndjson", "a.parquet", "a.xlsx"])
def test_an_empty_file_is_refused_or_has_no_rows(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(b"")
    with pytest.raises(Malformed):
        rows_of(file)


@pytest.mark.parametrize("name", ["a.csv", "a.ndjson", "a.parquet", "a.xlsx"])
def test_memory_does_not_grow_with_the_number_of_rows(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    write(file, ("NPS", "Why"), [(number % 11, "because " * 20) for number in range(20_000)])
    with open_sheet(file, None, None) as sheet:
        rows = sheet.rows()
        for _ in range(2_500):
            next(rows)
        tracemalloc.start()
        try:
            for _ in rows:
                pass
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 2 * 1024 * 1024


def test_the_preview_masks_what_is_personal(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("NPS,E-mail,Colour\n9,jane.doe@example.org,red\n9,,\n8,x@example.org,\n")
    assert [(one.column, one.target, one.samples) for one in preview(Import(file, "default"))] == [
        ("NPS", "score", ("9", "8")),
        ("E-mail", "email", ("j*.d*@e*.o*", "x*@e*.o*")),
        ("Colour", None, ("r*",)),
    ]


def test_a_long_value_is_cut_in_the_preview() -> None:
    assert shown("x" * 100, "touchpoint") == "x" * 29 + "…"


def test_days_that_could_be_others_are_refused_before_anything_starts(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("NPS,Date\n9,25/12/2025\n8,03/04/2026\n")
    with pytest.raises(Malformed, match="answered_at: day or month first"):
        preview(Import(file, "default"))
    assert preview(Import(file, "default", date_order="dmy"))


def test_parquet_keeps_times_with_their_offset(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    at = datetime(2026, 3, 4, 10, 15, tzinfo=UTC)
    write(file, ("NPS", "Date"), [(9, at), (None, None)])
    assert rows_of(file)[1] == [(9, at), (None, None)]


def _changed(file: Path, part: str, old: bytes, new: bytes) -> None:
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    assert old in parts[part]
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content.replace(old, new, 1) if name == part else content)
