"""What two playbooks say about a situation, asked of both at once and remembered for situations that look the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from typing import Any, Final, Self

from schemas.response import Response
from services.routing.playbooks.asking import Asked
from services.routing.playbooks.conditions import situation_of
from services.routing.playbooks.rulebook import Match, Rulebook
from services.routing.playbooks.situation import History, Person, Situation

REMEMBERED: Final = 20_000

_LED_THERE: Final = {"when", "priority", "holds_from", "holds_until"}

Matches = Sequence[Match]
"""Of each playbook, in the order in which they were given."""


class Matching:
    """Asks several rulebooks about the same situations: each condition once, whoever asks again."""

    def __init__(self, rulebooks: Sequence[Rulebook]) -> None:
        self._rulebooks = rulebooks
        rules = [rule for one in rulebooks for rule in one.playbook.rules]
        self._asked = Asked.by(text for one in rulebooks for text in one.conditions)
        self._dated = any(rule.holds_from or rule.holds_until for rule in rules)
        self._one_look = len({repr(one.playbook.keywords) for one in rulebooks}) == 1
        self._known: dict[tuple[Any, ...], Matches] = {}  # by values of any type
        self._last: tuple[Response, Person, tuple[Any, ...]] | None = None
        self._found: Matches = ()

    @property
    def stays(self) -> bool:
        """Whether what is said about an answer depends on nothing but that answer."""
        return not self._dated and "history" not in self._asked.variables

    def of(self, answer: Response, person: Person, history: History, comment: str, today: date) -> Matches:
        """What each of them says."""
        day = today if self._dated else None
        if not self._is_last(answer, person, (history, comment, day)):
            self._found = self._looked_up(answer, person, history, comment, today)
            self._last = answer, person, (history, comment, day)
        return self._found

    def _is_last(self, answer: Response, person: Person, rest: tuple[Any, ...]) -> bool:  # as below
        """Whether this was asked last; answers and persons are told apart by what they are, not by what they say."""
        last = self._last
        return last is not None and last[0] is answer and last[1] is person and last[2] == rest

    def _looked_up(self, answer: Response, person: Person, history: History, comment: str, today: date) -> Matches:
        words = self._words(comment)
        situation = Situation(answer, person, history, comment, words[0])
        key = (*self._asked.key_of(situation), today if self._dated else None, *map(tuple, words))
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            found = self._known[key] = self._asked_all(situation, words, today)
        return found

    def _words(self, comment: str) -> list[Sequence[str]]:
        """The names of each playbook's keywords that are in a comment."""
        if not self._one_look:
            return [one.found_in(comment) for one in self._rulebooks]
        asks = next((one for one in self._rulebooks if "comment" in one.asked.variables), self._rulebooks[0])
        return [asks.found_in(comment)] * len(self._rulebooks)

    def _asked_all(self, situation: Situation, words: Sequence[Sequence[str]], today: date) -> Matches:
        part = self._asked.part_of(situation)
        context = situation_of(part)
        found = []
        for rulebook, keywords in zip(self._rulebooks, words, strict=True):
            if not self._one_look and "comment" in part:
                context = situation_of(part | {"comment": part["comment"] | {"keywords": list(keywords)}})
            found.append(rulebook.match_in(context, today))
        return [found[0] if _does(one) == _does(found[0]) else one for one in found]


def _does(match: Match) -> tuple[object, ...]:
    """What is to be done, whatever the condition that led there."""
    rules = [match.rule, *match.notices]
    return match.left, *(one and one.model_dump(exclude=_LED_THERE) for one in rules)


@dataclass(frozen=True, slots=True)
class Remembering(Rulebook):
    """A rulebook that is asked together with others."""

    matching: Matching | None = field(default=None, repr=False)
    place: int = 0

    @classmethod
    def all(cls, rulebooks: Sequence[Rulebook]) -> list[Self]:
        """The same rulebooks, which remember together."""
        matching = Matching(rulebooks)
        return [
            cls(**{one.name: getattr(rulebook, one.name) for one in fields(Rulebook)}, matching=matching, place=place)
            for place, rulebook in enumerate(rulebooks)
        ]

    def match(self, answer: Response, person: Person, history: History, comment: str, today: date) -> Match:
        """The rule that decides about an answer."""
        assert self.matching is not None  # made together
        return self.matching.of(answer, person, history, comment, today)[self.place]
