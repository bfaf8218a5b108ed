"""Whether a change of the contract breaks anybody: every reader must read what every version wrote, old and new.

A difference is breaking where a value that one version accepts is refused or understood otherwise by the other:
  towards the new version    it must accept all that the old one accepted
  towards the old version    it must accept all that the new one writes; said of open documents alone, since a closed
                             one (a submission) is read by nobody but us
A field may be added if it is optional. None may go or be renamed, since its meaning would go with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

Schema = Mapping[str, Any]  # JSON of any shape

LOWER_BOUNDS: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
UPPER_BOUNDS: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
FORMS: Final = ("pattern", "format", "multipleOf", "contentEncoding", "uniqueItems")

_ACCEPTS_ALL: Final[Schema] = {}


def breaking(old: Schema, new: Schema) -> list[str]:
    """Each difference between two documents of one type that would break a reader, with the place where it stands."""
    forward = _Comparison(old, new, gone_matters=True)
    found = [f"{place}: {reason}" for place, reason in forward.narrowed(old, new, "")]
    if not _is_closed(old):
        backward = _Comparison(new, old, gone_matters=False)
        found += [f"{place}: readers of the old version: {reason}" for place, reason in backward.narrowed(new, old, "")]
    return list(dict.fromkeys(found))


def breaking_topics(old: Mapping[str, Schema], new: Mapping[str, Schema]) -> list[str]:
    """Topics that are gone, or whose payload, key or partitioner changed: readers would look in the wrong place."""
    found = [f"{name}: topic gone" for name in old if name not in new]
    for name in old.keys() & new.keys():
        changed = [key for key in old[name] if old[name][key] != new[name].get(key)]
        found += [f"{name}: {key} changed from {old[name][key]} to {new[name].get(key)}" for key in changed]
    return sorted(found)


Difference = tuple[str, str]
"""Where, and what."""


@dataclass(frozen=True, slots=True)
class _Comparison:
    """Looks for values that `was` accepts and `now` does not."""

    was_root: Schema
    now_root: Schema
    gone_matters: bool

    def narrowed(self, was: Schema, now: Schema, place: str) -> list[Difference]:
        """Each way in which `now` accepts less, or something else."""
        was, now = _resolved(was, self.was_root), _resolved(now, self.now_root)
        branches, candidates = _branches(was, self.was_root), _branches(now, self.now_root)
        found = self._meaning(was, now, place)
        if len(branches) == len(candidates) == 1:
            return found + self._one(branches[0], candidates[0], place)
        for branch in branches:
            alike = sorted((self._one(branch, one, place) for one in candidates if _may_share(branch, one)), key=len)
            found += alike[0] if alike else [(place, f"no longer {_kind(branch)}")]
        return found

    def _meaning(self, was: Schema, now: Schema, place: str) -> list[Difference]:
        """What is left out must go on meaning the same."""
        if self.gone_matters and "default" in was and "default" in now and was["default"] != now["default"]:
            return [(place, f"default changed from {was['default']!r} to {now['default']!r}")]
        return []

    def _one(self, was: Schema, now: Schema, place: str) -> list[Difference]:
        found = [(place, reason) for reason in (*_types(was, now), *_values(was, now), *_bounds(was, now))]
        found += self._fields(was, now, place)
        found += self._maps(was, now, place)
        if "items" in now:
            found += self.narrowed(was.get("items", _ACCEPTS_ALL), now["items"], f"{place}[]")
        return found

    def _fields(self, was: Schema, now: Schema, place: str) -> list[Difference]:
        has, had = now.get("properties", {}), was.get("properties", {})
        found = [
            (_joined(place, name), "now required") for name in now.get("required", ()) if name not in _required(was)
        ]
        if self.gone_matters:
            found += [(_joined(place, name), "gone") for name in had if name not in has]
        for name in had.keys() & has.keys():
            found += self.narrowed(had[name], has[name], _joined(place, name))
        return sorted(found)

    def _maps(self, was: Schema, now: Schema, place: str) -> list[Difference]:
        """Mappings from any name to values of one kind."""
        found = []
        if now.get("additionalProperties") is False and was.get("additionalProperties") is not False:
            found.append((place, "other fields are refused"))
        for keyword in ("additionalProperties", "propertyNames"):
            if isinstance(now.get(keyword), Mapping):
                before = was.get(keyword, _ACCEPTS_ALL)
                if isinstance(before, Mapping):
                    found += self.narrowed(before, now[keyword], f"{place}{{}}")
        patterns, earlier = now.get("patternProperties", {}), was.get("patternProperties", {})
        if earlier.keys() - patterns.keys():
            found.append((place, f"pattern of names changed from {', '.join(sorted(earlier))}"))
        for pattern in patterns.keys() & earlier.keys():
            found += self.narrowed(earlier[pattern], patterns[pattern], f"{place}{{}}")
        return found


def _types(was: Schema, now: Schema) -> Iterable[str]:
    accepted = _accepted(now)
    if accepted and (not _listed(was.get("type")) or not set(_listed(was.get("type"))) <= accepted):
        yield f"type narrowed from {was.get('type', 'any')} to {now['type']}"


def _accepted(schema: Schema) -> set[str]:
    """The types that fit; empty if any does. An integer is a number."""
    found = set(_listed(schema.get("type")))
    return found | {"integer"} if "number" in found else found


def _values(was: Schema, now: Schema) -> Iterable[str]:
    accepted, before = _enumerated(now), _enumerated(was)
    if accepted is None:
        return
    if before is None:
        yield f"narrowed to {', '.join(map(repr, accepted))}"
        return
    gone = [value for value in before if value not in accepted]
    if gone:
        yield f"no longer {', '.join(map(repr, gone))}"


def _bounds(was: Schema, now: Schema) -> Iterable[str]:
    for keyword in LOWER_BOUNDS:
        if keyword in now and (keyword not in was or now[keyword] > was[keyword]):
            yield f"{keyword} is {now[keyword]}, was {was.get(keyword, 'free')}"
    for keyword in UPPER_BOUNDS:
        if keyword in now and (keyword not in was or now[keyword] < was[keyword]):
            yield f"{keyword} is {now[keyword]}, was {was.get(keyword, 'free')}"
    for keyword in FORMS:
        if keyword in now and now[keyword] != was.get(keyword):
            yield f"{keyword} is {now[keyword]}, was {was.get(keyword, 'free')}"


def _enumerated(schema: Schema) -> list[object] | None:
    """The only values there are; none if any will do."""
    if "const" in schema:
        return [schema["const"]]
    found = schema.get("enum")
    return list(found) if found is not None else None


def _resolved(schema: Schema, root: Schema) -> Schema:
    """What a reference stands for, with what is said beside it."""
    if "$ref" not in schema:
        return schema
    beside = {key: value for key, value in schema.items() if key != "$ref"}
    return {**_resolved(root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root), **beside}


def _branches(schema: Schema, root: Schema) -> list[Schema]:
    """The alternatives of a union, taken flat."""
    union = schema.get("anyOf") or schema.get("oneOf")
    if not union:
        return [schema]
    return [branch for one in union for branch in _branches(_resolved(one, root), root)]


def _may_share(one: Schema, other: Schema) -> bool:
    """Whether two alternatives may have values in common at all."""
    types, others = _accepted(one), _accepted(other)
    return not types or not others or bool(types & others)


def _kind(branch: Schema) -> str:
    values = _enumerated(branch)
    return ", ".join(map(repr, values)) if values else str(branch.get("type", "any"))


def _listed(types: object) -> list[str]:
    if types is None:
        return []
    return [types] if isinstance(types, str) else [str(one) for one in types]  # type: ignore[attr-defined]  # a list


def _required(schema: Schema) -> Iterable[str]:
    return frozenset(schema.get("required", ()))


def _is_closed(schema: Schema) -> bool:
    return schema.get("additionalProperties") is False


def _joined(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name
