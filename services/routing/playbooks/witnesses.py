"""Answers made up to try a playbook on: what a condition speaks of takes every value that could make a difference.

A witness is made by way of the contract's own models, so what cannot occur (a score of 11, a channel with a space in
it, a promoter with a score of 3) is never tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import product
from math import isfinite
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from schemas.contract import (
    LONGEST_TEXT,
    Channel,
    Identifier,
    Language,
    SegmentKey,
    SegmentValue,
    ShortText,
)
from schemas.personal_data import PersonalData
from schemas.response import Agent, Response
from services.routing.playbooks.keywords import PREFIX, Keywords
from services.routing.playbooks.mentions import Mention, Mentions
from services.routing.playbooks.situation import UNKNOWN_DAYS, Earlier, History, Person, Situation

Value = str | float | bool | tuple[Any, ...] | None  # of a tuple: what belongs together, such as metric and score
Witness = Mapping[str, Value]
"""Values of what is said of an answer, by name; what is left out is as usual."""

SAID: Final = "said"
"""Metric, and score or rating: they belong together."""

BEFORE: Final = "history.before"
"""How many answers there were before, and the latest score."""

WRITTEN: Final = "comment.text"
ATTRIBUTE: Final = "person.attributes."
SEGMENT: Final = "answer.segments."
KEYWORD: Final = "comment.keywords."

AT: Final = datetime(2026, 5, 20, 12, tzinfo=UTC)
NPS: Final[tuple[Value, ...]] = tuple(("nps", score) for score in (9, *(n for n in range(11) if n != 9)))
RATED: Final = ("csat", "ces", "review")
RATINGS: Final = (1.0, 2.0, 3.0, 4.0, 5.0)
HAIR: Final = 0.01
"""By how much a number with decimals is passed."""

LONGEST_TRIED: Final = 500
"""Letters of what is only asked for its length; the contract lets in no longer attribute."""

MOST_KEYS: Final = 20
MOST_BEFORE: Final = 1_000

USUAL: Final[Witness] = {
    SAID: ("nps", 9),
    "answer.channel": "website",
    "answer.solicited": True,
    "answer.callback_requested": False,
    "person.known": True,
    "person.has_email": True,
    "person.has_phone": False,
    "history.days_since": 30,
    "history.open_task": False,
    "account.known": False,
    WRITTEN: "",
}

_BOOLEANS: Final = frozenset(name for name, value in USUAL.items() if isinstance(value, bool))

_CHANGED_BY: Final[Mapping[tuple[str, ...], tuple[str, ...]]] = {
    ("answer", "metric"): (SAID,),
    ("answer", "score"): (SAID,),
    ("answer", "rating"): (SAID,),
    ("answer", "band"): (SAID,),
    ("person", "language"): ("answer.language", "person.language"),
    ("history", "answers"): (BEFORE,),
    ("history", "previous_score"): (BEFORE,),
    ("history", "previous_band"): (BEFORE,),
    ("history", "trend"): (SAID, BEFORE),
    ("history", "days_since"): (BEFORE, "history.days_since"),
    ("account", "value"): (ATTRIBUTE + "account_value",),
    ("account", "plan"): (ATTRIBUTE + "plan",),
    ("account", "days_to_renewal"): (ATTRIBUTE + "renewal_date",),
    ("comment", "language"): (WRITTEN, "answer.language", "person.language"),
    ("comment", "length"): (WRITTEN, "comment.length"),
    ("comment", "present"): (WRITTEN,),
}
"""What is to be varied where a condition speaks of a path. Other paths are varied by themselves."""

_MAPS: Final[Mapping[tuple[str, ...], str]] = {
    ("answer", "segments"): SEGMENT,
    ("person", "attributes"): ATTRIBUTE,
}

_KINDS: Final[Mapping[str, Any]] = {  # types of the contract
    "answer.channel": Channel,
    "answer.source": Identifier,
    "answer.survey_id": Identifier,
    "answer.touchpoint": ShortText,
    "answer.language": Language,
    "answer.agent": Identifier,
    "answer.team": Identifier,
    "person.language": Language,
    "person.timezone": ShortText,
}

_BLANK: Final[Mapping[str, Any]] = dict.fromkeys(Response.model_fields) | {  # fields of any type
    "tenant": "default",
    "response_id": "tried",
    "revision": 1,
    "op": "submitted",
    "source": None,
    "test": False,
    "history": False,
    "answered_at": AT,
    "received_at": AT,
    "digest": "0" * 32,
}


@dataclass(frozen=True, slots=True)
class Scene:
    """What a playbook knows that a witness may need: its keywords."""

    words: Mapping[str, Sequence[str]]
    keywords: Keywords

    def situation(self, witness: Witness) -> Situation:
        """A witness as it is decided about."""
        told = {**USUAL, **witness}
        comment = self._comment(told)
        return Situation(_answer(told), _person(told), _history(told), comment, self.keywords.found_in(comment))

    def _comment(self, told: Witness) -> str:
        said = [name.removeprefix(KEYWORD) for name, value in told.items() if name.startswith(KEYWORD) and value]
        words = [self.words[name][0].removesuffix(PREFIX) for name in said if name in self.words]
        text = " ".join(filter(None, (str(told[WRITTEN]), *words)))
        length = told.get("comment.length")
        return text if not isinstance(length, int) else text[:length].ljust(length, ".")


def _answer(told: Witness) -> Response:
    metric, number = _pair(told[SAID])
    agent = told.get("answer.agent")
    fields = {
        "metric": metric,
        "score": number if metric == "nps" else None,
        "rating": None if metric == "nps" else float(number),
        "language": told.get("answer.language"),
        "channel": told["answer.channel"],
        "source": told.get("answer.source"),
        "survey_id": told.get("answer.survey_id"),
        "touchpoint": told.get("answer.touchpoint"),
        "subject": "0" * 32 if told["person.known"] else None,
        "segments": _entries(told, SEGMENT),
        "agent": Agent(id=str(agent or "a"), team=_text(told.get("answer.team")))
        if agent or told.get("answer.team")
        else None,
        "callback_requested": told["answer.callback_requested"],
        "solicited": told["answer.solicited"],
    }
    return Response.of_sound({**_BLANK, **fields})


def _person(told: Witness) -> Person:
    return Person(
        PersonalData(
            email="a@example.org" if told["person.has_email"] else None,
            phone="+358 1" if told["person.has_phone"] else None,
            account_id="a" if told["account.known"] else None,
            timezone=_text(told.get("person.timezone")),
            locale=_text(told.get("person.language")),
            attributes=_entries(told, ATTRIBUTE),
        )
    )


def _history(told: Witness) -> History:
    before, open_task = told.get(BEFORE), bool(told["history.open_task"])
    if not isinstance(before, tuple):
        return History(open_task=open_task)
    count, score = before
    answered = AT - timedelta(days=int(str(told["history.days_since"])))
    return History([Earlier(score, answered)] * count, open_task)


def _pair(value: Value) -> tuple[str, Any]:  # a number of either kind
    assert isinstance(value, tuple)  # what belongs together
    return value[0], value[1]


def _text(value: Value) -> str | None:
    return None if value is None else str(value)


def _entries(told: Witness, prefix: str) -> dict[str, str]:
    return {
        name.removeprefix(prefix): str(value)
        for name, value in told.items()
        if name.startswith(prefix) and value is not None
    }


def varied_by(mention: Mention, spoken: Mentions, words: Iterable[str]) -> tuple[str, ...]:
    """The names of what is to be varied where a condition speaks of a path."""
    path = mention.path
    if path[:2] in _MAPS and len(path) >= 2:
        prefix = _MAPS[path[:2]]
        keys = path[2:3] or mention.members or mention.compared or mention.affixes
        return tuple(f"{prefix}{key}" for key in keys or _made_up_keys(spoken))
    if path[:2] == ("comment", "keywords"):
        named = mention.members or mention.compared or mention.affixes
        return tuple(f"{KEYWORD}{word}" for word in words if not named or word in named)
    if path == ("comment", "text") and "size" in spoken.called:
        return (WRITTEN, "comment.length")
    return _CHANGED_BY.get(path[:2], (".".join(path[:2]),))


def _made_up_keys(spoken: Mentions) -> list[str]:
    most = max((value for value in spoken.literals if isinstance(value, int)), default=1)
    return [f"key{number}" for number in range(1, min(most + 1, MOST_KEYS) + 1)]


def values_of(name: str, mention: Mention, spoken: Mentions) -> list[Value]:
    """The values of one name that could make a difference to a condition, the usual one first."""
    numbers = [value for value in _numbers(mention, spoken) if isfinite(value)]
    if name in _BOOLEANS:
        return [USUAL[name], not USUAL[name]]
    if name.startswith(KEYWORD):
        return [False, True]
    if name == SAID:
        return _said(numbers if mention.path[1] == "rating" or spoken.reckons else ())
    if name == BEFORE:
        return _before(numbers if mention.path[1] == "answers" else ())
    if name == ATTRIBUTE + "account_value" and mention.path[0] == "account":
        return [None, *map(str, _around([*numbers, 0], HAIR))]
    return _days(name, mention, numbers) or _texts(name, mention, spoken, numbers)


def _said(numbers: Iterable[float]) -> list[Value]:
    ratings = sorted({*RATINGS, *map(float, _around(numbers, HAIR))})
    return [*NPS, *((metric, rating) for metric in RATED for rating in ratings)]


def _before(numbers: Iterable[float]) -> list[Value]:
    counts = {int(number) for number in _around(numbers) if 1 < number <= MOST_BEFORE}
    return [None, *((1, score) for score in range(11)), *((count, 5) for count in sorted(counts))]


def _days(name: str, mention: Mention, numbers: Sequence[float]) -> list[Value]:
    """Values of what counts days or letters; none if a name counts neither."""
    if name == "history.days_since":
        return [30, *sorted({int(number) for number in _around([*numbers, 0, 400]) if 0 <= number < UNKNOWN_DAYS})]
    if name == "comment.length":
        return [None, *sorted({int(number) for number in _around(numbers) if 0 < number <= LONGEST_TEXT})]
    if name == ATTRIBUTE + "renewal_date" and mention.path[0] == "account":
        days = sorted({int(number) for number in _around([*numbers, 0]) if abs(number) < UNKNOWN_DAYS})
        return [None, *((AT.date() + timedelta(days=number)).isoformat() for number in days)]
    return []


def _texts(name: str, mention: Mention, spoken: Mentions, numbers: Sequence[float]) -> list[Value]:
    own = [value for value in (*mention.compared, *mention.members, *mention.affixes) if isinstance(value, str)]
    literals = own or [value for value in spoken.literals if isinstance(value, str)]
    if "matches" in spoken.called:
        literals = [text for literal in literals for text in (literal, *_fitting(literal))]
    written = [str(number) for number in _around(numbers)] if name.startswith((SEGMENT, ATTRIBUTE)) else []
    if "size" in spoken.called:
        written += ["x" * int(number) for number in _around(numbers) if 0 < number <= LONGEST_TRIED]
    tails = [f"{text}x" for text in literals] if mention.affixes or not own else []
    tried = dict.fromkeys([*literals, *written, *tails, "other"])
    usual = USUAL.get(name)
    return [usual, *(text for text in tried if text != usual and _occurs(name, text))]


def _fitting(pattern: str) -> list[str]:
    """Texts that may fit a pattern: what it says between its signs."""
    plain = pattern.replace("(?i)", "")
    return [
        "".join(char for char in part if char.isalnum() or char in " _-@").strip()
        for part in (plain, *plain.strip("^$()").split("|"))
    ]


def _numbers(mention: Mention, spoken: Mentions) -> list[float]:
    """The numbers that a condition compares with; if it reckons, also what they make together."""
    own = [value for value in mention.compared if not isinstance(value, str)]
    given = [value for value in spoken.literals if not isinstance(value, str)]
    if not spoken.reckons:
        return own or given
    pairs = [(one, other) for one, other in product(given[:6], repeat=2)]
    made = [number for one, other in pairs for number in (one * other, one + other, one - other)]
    return list(dict.fromkeys([*own, *given, *(-number for number in given), *made]))


def _around(numbers: Iterable[float], *steps: float) -> list[float]:
    """Numbers, and those beside them: one more and less, and so much more and less."""
    return sorted({number + step for number in numbers for size in (0, 1, *steps) for step in (size, -size)})


@cache
def _adapter(name: str) -> TypeAdapter[Any]:  # of any of the contract's types
    return TypeAdapter(_KINDS[name])


_SEGMENT_KEY: Final[TypeAdapter[str]] = TypeAdapter(SegmentKey)
_SEGMENT_VALUE: Final[TypeAdapter[str]] = TypeAdapter(SegmentValue)


def _occurs(name: str, text: str) -> bool:
    """Whether the contract lets such a value in."""
    try:
        if name.startswith(SEGMENT):
            _SEGMENT_KEY.validate_python(name.removeprefix(SEGMENT))
            _SEGMENT_VALUE.validate_python(text)
        elif name in _KINDS:
            _adapter(name).validate_python(text)
    except ValidationError:
        return False
    return True


def described(witness: Witness) -> str:
    """A witness in a few words, for people."""
    metric, number = _pair({**USUAL, **witness}[SAID])
    told = [f"{metric} {number}"]
    for name, value in sorted(witness.items()):
        if name == SAID or value is None or value == USUAL.get(name) or value is False:
            continue
        if name == BEFORE and isinstance(value, tuple):
            told.append(f"{value[1]} before")
        else:
            told.append(_word(name, value))
    return ", ".join(told)


def _word(name: str, value: Value) -> str:
    plain = name.removeprefix(ATTRIBUTE).removeprefix(SEGMENT).removeprefix("answer.").replace("_", " ")
    if name.startswith(KEYWORD):
        return f"keyword {name.removeprefix(KEYWORD)}"
    return plain if value is True else f"{plain} {value}"
