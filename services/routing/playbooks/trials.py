"""Looks for an answer for which some conditions hold and others do not, by trying values.

A condition is taken apart into its conjuncts. What conjuncts speak of the same things are tried on the same rows:
every combination of the values that could make a difference, where these are few, else a choice of them that depends
on nothing but the playbook. From the rows on which each holds a witness is put together, and CEL has the last word.

The limit of the method: not finding a witness proves nothing where rows were only chosen (`whole` is false then), and
even where they were all tried, a value that only a pattern, an extension or unusual arithmetic asks for may be
missing. Whoever reports that there is none asks `whole` first, and so leaves doubtful cases alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from math import prod
from typing import Final

from services.routing.playbooks.asking import Asked
from services.routing.playbooks.conditions import Condition, Unanswerable, situation_of
from services.routing.playbooks.mentions import UNTRACED, Mentions, conjuncts, disjuncts, read
from services.routing.playbooks.witnesses import Scene, Value, Witness, values_of, varied_by

ROWS_IN_ALL: Final = 24_000
"""Shared among all groups of conjuncts, so that many rules take no longer than they must."""

MOST_ROWS: Final = 1_500
FEWEST_ROWS: Final = 100
MOST_SHARED: Final = 24
"""Values of one name are tried by every conjunct that speaks of it while they are no more than so many."""

STEPS: Final = 200
"""Witnesses looked at in one search."""

VISITS: Final = 20_000
"""Rows looked at in one search."""

INEXACT: Final = frozenset(
    {"matches", "timestamp", "duration", "int", "double", "uint", "string", "map", "filter", UNTRACED}
)
"""What a condition may do with a value so that those it compares with need not be among those tried."""

Names = tuple[str, ...]


class GaveUp(Exception):
    """A search took too long, and proves nothing."""


@dataclass(eq=False, slots=True)
class Conjunct:
    """A part of a condition: what it speaks of, and what it was seen to do."""

    text: str
    condition: Condition
    spoken: Mentions
    names: Names
    own: dict[str, list[Value]]
    held: int | None = None
    """A bit for each row of its names, set where it holds; none before it was tried."""
    flaws: dict[str, bool] = field(default_factory=dict)
    """Why it could not be answered, and whether the condition itself is at fault."""
    answered: bool = False

    @property
    def exact(self) -> bool:
        """Whether those values it could tell apart are known from what it says."""
        return not self.spoken.called & INEXACT and not self.spoken.reckons


@dataclass(slots=True)
class _Table:
    rows: list[tuple[Value, ...]]
    whole: bool


class Trials:
    """Conditions of a playbook, tried together."""

    def __init__(self, scene: Scene, conditions: Sequence[str]) -> None:
        self._scene = scene
        split = {text: conjuncts(text) for text in conditions}
        made = {text: self._conjunct(text) for texts in split.values() for text in texts}
        self._parts = {text: [part] for text, part in made.items()}
        self._parts |= {text: [made[part] for part in texts] for text, texts in split.items()}
        every = list(made.values())
        self._asked = Asked.by(made)
        self._shared = _shared(every)
        groups: dict[Names, list[Conjunct]] = {}
        for part in every:
            groups.setdefault(part.names, []).append(part)
        quota = max(FEWEST_ROWS, min(MOST_ROWS, ROWS_IN_ALL // max(len(every), 1)))
        self._tables = {names: self._table(names, parts, quota) for names, parts in groups.items()}
        for names, parts in groups.items():
            self._try(names, parts)

    def parts(self, text: str) -> list[Conjunct]:
        """The conjuncts of a condition; each is a condition by itself."""
        return self._parts[text]

    def whole(self, text: str) -> bool:
        """Whether all that could make a difference to a condition was tried."""
        return all(self._tables[part.names].whole and part.exact for part in self._parts[text])

    def verdicts(self, witness: Witness, texts: Sequence[str]) -> list[bool]:
        """Which conditions hold of a witness."""
        verdict = self._verdict(witness)
        return [verdict(text) for text in texts]

    def witness(
        self, must: Sequence[str], must_not: Sequence[str] = (), fixed: Mapping[str, Value] | None = None
    ) -> Witness | None:
        """A witness for which these conditions hold and those do not; none if there is none among the rows.

        Raises:
            GaveUp: if it took too long.
        """
        allowed: dict[Names, int] = {}
        for part in (part for text in must for part in self._parts[text]):
            allowed[part.names] = allowed.get(part.names, self._all(part.names)) & (part.held or 0)
            if not allowed[part.names]:
                return None
        return _Search(self, must, must_not, dict(fixed or {})).found(allowed)

    def apart(self, one: str, other: str) -> bool:
        """Whether two conditions contradict each other, as far as single conjuncts tell."""
        mine = {part.names: part.held or 0 for part in self._parts[one]}
        return any(not mine.get(part.names, -1) & (part.held or 0) for part in self._parts[other])

    def _conjunct(self, text: str) -> Conjunct:
        spoken = read(text)
        own: dict[str, dict[Value, None]] = {}
        for mention in spoken.paths:
            for name in varied_by(mention, spoken, self._scene.words):
                own.setdefault(name, {}).update(dict.fromkeys(values_of(name, mention, spoken)))
        values = {name: list(found) for name, found in own.items()}
        return Conjunct(text, Condition.compiled(text), spoken, tuple(sorted(values)), values)

    def _table(self, names: Names, parts: Sequence[Conjunct], quota: int) -> _Table:
        rows: dict[tuple[Value, ...], None] = {}
        whole = True
        for part in parts:
            values = {name: self._shared.get(name) or part.own[name] for name in names}
            if prod(len(found) for found in values.values()) <= quota:
                rows.update(dict.fromkeys(product(*(values[name] for name in names))))
            else:
                whole = False
                rows.update(dict.fromkeys(self._chosen(part, values, quota)))
        return _Table(list(rows), whole)

    def _chosen(self, part: Conjunct, values: Mapping[str, list[Value]], quota: int) -> Iterator[tuple[Value, ...]]:
        """Rows where there are too many: all that one alternative alone speaks of, and others drawn."""
        alternatives = disjuncts(part.text)
        usual = {name: found[0] for name, found in values.items()}
        for text in alternatives if len(alternatives) > 1 else ():
            spoken = self._conjunct(text)
            some = product(*(values.get(name, spoken.own[name]) for name in spoken.names))
            for row in islice(some, quota // len(alternatives)):
                told = usual | dict(zip(spoken.names, row, strict=True))
                yield tuple(told[name] for name in part.names)
        for number in range(quota):
            yield tuple(_drawn(values[name], f"{name}/{number}") for name in part.names)

    def _try(self, names: Names, parts: Sequence[Conjunct]) -> None:
        asked = Asked.by(part.text for part in parts)
        held = [0] * len(parts)
        for number, row in enumerate(self._tables[names].rows):
            made = self._scene.situation(dict(zip(names, row, strict=True)))
            situation = situation_of(asked.part_of(made))
            for place, part in enumerate(parts):
                try:
                    held[place] |= int(part.condition.of(situation)) << number
                    part.answered = True
                except Unanswerable as reason:
                    part.flaws[str(reason)] = reason.flawed
        for place, part in enumerate(parts):
            part.held = held[place]

    def _all(self, names: Names) -> int:
        return (1 << len(self._tables[names].rows)) - 1

    def _witnesses(self, names: Names, mask: int) -> Iterator[Witness]:
        rows = self._tables[names].rows
        while mask:
            lowest = mask & -mask
            yield dict(zip(names, rows[lowest.bit_length() - 1], strict=True))
            mask ^= lowest

    def _verdict(self, witness: Witness) -> Callable[[str], bool]:
        """What tells of each condition whether it holds of a witness."""
        situation = situation_of(self._asked.part_of(self._scene.situation(witness)))
        return lambda text: all(part.condition.holds(situation) for part in self._parts[text])


@dataclass(slots=True)
class _Search:
    """One search: takes the first witness the rows allow and, where what must not hold does, forbids it that part."""

    trials: Trials
    must: Sequence[str]
    must_not: Sequence[str]
    fixed: dict[str, Value]
    steps: int = STEPS
    visits: int = VISITS

    def found(self, allowed: Mapping[Names, int]) -> Witness | None:
        for witness in self._joined(allowed):
            self.steps -= 1
            if self.steps < 0:
                raise GaveUp
            verdict = self.trials._verdict(witness)  # noqa: SLF001 the two are one
            if not all(verdict(text) for text in self.must):
                continue
            wrong = next((text for text in self.must_not if verdict(text)), None)
            return witness if wrong is None else self._without(allowed, wrong)
        return None

    def _without(self, allowed: Mapping[Names, int], text: str) -> Witness | None:
        """Goes on with one conjunct after the other of this condition forbidden."""
        for part in self.trials.parts(text):
            before = allowed.get(part.names, self.trials._all(part.names))  # noqa: SLF001 the two are one
            after = before & ~(part.held or 0)
            if after and after != before:
                found = self.found({**allowed, part.names: after})
                if found is not None:
                    return found
        return None

    def _joined(self, allowed: Mapping[Names, int]) -> Iterator[Witness]:
        """Witnesses made of a row of each group, where groups that share a name agree on it."""
        ordered = sorted(allowed, key=lambda names: allowed[names].bit_count())
        return self._extended(self.fixed, ordered, allowed)

    def _extended(self, witness: Witness, groups: Sequence[Names], allowed: Mapping[Names, int]) -> Iterator[Witness]:
        if not groups:
            yield witness
            return
        for row in self.trials._witnesses(groups[0], allowed[groups[0]]):  # noqa: SLF001 the two are one
            self.visits -= 1
            if self.visits < 0:
                raise GaveUp
            if all(witness.get(name, value) == value for name, value in row.items()):
                yield from self._extended({**witness, **row}, groups[1:], allowed)


def _shared(parts: Sequence[Conjunct]) -> dict[str, list[Value]]:
    """The values of names, by all that speak of them, where they are few."""
    every: dict[str, dict[Value, None]] = {}
    for part in parts:
        for name, values in part.own.items():
            every.setdefault(name, {}).update(dict.fromkeys(values))
    return {name: list(values) for name, values in every.items() if len(values) <= MOST_SHARED or name == "said"}


def _drawn(values: Sequence[Value], name: str) -> Value:
    return values[int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) % len(values)]
