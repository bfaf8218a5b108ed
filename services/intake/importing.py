"""Answers out of files: CSV with columns named as the fields of an answer, or NDJSON with one answer a line.

Good rows go in, bad ones into a reject file of the same form, with line and reason; what stands there for people to
read is passed over when that file is imported. The same file imported twice counts once: a row
without an id gets one from the file's digest and its number.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import TextIOWrapper
from itertools import count, islice
from pathlib import Path
from typing import IO, Any, Final, Self

from pydantic_core import from_json, to_json

from schemas.malformed import Malformed
from schemas.response import Submission
from schemas.topic import decode_json
from services.chassis.clock import Clock
from services.intake.domain import Arrival
from services.intake.door import Door

ROWS_AT_ONCE: Final = 500
CHANNEL: Final = "import"
SEGMENT: Final = "segment."
ATTRIBUTE: Final = "attribute."
AGENT: Final = "agent."
DELIMITERS: Final = ",;\t"
BOOLEANS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
MOMENTS: Final = frozenset({"answered_at", "updated_at"})
FLAGS: Final = frozenset({"callback_requested", "solicited", "test", "history"})
INTEGERS: Final = frozenset({"score", "revision"})
NESTED: Final = frozenset({"segments", "attributes", "agent"})
COLUMNS: Final = frozenset(Submission.model_fields) - NESTED
LINE: Final = "line"
REASON: Final = "reason"
UNREADABLE: Final = "unreadable"
"""Holds, in a reject file, a whole row that cannot be divided into its columns."""

NOTES: Final = (LINE, REASON, UNREADABLE)

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}")

Cells = dict[str, Any]  # JSON values of an answer to be


@dataclass(frozen=True, slots=True)
class Import:
    """What to import and as what."""

    path: Path
    tenant: str
    act: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file: its number, the line it begins on, its cells as they are, and its answer or why it is none."""

    number: int
    line: int
    original: Cells
    content: Submission | Malformed


@dataclass(slots=True)
class Report:
    """How an import went; `rejects` is the file with what was not accepted."""

    rows: int = 0
    accepted: int = 0
    rejected: int = 0
    rejects: Path | None = None


class Importer:
    """Takes one file in."""

    def __init__(self, what: Import, door: Door, clock: Clock) -> None:
        self._what = what
        self._door = door
        self._clock = clock
        self.report = Report()

    async def run(self, progress: Callable[[Report, int], None]) -> Report:
        """Imports the file; `progress` is told how far it is, with the bytes read.

        Raises:
            Malformed: if the file as a whole cannot be read: no header, an unknown column.
            Transient: if nothing can be accepted; importing again loses and doubles nothing.
        """
        path = self._what.path
        self._digest = _digest(path)
        with path.open("rb") as raw, _Rejects(path) as rejects:
            file = TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="")
            rows = _ndjson_rows(file) if _is_ndjson(path) else _csv_rows(file)
            while group := list(islice(rows, ROWS_AT_ONCE)):
                await self._take(group, rejects)
                progress(self.report, raw.tell())
            self.report.rejects = rejects.path if self.report.rejected else None
        return self.report

    async def _take(self, group: list[Row], rejects: _Rejects) -> None:
        now = self._clock.now()
        sound = [row for row in group if isinstance(row.content, Submission)]
        admitted = await self._door.admit([self._arrival(row, now) for row in sound], now)
        results = dict(zip((row.number for row in sound), admitted, strict=True))
        self.report.rows += len(group)
        for row in group:
            result = results.get(row.number, row.content)
            if isinstance(result, Malformed):
                self.report.rejected += 1
                rejects.write(row, result)
            else:
                self.report.accepted += 1

    def _arrival(self, row: Row, now: datetime) -> Arrival:
        assert isinstance(row.content, Submission), "sound rows alone"
        return Arrival(
            submission=row.content,
            tenant=row.content.tenant or self._what.tenant,
            channel=row.content.channel or CHANNEL,
            received_at=now,
            identity=f"file|{self._digest}|{row.number}",
            history=not self._what.act,
        )


class _Rejects:
    """The reject file: made at the first bad row, so that a clean import leaves none."""

    def __init__(self, source: Path) -> None:
        self.path = source.with_name(f"{source.stem}.rejected{source.suffix if _is_ndjson(source) else '.csv'}")
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._file:
            self._file.close()

    def write(self, row: Row, error: Malformed) -> None:
        """Line, reason, and the row as it was."""
        if self._file is None:
            self._file = self.path.open("w", encoding="utf-8", errors="surrogateescape", newline="")
            self._write = _json_writer(self._file) if _is_ndjson(self.path) else _csv_writer(self._file, row.original)
        self._write({LINE: row.line, REASON: str(error), **row.original})


def _csv_writer(file: IO[str], columns: Iterable[str]) -> Callable[[Cells], object]:
    writer = csv.DictWriter(file, [LINE, REASON, *columns])
    writer.writeheader()
    return writer.writerow


def _json_writer(file: IO[str]) -> Callable[[Cells], object]:
    return lambda told: file.write(to_json(told, inf_nan_mode="constants").decode() + "\n")


