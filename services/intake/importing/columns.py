"""Which column is which field of an answer: by its own name, or by those that exports of survey tools give it.

A column nobody recognises is left out: what is in it may be personal, and a segment that nobody asked for is
counted for ever. Of two columns for one field the better name wins, and of the same name the first.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Final

import yaml

from schemas.malformed import Malformed
from schemas.response import Submission
from services.intake.domain import PERSONAL
from services.intake.importing.rows import NOTES

SEGMENT: Final = "segment."
ATTRIBUTE: Final = "attribute."
AGENT_FIELDS: Final = frozenset({"agent.id", "agent.team"})
NESTED: Final = frozenset({"segments", "attributes", "agent"})
"""Fields that are objects: NDJSON may have them so, formats with columns have a column for each part."""

FIELDS: Final = frozenset(Submission.model_fields) - NESTED | AGENT_FIELDS


@dataclass(frozen=True, slots=True)
class _Known:
    """The names in `column_names.yaml`: field and place in its list by name, and the beginnings of questions."""

    ranks: Mapping[str, tuple[str, int]]
    questions: Mapping[str, tuple[str, ...]]


_NOT_IN_A_NAME: Final = re.compile(r"[^a-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user says of columns: fields by column, and columns that are to be segments or attributes."""

    fields: Mapping[str, str] = field(default_factory=dict)
    segments: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()

    def named(self) -> set[str]:
        """Every column they speak of."""
        return {*self.fields, *self.segments, *self.attributes}


def plain(name: str) -> str:
    """A column's name in lower case, its words apart by single spaces, without signs."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return " ".join(re.sub(r"[\W_]+", " ", folded).split())


def targets(columns: Sequence[str], wishes: Wishes) -> list[str | None]:
    """The field of each column; none where it is left out.

    Raises:
        Malformed: if a wish names no column or no field, or two columns are wished for one field.
    """
    unknown = wishes.named() - set(columns)
    if unknown:
        raise Malformed.of("map", f"there is no column {min(unknown)!r}")
    doubled = next((name for name in columns if name and columns.count(name) > 1), None)
    if doubled is not None:
        raise Malformed.of("header", "a column stands there twice")
    wished = _wished(wishes)
    found: list[str | None] = [wished.get(name) for name in columns]
    taken = {name for name in found if name}
    open_for = [index for index, name in enumerate(columns) if name not in wished and name not in NOTES]
    best = {index: candidate for index in open_for if (candidate := _recognised(columns[index]))}
    for index, (name, _) in sorted(best.items(), key=lambda one: (one[1][1], one[0])):
        if name not in taken:
            taken.add(name)
            found[index] = name
    return found


def is_personal(target: str | None) -> bool:
    """Whether what stands in a column may tell who somebody is; of one that is left out nobody knows."""
    return target is None or target in PERSONAL or target.startswith((ATTRIBUTE, "agent."))


def is_field(name: str) -> bool:
    """Whether an answer has such a field, segments and attributes among them."""
    return name in FIELDS or any(name.startswith(prefix) and name != prefix for prefix in (SEGMENT, ATTRIBUTE))


def segment_named(column: str) -> str:
    """The segment that a column becomes: its name in the form that segments have.

    Raises:
        Malformed: if nothing is left of the name in that form.
    """
    ascii_name = unicodedata.normalize("NFKD", column).encode("ascii", "ignore").decode().lower()
    name = _NOT_IN_A_NAME.sub("_", ascii_name).strip("_.-")[:40]
    if not name:
        raise Malformed.of("segment", f"{column!r} has no letters a to z: say --map {column}=segment.<name>")
    return SEGMENT + name


def _wished(wishes: Wishes) -> dict[str, str | None]:
    wished: dict[str, str | None] = {column: name or None for column, name in wishes.fields.items()}
    wished |= {column: segment_named(column) for column in wishes.segments}
    wished |= {column: ATTRIBUTE + column for column in wishes.attributes}
    chosen = [name for name in wished.values() if name]
    for name in chosen:
        if not is_field(name):
            raise Malformed.of("map", f"{name}: an answer has no such field; it has {', '.join(sorted(FIELDS))}")
        if chosen.count(name) > 1:
            raise Malformed.of("map", f"two columns for {name}")
    return wished


def _recognised(column: str) -> tuple[str, int] | None:
    """The field and how far its name is from the best one."""
    if is_field(column) or column in NESTED:
        return column, -1
    name = plain(column)
    known = _known()
    if name in known.ranks:
        return known.ranks[name]
    asked = (target for target, beginnings in known.questions.items() if name.startswith(beginnings))
    return next(((target, len(known.ranks)) for target in asked), None)


@cache
def _known() -> _Known:
    told = yaml.safe_load((files(__package__) / "column_names.yaml").read_text(encoding="utf-8"))
    ranks = {name: (target, rank) for target, names in told["names"].items() for rank, name in enumerate(names)}
    return _Known(ranks, {target: tuple(names) for target, names in told["questions"].items()})
