"""What a file holds, before anything of it goes in: each column, what it is taken for, and a few of its values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import Final

from services.intake.importing.columns import is_personal, targets
from services.intake.importing.importer import Import, reading_of
from services.intake.importing.rows import NOTES, Torn
from services.intake.importing.sheets import open_sheet

ROWS_LOOKED_AT: Final = 1_000
SAMPLES: Final = 3
LONGEST_SAMPLE: Final = 30

_WORD: Final = re.compile(r"(\w)\w*")


@dataclass(frozen=True, slots=True)
class Seen:
    """One column: what it is called, the field it is taken for, none if it is left out, and a few values."""

    column: str
    target: str | None
    samples: tuple[str, ...]


def preview(what: Import) -> list[Seen]:
    """Looks at the beginning of a file.

    Raises:
        Malformed: if it cannot be read, no column holds the answer, or a day could be read in two ways.
    """
    with open_sheet(what.path, what.sheet, what.encoding) as sheet:
        reading = reading_of(sheet, what)
        found = targets(sheet.columns, what.wishes)
        samples: list[dict[str, None]] = [{} for _ in found]
        for _, cells in islice(sheet.rows(), ROWS_LOOKED_AT):
            reading.check_moments(cells)
            for values, cell in zip(samples, () if isinstance(cells, Torn) else cells, strict=False):
                if cell is not None and cell != "" and len(values) < SAMPLES:
                    values[str(cell)] = None
        return [
            Seen(column, target, tuple(shown(value, target) for value in values))
            for column, target, values in zip(sheet.columns, found, samples, strict=True)
            if column not in NOTES
        ]


def shown(value: str, target: str | None) -> str:
    """A value as it may be shown: of what is personal the first letter of each word alone."""
    text = _WORD.sub(r"\1*", value) if is_personal(target) else value
    return text if len(text) <= LONGEST_SAMPLE else text[: LONGEST_SAMPLE - 1] + "…"
