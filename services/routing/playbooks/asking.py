"""What the conditions of playbooks ask about, field by field: handing CEL a value costs more than most conditions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

VARIABLES: Final = ("answer", "person", "history", "account", "comment")

WITH_ENTRIES: Final = frozenset({("answer", "segments"), ("person", "attributes")})
"""Fields that have the entries that came, whatever these are."""

Situation = Mapping[str, Mapping[str, Any]]  # values of every type that CEL has

_STRING: Final = r"""(?:"([^"\\]*)"|'([^'\\]*)')"""


@dataclass(frozen=True, slots=True)
class _Field:
    """One field that is asked about; `entries` are those of its entries that are, none if it may be any."""

    variable: str
    name: str
    entries: tuple[str, ...] | None = None

    def of(self, value: Any) -> Any:  # of any type
        if self.entries is None:
            return value
        return {entry: value[entry] for entry in self.entries if entry in value}


@dataclass(frozen=True, slots=True)
class Asked:
    """The part of a situation that somebody asks about."""

    variables: frozenset[str]
    _whole: tuple[str, ...]
    _fields: tuple[_Field, ...]

    @classmethod
    def by(cls, conditions: Iterable[str]) -> Asked:
        """What these conditions ask about. Whatever is asked about in a way not known here, is asked about whole."""
        text = " ; ".join(conditions)
        named = [name for name in VARIABLES if re.search(rf"\b{name}\b", text)]
        fields = {name: _fields_asked(name, text) for name in named}
        return cls(
            frozenset(named),
            tuple(name for name in named if fields[name] is None),
            tuple(_Field(name, one, _entries_asked(name, one, text)) for name in named for one in fields[name] or ()),
        )

    def part_of(self, situation: Situation) -> dict[str, dict[str, Any]]:
        """The part of a situation that is asked about; what is asked for and not there is still not there."""
        part: dict[str, dict[str, Any]] = {name: {} for name in self.variables}
        for name in self._whole:
            part[name] = dict(situation[name])
        for field in self._fields:
            there = situation[field.variable]
            if field.name in there:
                part[field.variable][field.name] = field.of(there[field.name])
        return part

    def key_of(self, situation: Situation) -> tuple[Any, ...]:  # as above, and hashable
        """The same for two situations that nobody who asks can tell apart."""
        key = [_hashable(field.of(situation[field.variable].get(field.name))) for field in self._fields]
        key += [_hashable(situation[name]) for name in self._whole]
        return tuple(key)


def _fields_asked(variable: str, text: str) -> list[str] | None:
    """The fields of a variable; none if it is also spoken of as a whole."""
    dotted = rf"\b{variable}\s*\.\s*([A-Za-z_]\w*)\b(?!\s*\()"
    if re.search(rf"\b{variable}\b", re.sub(dotted, "", text)):
        return None
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


def _hashable(value: Any) -> Any:  # as above
    if isinstance(value, dict):
        return tuple(sorted((name, _hashable(one)) for name, one in value.items()))
    return tuple(value) if isinstance(value, list) else value
