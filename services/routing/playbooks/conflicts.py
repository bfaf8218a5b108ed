"""Finds rules that never decide, that contend for one answer, and scores for which there is none.

Each is found by an answer made up for it (`trials`); what only the lack of one shows is told where every value was
tried that could make a difference, and else not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from schemas.contract import band_of
from services.routing.playbooks.findings import Finding, about_rule
from services.routing.playbooks.playbook import Playbook, Rule
from services.routing.playbooks.prohibitions import GATING, Catalogue, asks_for_review
from services.routing.playbooks.trials import GaveUp, Trials
from services.routing.playbooks.witnesses import SAID, Value, Witness, described

BANDS: Final = ("promoter", "passive", "detractor")
MOST_SEARCHES: Final = 4_000
"""Pairs of rules that are looked at more closely."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A rule that is in force today or later, and its condition with blocks written out."""

    index: int
    rule: Rule
    text: str

    def covers(self, other: Standing, today: date) -> bool:
        """Whether it is in force on every day from today on which another is."""
        return max(self.begins, today) <= max(other.begins, today) and self.ends >= other.ends

    def meets(self, other: Standing) -> bool:
        """Whether there is a day on which both are in force."""
        return max(self.begins, other.begins) <= min(self.ends, other.ends)

    @property
    def begins(self) -> date:
        """First day."""
        return self.rule.holds_from or date.min

    @property
    def ends(self) -> date:
        """Last day."""
        return self.rule.holds_until or date.max

    @property
    def decides(self) -> bool:
        """Whether it ends the search for a rule."""
        return self.rule.then == "stop"


