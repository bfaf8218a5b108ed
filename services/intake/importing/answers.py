"""A row as an answer: each cell read as what its field is. What does not fit stays text, and is refused by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import lru_cache, partial
from typing import Any, Final

from pydantic import ValidationError

from schemas.contract import is_channel
from schemas.malformed import Malformed
from schemas.response import Submission
from services.intake.importing.columns import ATTRIBUTE, NESTED, SEGMENT
from services.intake.importing.moments import Ambiguous, from_day, in_utc, moment_of
from services.intake.importing.rows import NOTES, Cells, Torn

BOOLEANS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
MOMENTS: Final = frozenset({"answered_at", "updated_at"})
FLAGS: Final = frozenset({"callback_requested", "solicited", "test", "history"})
INTEGERS: Final = frozenset({"score", "revision"})

_POINTS: Final = {str(points): points for points in range(11)}
_WHOLE: Final = frozenset(Submission.model_fields)
_INTEGER: Final = re.compile(r"([+-]?[0-9]{1,18})(?:\.0+)?")  # programs that know no empty integers write 9.0

Read = Callable[[Any], Any]  # a cell of any type, as what its field is


class Reading:
    """How rows of one file become answers."""

    def __init__(self, columns: Sequence[str], targets: Sequence[str | None], date_order: str | None) -> None:
        """`targets` are the fields of the columns; `date_order` says how days are written, see `moments`."""
        named = [(index, name) for index, name in enumerate(targets) if name]
        self._targets = frozenset(name for _, name in named)
        self._fields = [(index, name, _reader_of(name, date_order)) for index, name in named if name in _WHOLE]
        self._parts = [(index, *_place_of(name)) for index, name in named if name not in _WHOLE]
        self._width = len(columns)
        self._told = not NOTES.issuperset(columns)

    def check(self) -> None:
        """Whether an answer can come of these columns at all.

        Raises:
            Malformed: if none of them holds the answer itself.
        """
        if self._told and not self._targets & {"score", "rating", "op"}:
            raise Malformed.of("header", "no column holds the score: say --map COLUMN=score")

    def check_moments(self, cells: Cells | Torn) -> None:
        """Whether the times in a row can be read in one way alone.

        Raises:
            Malformed: if somebody must say which day is meant.
        """
        if isinstance(cells, Torn):
            return
        for index, name, read in self._fields:
            if name in MOMENTS:
                read(cells[index])

    def answer(self, cells: Cells | Torn) -> Submission:
        """The answer in a row.

        Raises:
            Malformed: naming each field and the reason.
        """
        if isinstance(cells, Torn):
            raise Malformed.of("row", cells.reason)
        values: dict[str, Any] = {}  # fields of any type, checked by the model
        for index, name, read in self._fields:
            cell = cells[index]
            if cell is not None and cell != "":
                cell = read(cell)
                if cell is not None:
                    values[name] = cell
        for index, name, key in self._parts:
            text = _text(cells[index])
            if text is not None:
                values.setdefault(name, {})[key] = text
        if len(cells) > self._width:
            values |= cells[self._width]
        try:
            # what model_validate calls once it has looked at its options
            submission: Submission = Submission.__pydantic_validator__.validate_python(values)
        except ValidationError as error:
            raise Malformed.from_validation(error) from error
        return submission


def _place_of(target: str) -> tuple[str, str]:
    for prefix, name in ((SEGMENT, "segments"), (ATTRIBUTE, "attributes")):
        if target.startswith(prefix):
            return name, target.removeprefix(prefix)
    name, _, key = target.partition(".")
    return name, key


def _reader_of(name: str, date_order: str | None) -> Read:
    if name in INTEGERS:
        return _integer
    if name in MOMENTS:
        return partial(_moment, name, date_order)
    if name in FLAGS:
        return _flag
    if name in NESTED:
        return _as_it_is
    if name == "channel":
        return _channel
    return _number if name == "rating" else _text


def _as_it_is(cell: Any) -> Any:  # a cell of any type
    return cell


def _text(cell: Any) -> Any:  # a cell of any type; what cannot be text is left to the model to refuse
    """Text without what stands around it; numbers as people write them; none if nothing is there."""
    if isinstance(cell, str):
        return cell.strip() or None
    if isinstance(cell, dict | list):
        return cell
    if cell is None or cell != cell:  # noqa: PLR0124 not a number: what Parquet has where nothing is
        return None
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return str(cell).strip() or None


def _integer(cell: Any) -> object:  # a cell of any type
    if isinstance(cell, str) and cell in _POINTS:
        return _POINTS[cell]
    text = _text(cell)
    found = _INTEGER.fullmatch(text) if isinstance(text, str) else None
    return int(found[1]) if found else text


def _number(cell: Any) -> object:  # a cell of any type
    text = _text(cell)
    try:
        return float(text) if text else None
    except (ValueError, TypeError):
        return text


def _flag(cell: Any) -> object:  # a cell of any type
    text = _text(cell)
    return BOOLEANS.get(text.lower(), text) if isinstance(text, str) else text


def _channel(cell: Any) -> object:  # a cell of any type
    """In the form that names of channels have: people write In-App where we have in_app."""
    text = _text(cell)
    return _as_channel(text) if isinstance(text, str) else text


@lru_cache(maxsize=1_000)
def _as_channel(text: str) -> str:
    return text if is_channel(text) else re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") or text


def _moment(name: str, date_order: str | None, cell: Any) -> object:  # a cell of any type
    if isinstance(cell, str):
        return _written_moment(name, date_order, cell)
    if isinstance(cell, datetime):
        return in_utc(cell) if cell == cell else None  # noqa: PLR0124 pandas has a time that is none
    return from_day(cell) if isinstance(cell, date) else _text(cell)


def _written_moment(name: str, date_order: str | None, cell: str) -> object:
    text = cell.strip()
    if not text:
        return None
    try:
        return moment_of(text, date_order) or text
    except Ambiguous as error:
        raise Malformed.of(name, "day or month first? say --date-format dmy or mdy") from error
