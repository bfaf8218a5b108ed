"""What the conditions of playbooks ask about, field by field: handing CEL a value costs more than most conditions."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Final, cast

from services.routing.playbooks.situation import FIELDS, Situation, Value

WITH_ENTRIES: Final = frozenset({("answer", "segments"), ("person", "attributes")})
"""Fields that have the entries that came, whatever these are."""

MADE_UP: Final = WITH_ENTRIES | {("comment", "keywords")}
"""Fields that are lists or mappings."""

_STRING: Final = r"""(?:"([^"\\]*)"|'([^'\\]*)')"""


@dataclass(frozen=True, slots=True)
class _Field:
    """One field that is asked about; `entries` are those of its entries that are, none if it may be any."""

    variable: str
    name: str
    get: Callable[[Situation], Value]
    entries: tuple[str, ...] | None = None

    def of(self, situation: Situation) -> Value:
        """What is asked about in a situation."""
        value = self.get(situation)
        if self.entries is None:
            return value
        return {entry: value[entry] for entry in self.entries if entry in value}


@dataclass(frozen=True, slots=True)
class Asked:
    """The part of situations that somebody asks about."""

    variables: frozenset[str]
    _fields: tuple[_Field, ...]
    _plain: tuple[Callable[[Situation], Value], ...]
    """Gets what is hashable as it is; the others are `_made_up`."""
    _made_up: tuple[_Field, ...]

    @classmethod
    def by(cls, conditions: Iterable[str]) -> Asked:
        """What these conditions ask about. Whatever is asked about in a way not known here, is asked about whole."""
        text = " ; ".join(conditions)
        named = [name for name in FIELDS if re.search(rf"\b{name}\b", text)]
        asked = [(name, field) for name in named for field in _fields_asked(name, text) if field in FIELDS[name]]
        found = tuple(_Field(name, one, FIELDS[name][one], _entries_asked(name, one, text)) for name, one in asked)
        made_up = tuple(one for one in found if (one.variable, one.name) in MADE_UP)
        return cls(frozenset(named), found, tuple(one.get for one in found if one not in made_up), made_up)

    def part_of(self, situation: Situation) -> dict[str, dict[str, Value]]:
        """The part of a situation that is asked about; a field that does not exist is not there either."""
        part: dict[str, dict[str, Value]] = {name: {} for name in self.variables}
        for field in self._fields:
            part[field.variable][field.name] = field.of(situation)
        return part

    def key_of(self, situation: Situation) -> tuple[Hashable, ...]:
        """The same for two situations that nobody who asks can tell apart."""
        key = [get(situation) for get in self._plain]
        for field in self._made_up:
            value = field.of(situation)
            key.append(tuple(sorted(value.items())) if isinstance(value, dict) else tuple(value))
        return tuple(key)


def _fields_asked(variable: str, text: str) -> Iterable[str]:
    """The fields of a variable that are asked about; all there are if it is also spoken of as a whole."""
    dotted = rf"\b{variable}\s*\.\s*([A-Za-z_]\w*)\b(?!\s*\()"
    if re.search(rf"\b{variable}\b", re.sub(dotted, "", text)):
        return FIELDS[variable]
    return sorted(set(re.findall(dotted, text)))


def _entries_asked(variable: str, field: str, text: str) -> tuple[str, ...] | None:
    """The entries of a field that are asked about by name; none if it has none, or is also asked about whole."""
    if (variable, field) not in WITH_ENTRIES:
        return None
    path = rf"\b{variable}\s*\.\s*{field}\b"
    ways = (
        rf"{_STRING}\s+in\s+{path}(?!\s*[.\[])",
        rf"{path}\s*\[\s*{_STRING}\s*\]",
        rf"{path}\s*\.\s*([A-Za-z_]\w*)\b(?!\s*\()",
    )
    found: set[str] = set()
    for way in ways:
        for groups in cast("list[tuple[str, ...] | str]", re.findall(way, text)):
            found.update([groups] if isinstance(groups, str) else groups)
        text = re.sub(way, "", text)
    return None if re.search(path, text) else tuple(sorted(found - {""}))