class _Lines:
    """The lines of a file, and those that the row in hand was read from."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._number = 0
        self._taken: list[str] = []

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = next(self._file)
        self._number += 1
        if self._taken or line.strip("\r\n"):  # a row begins after the blank lines before it
            self._taken.append(line)
        return line

    def take(self) -> tuple[int, str]:
        """The line the row begins on, and its text; the next row begins after it."""
        first, text = self._number - len(self._taken) + 1, "".join(self._taken)
        self._taken = []
        return first, text


def _csv_rows(file: IO[str]) -> Iterator[Row]:
    header = file.readline()
    file.seek(0)
    delimiter = max(DELIMITERS, key=header.count)
    lines = _Lines(file)
    reader = csv.DictReader(lines, delimiter=delimiter, strict=True)
    columns = _checked_columns(reader)
    lines.take()
    for number in count(1):
        cells: dict[str | None, Any] = {}  # csv's cells: text, none where the row is short, a list where it is long
        try:
            cells = next(reader)
            content = _read(_csv_answer, cells)
        except StopIteration:
            return
        except csv.Error as error:
            content = Malformed.of("row", f"no CSV: {error}")
        line, text = lines.take()
        yield Row(number, line, _original(columns, cells, text), content)


def _original(columns: Sequence[str], cells: Mapping[str | None, Any], text: str) -> Cells:
    """The cells by column; of a row that has none, or more than there are columns, its text as a whole."""
    if not cells or None in cells:
        return {**dict.fromkeys(columns, ""), UNREADABLE: text.rstrip("\r\n")}
    return {**{name: cells[name] or "" for name in columns}, UNREADABLE: cells.get(UNREADABLE) or ""}


def _checked_columns(reader: csv.DictReader[str]) -> list[str]:
    """The columns that an answer is made of.

    Raises:
        Malformed: if the header cannot be read, or names what no answer has.
    """
    try:
        named = list(reader.fieldnames or ())
    except csv.Error as error:
        raise Malformed.of("header", f"no CSV: {error}") from error
    if not named:
        raise Malformed.of("header", "the file is empty")
    columns = [name for name in named if name not in NOTES]
    unknown = [name for name in columns if not _is_column(name)]
    if unknown:
        raise Malformed.of("header", f"unknown column {', '.join(unknown)}; segments are segment.<name>")
    if len(set(named)) != len(named):
        raise Malformed.of("header", "a column stands there twice")
    return columns


def _is_column(name: str) -> bool:
    return name in COLUMNS or name.startswith((SEGMENT, ATTRIBUTE)) or name in {"agent.id", "agent.team"}


def _is_ndjson(path: Path) -> bool:
    return path.suffix in {".ndjson", ".jsonl"}


def _ndjson_rows(file: IO[str]) -> Iterator[Row]:
    for number, line in enumerate(file, start=1):
        if line.strip():
            yield _json_row(number, line.strip().encode(errors="surrogateescape"))


def _json_row(number: int, line: bytes) -> Row:
    try:
        told = from_json(line)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        return Row(number, number, {UNREADABLE: line.decode(errors="backslashreplace")}, _read(_json_answer, line))
    original = {name: value for name, value in told.items() if name not in {LINE, REASON}}
    noted = not told.keys().isdisjoint(NOTES)
    answer = {name: value for name, value in told.items() if name not in NOTES}
    sent = to_json(answer, inf_nan_mode="constants") if noted else line
    return Row(number, number, original, _read(_json_answer, sent))


def _read(parse: Callable[[Any], Submission], content: object) -> Submission | Malformed:
    try:
        return parse(content)
    except Malformed as error:
        return error


def _json_answer(line: bytes) -> Submission:
    return decode_json(Submission, line)


def _csv_answer(cells: dict[str | None, Any]) -> Submission:
    if None in cells:
        raise Malformed.of("row", "more cells than there are columns")
    answer: Cells = {}
    for column, cell in cells.items():
        text = (cell or "").strip()
        if not text or column is None or column in NOTES:
            continue
        if not text.isascii() and any("\udc80" <= char <= "\udcff" for char in text):
            raise Malformed.of(column, "not UTF-8")
        _place(answer, column, text)
    return decode_json(Submission, json.dumps(answer).encode())


def _place(answer: Cells, column: str, text: str) -> None:
    """Puts a cell where the answer has it, as what the field is; what does not fit stays text."""
    for prefix, field in ((SEGMENT, "segments"), (ATTRIBUTE, "attributes"), (AGENT, "agent")):
        if column.startswith(prefix):
            answer.setdefault(field, {})[column.removeprefix(prefix)] = text
            return
    if column in INTEGERS:
        answer[column] = int(text) if _INTEGER.fullmatch(text) else text
    elif column == "rating":
        answer[column] = _number(text)
    elif column in FLAGS:
        answer[column] = BOOLEANS.get(text.lower(), text)
    elif column in MOMENTS:
        answer[column] = _moment(text)
    else:
        answer[column] = text


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _moment(text: str) -> str:
    """Spreadsheets rarely know offsets: a time without one is UTC, a day without a time begins at midnight."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return moment.isoformat() + ("" if moment.tzinfo else "Z")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