class Conflicts:
    """The rules of one playbook, in the order in which they are asked."""

    def __init__(self, playbook: Playbook, texts: Mapping[int, str], trials: Trials, today: date) -> None:
        rules = [Standing(index, playbook.rules[index], text) for index, text in texts.items()]
        ordered = sorted(rules, key=lambda one: (-one.rule.priority, one.index))
        self._rules = [one for one in ordered if one.ends >= today]
        self._trials = trials
        self._today = today
        self._never: set[int] = set()

    def found(self, catalogue: Catalogue | None) -> Iterator[Finding]:
        """Everything that is wrong between rules."""
        for place, one in enumerate(self._rules):
            finding = self._unreachable(one, self._rules[:place])
            if finding:
                self._never.add(one.index)
                yield finding
        yield from self._overlapping()
        yield from self._unhandled()
        yield from self._gated(catalogue)

    def _unreachable(self, one: Standing, earlier: Sequence[Standing]) -> Finding | None:
        if not self._trials.whole(one.text):
            return None
        before = [other for other in earlier if other.decides and other.covers(one, self._today)]
        texts = [other.text for other in before]
        try:
            witness = self._trials.witness([one.text])
            if witness is None:
                return self._never_holds(one)
            if self._trials.witness([one.text], texts) is not None:
                return None
        except GaveUp:
            return None
        verdicts = self._trials.verdicts(witness, texts)
        taken = [other for other, holds in zip(before, verdicts, strict=True) if holds]
        if not taken or not all(map(self._trials.whole, texts)):
            return None
        return Finding(
            ("rules", one.index),
            about_rule(one.rule.name),
            f"never decides: whatever it holds for is decided before it, as by {taken[0].rule.name}",
            f"give it a higher priority than {taken[0].rule.name} ({taken[0].rule.priority}), put it first, "
            "or take it out",
        )

    def _never_holds(self, one: Standing) -> Finding:
        part = next((part for part in self._trials.parts(one.text) if not part.held), None)
        why = f"no answer is such that {part.text}" if part else "its conditions exclude one another"
        return Finding(
            ("rules", one.index, "when"),
            about_rule(one.rule.name, "when"),
            f"never holds: {why}",
            "compare with values that occur (a score is 0 to 10, -1 without one), or take the rule out",
        )

    def _overlapping(self) -> Iterator[Finding]:
        searches = MOST_SEARCHES
        for place, one in enumerate(self._rules):
            for other in self._rules[place + 1 :]:
                if other.rule.priority != one.rule.priority or searches <= 0:
                    break
                if not self._contend(one, other):
                    continue
                searches -= 1
                witness = self._for_both(one, other)
                if witness is not None:
                    yield self._overlap(one, other, witness)
                    break

    def _contend(self, one: Standing, other: Standing) -> bool:
        return (
            one.decides
            and other.decides
            and not {one.index, other.index} & self._never
            and _does(one.rule) != _does(other.rule)
            and one.meets(other)
            and not self._trials.apart(one.text, other.text)
        )

    def _for_both(self, one: Standing, other: Standing) -> Witness | None:
        higher = [
            before.text
            for before in self._rules
            if before.decides and before.rule.priority > one.rule.priority and before.covers(other, self._today)
        ]
        try:
            return self._trials.witness([one.text, other.text], higher)
        except GaveUp:
            return None

    def _overlap(self, one: Standing, other: Standing, witness: Witness) -> Finding:
        first, second = one.rule, other.rule
        return Finding(
            ("rules", other.index),
            about_rule(second.name),
            f"of the same priority ({second.priority}) as {first.name}, and both hold for an answer such as "
            f"{described(witness)}",
            f"give one of them a higher priority, or {second.name} `priority: {max(second.priority - 10, -1000)}` "
            f"if {first.name} goes first",
        )

    def _unhandled(self) -> Iterator[Finding]:
        deciding = [one for one in self._rules if one.decides]
        days = {self._today}
        for one in deciding:
            days |= {day for day in (one.begins, _after(one.ends)) if self._today < day < date.max}
        told: set[str] = set()
        for day in sorted(days):
            in_force = [one for one in deciding if one.rule.holds_on(day)]
            for band in BANDS:
                scores = [score for score in range(10, -1, -1) if band_of(score) == band]
                missing = [score for score in scores if not self._handled(score, in_force)]
                if missing and band not in told:
                    told.add(band)
                    yield self._gap(band, missing, len(missing) == len(scores), day)

    def _handled(self, score: int, rules: Sequence[Standing]) -> bool:
        fixed: dict[str, Value] = {SAID: ("nps", score)}
        for one in rules:
            try:
                if self._trials.witness([one.text], (), fixed) is not None:
                    return True
                if not self._trials.whole(one.text) and self._trials.witness([one.text]) is not None:
                    return True
            except GaveUp:
                return True
        return False

    def _gap(self, band: str, scores: Sequence[int], whole: bool, day: date) -> Finding:  # noqa: FBT001 reads well
        which = f"{band}s" if whole else f"{band}s with a score of {', '.join(map(str, scores))}"
        when = "" if day == self._today else f" from {day} on"
        return Finding(
            ("rules",),
            "rules",
            f"none is for {which}{when}",
            "add a rule for them, or one that says that nothing is done: {name: other-answers, when: 'true', "
            "priority: -100, action: none}",
        )

    def _gated(self, catalogue: Catalogue | None) -> Iterator[Finding]:
        """Rules that ask some for a public review, and others not, though only their scores differ."""
        asking = {one.index for one in self._rules if asks_for_review(one.rule, catalogue)}
        for one in self._rules:
            if one.index in asking and one.index not in self._never:
                finding = self._gate(one, asking)
                if finding:
                    yield finding

    def _gate(self, one: Standing, asking: set[int]) -> Finding | None:
        for witness in self._settings_of(one):
            metric, value = _said(witness)
            asked: list[float] = []
            left: dict[float, Standing | None] = {}
            for other in self._values(metric, value):
                winner = self._winner({**witness, SAID: (metric, other)}, one)
                if winner is not None and winner.index in asking:
                    asked.append(other)
                else:
                    left[other] = winner
            if asked and left:
                least = min(left)
                winner = left[least]
                gets = f"gets {winner.rule.name}" if winner else "gets nothing"
                what = "score" if metric == "nps" else f"{metric} rating"
                return Finding(
                    ("rules", one.index),
                    about_rule(one.rule.name),
                    f"asks for a public review whoever answers with a {what} of {max(asked):g}, and not who answers "
                    f"with {least:g}, who {gets}",
                    "ask every band alike, in a rule above the others that asks nothing about score, band or rating; "
                    "or write `invites: refer`",
                    GATING,
                )
        return None

    def _settings_of(self, one: Standing) -> Iterator[Witness]:
        """Answers that this rule decides; or would, had others with the same but for the score not come before it."""
        yield from filter(None, [self._deciding(one, [one.text], self._rules.index(one))])
        rest = [part.text for part in self._trials.parts(one.text) if SAID not in part.names]
        for place, other in enumerate(self._rules):
            if other is not one and other.decides and other.meets(one):
                yield from filter(None, [self._deciding(other, [other.text, *rest], place)])

    def _deciding(self, one: Standing, needed: Sequence[str], place: int) -> Witness | None:
        before = [other.text for other in self._rules[:place] if other.decides and other.meets(one)]
        try:
            return self._trials.witness(needed, before)
        except GaveUp:
            return None

    def _values(self, metric: str, value: float) -> list[float]:
        if metric == "nps":
            return [float(score) for score in range(11)]
        return sorted({1.0, 2.0, 3.0, 4.0, 5.0, float(value)})

    def _winner(self, witness: Witness, during: Standing) -> Standing | None:
        fixed = dict(witness)
        metric, value = _said(witness)
        fixed[SAID] = (metric, int(value) if metric == "nps" else value)
        rules = [one for one in self._rules if one.decides and one.meets(during)]
        verdicts = self._trials.verdicts(fixed, [one.text for one in rules])
        return next((one for one, holds in zip(rules, verdicts, strict=True) if holds), None)


def _does(rule: Rule) -> tuple[str, str | None, str | None]:
    return rule.action, rule.template, rule.to


def _said(witness: Witness) -> tuple[str, float]:
    said = witness.get(SAID, ("nps", 9))
    assert isinstance(said, tuple)  # metric, and score or rating
    return said[0], said[1]


def _after(day: date) -> date:
    return date.max if day == date.max else day + timedelta(days=1)
