"""Reads a score in any form that people type or say, and never guesses. Pure.

A number is a score if nothing around it says otherwise. What says otherwise, and so is asked again:
  two different numbers           8 or 9, 8-9, 2026, 10 days ago I said 8
  a part of something larger      8.5, -9, 9:30, #9, 9%, 9th, iPhone9, +420 777 123 456, 007, nine and a half
  a number above ten              11, 100, two hundred, 二十
  out of anything but ten         4 of 5
  a count of something            3 weeks, two friends, 5 stars
  unknown words before it         order 5 never came, not 9, more than 8
  unknown words after a word      one of the best (after digits they are the reason: 9 great service)
"""

# ruff: noqa: RUF001 - signs of other scripts are meant

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from services.intake.conversations.number_words import LANGUAGES, Words, folded

LONGEST: Final = 2_000
"""Nobody hides a score in more text than this."""

ENOUGH_TO_BE_A_REASON: Final = 6
"""Letters beyond the score; one of Chinese stands for two."""

KEYCAP_TEN: Final = "\N{KEYCAP TEN}"
KEYCAP_MARKS: Final = "\N{VARIATION SELECTOR-16}\N{COMBINING ENCLOSING KEYCAP}"
DASHES: Final = "-\N{HYPHEN}\N{NON-BREAKING HYPHEN}\N{FIGURE DASH}\N{EN DASH}\N{EM DASH}\N{MINUS SIGN}"

_PART_OF_MORE: Final = re.compile(
    "|".join(
        (
            r"\d[.,:'٫٬]\d",  # decimals, times, dates
            r"[.,]\d",
            rf"[{DASHES}]\d",
            rf"^\s*[{DASHES}]\s*\d",
            rf"\d\s*[{DASHES}]+\s*\d",  # ranges, telephone numbers
            r"[#@$€£¥<>≤≥]\s*\d",
            r"\d\s*[%‰°$€£¥*⭐★☆]",
            "\N{FRACTION SLASH}",  # what halves and quarters become
        )
    )
)
_TOKEN: Final = re.compile(rf"\d+|[^\W\d_]+(?:[{DASHES}'][^\W\d_]+)*|[^\w\s]|_")
_HAN: Final = re.compile(r"[\u3007\u3400-\u4dbf\u4e00-\u9fff]")
_LONGEST_HAN: Final = 3

Kind = Literal["digits", "word", "large", "break"]


@dataclass(frozen=True, slots=True)
class Spoken:
    """A score, and whether a reason came with it."""

    score: int
    with_reason: bool


@dataclass(frozen=True, slots=True)
class _Token:
    """A number (`score` from 0 to 10), a word, or what stands between words. `text` is folded."""

    kind: Kind
    text: str
    score: int | None = None


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    """Words of the languages that are listened to."""

    numbers: dict[str, int]
    doubtful: frozenset[str]
    carriers: frozenset[str]
    points: frozenset[str]
    out_of: frozenset[str]
    units: frozenset[str]
    beyond: frozenset[str]
    scale: frozenset[str]

    def is_unit(self, word: str) -> bool:
        """Whether a word makes the number before it a count."""
        return word in self.units or any(word[:length] + "*" in self.units for length in range(2, len(word) + 1))


def read_score(text: str, language: str = "en") -> Spoken | None:
    """The one score in a message; none if it is not certain. English is understood in every language.

    In any other of our languages a number counts where it is the whole message.
    """
    plain = _plain(text)
    if len(plain) > LONGEST or _PART_OF_MORE.search(plain):
        return None
    vocabulary = _vocabulary(language)
    tokens = list(_tokens(plain, vocabulary))
    words = [token for token in tokens if token.kind != "break"]
    if len(words) == 1 and words[0].score is None:
        foreign = _elsewhere().get(unicodedata.normalize("NFC", plain).strip(" \t\n!.,?\"'"))
        return None if foreign is None else Spoken(foreign, with_reason=False)
    return _read(_without_scale(tokens, vocabulary), vocabulary)


def _read(tokens: Sequence[_Token] | None, vocabulary: _Vocabulary) -> Spoken | None:
    if tokens is None or any(token.kind == "large" or token.text in vocabulary.beyond for token in tokens):
        return None
    in_digits = any(token.kind == "digits" for token in tokens)
    places = [
        place
        for place, token in enumerate(tokens)
        if token.score is not None and not (in_digits and _is_doubtful(tokens, place, vocabulary))
    ]
    scores = {tokens[place].score for place in places}
    score = scores.pop() if len(scores) == 1 else None
    if score is None or not all(_stands_alone(tokens, place, vocabulary) for place in places):
        return None
    return Spoken(score, _letters_beyond(tokens, vocabulary) >= ENOUGH_TO_BE_A_REASON)


def _plain(text: str) -> str:
    """One form for what looks alike: full-width and circled digits, keycaps, the several apostrophes."""
    spelled = text.replace(KEYCAP_TEN, " 10 ").translate({ord(mark): None for mark in KEYCAP_MARKS})
    return unicodedata.normalize("NFKC", spelled).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").casefold()


def _tokens(plain: str, vocabulary: _Vocabulary) -> Iterator[_Token]:
    end, before = 0, None
    for match in _TOKEN.finditer(plain):
        for token in _split(match.group(), vocabulary):
            if match.start() == end and _grown_together(before, token, vocabulary):
                yield _Token("large", "")
            yield token
            before = token
        end = match.end()


def _split(piece: str, vocabulary: _Vocabulary) -> Iterator[_Token]:
    if piece.isdecimal():
        yield _digits(piece)
    elif _HAN.search(piece):
        yield from _split_han(piece, vocabulary)
    elif not piece[0].isalpha():
        yield _Token("break", piece)
    elif folded(piece) in vocabulary.carriers:
        yield _Token("word", folded(piece))
    else:
        for part in re.split(rf"[{DASHES}]", piece):
            yield _Token("word", folded(part), vocabulary.numbers.get(folded(part)))


def _digits(piece: str) -> _Token:
    """0 to 10 as a number writes itself: 007 is none."""
    number = int(piece) if len(piece) <= 2 else None
    return (
        _Token("digits", piece, number) if str(number) == _ascii(piece) and number in range(11) else _Token("large", "")
    )


def _ascii(piece: str) -> str:
    return "".join(str(unicodedata.digit(digit)) for digit in piece)


def _split_han(piece: str, vocabulary: _Vocabulary) -> Iterator[_Token]:
    """Chinese writes no spaces: the longest word that is known, else one character."""
    place, after_number = 0, False
    while place < len(piece):
        lengths = range(min(_LONGEST_HAN, len(piece) - place), 1, -1)
        known = (n for n in lengths if _is_known(piece[place : place + n], vocabulary))
        word = piece[place : place + next(known, 1)]
        score = vocabulary.numbers.get(word)
        if score is not None and after_number:
            yield _Token("large", "")
        yield _Token("word", word, score)
        after_number = score is not None
        place += len(word)


def _is_known(word: str, vocabulary: _Vocabulary) -> bool:
    return word in vocabulary.numbers or word in vocabulary.carriers or word in vocabulary.units


def _grown_together(before: _Token | None, after: _Token, vocabulary: _Vocabulary) -> bool:
    """Whether digits and letters stand together without a space, other than 9p and Chinese."""
    if before is None or {before.kind, after.kind} != {"digits", "word"}:
        return False
    if _HAN.search(before.text + after.text):
        return False
    return before.kind == "word" or after.text not in vocabulary.points


def _without_scale(tokens: Sequence[_Token], vocabulary: _Vocabulary) -> list[_Token] | None:
    """What is left without "out of ten"; none where a number is out of something else."""
    left: list[_Token] = []
    place = 0
    while place < len(tokens):
        token = tokens[place]
        left.append(token)
        place += 1
        if token.score is None:
            continue
        end = _after_connector(tokens, place, vocabulary)
        if end == place:
            continue
        if end < len(tokens) and tokens[end].score == 10:
            place = end + 1
        elif end < len(tokens) and tokens[end].score is None and tokens[end].kind == "word":
            continue
        else:
            return None
    return [token for token in left if token.text not in vocabulary.scale]


def _after_connector(tokens: Sequence[_Token], place: int, vocabulary: _Vocabulary) -> int:
    """Where "out of" or a stroke ends that begins here or after the word for points; here if there is none."""
    start = place
    while place < len(tokens) and tokens[place].text in vocabulary.points:
        place += 1
    first = place
    while place < len(tokens) and (tokens[place].text == "/" or tokens[place].text in vocabulary.out_of):
        place += 1
    return place if place > first else start


def _is_doubtful(tokens: Sequence[_Token], place: int, vocabulary: _Vocabulary) -> bool:
    """Whether this is no number but a word like "one" in front of another."""
    token, after = tokens[place], tokens[place + 1 : place + 2]
    followed = bool(after) and after[0].kind == "word" and after[0].score is None
    return token.kind == "word" and token.text in vocabulary.doubtful and followed


def _stands_alone(tokens: Sequence[_Token], place: int, vocabulary: _Vocabulary) -> bool:
    """Whether what stands around a number, up to the next comma or the like, leaves it a score."""
    before = _up_to_break(reversed(tokens[:place]))
    after = _up_to_break(tokens[place + 1 :])
    if not all(token.score is not None or _carries(token, vocabulary) for token in before):
        return False
    if any(vocabulary.is_unit(token.text) for token in after[:2]):
        return False
    following = next((token for token in after if token.text not in vocabulary.points), None)
    if following is None or following.score is not None:
        return True
    if following.text in vocabulary.out_of:
        return False
    return tokens[place].kind == "digits" or following.text in vocabulary.carriers


def _carries(token: _Token, vocabulary: _Vocabulary) -> bool:
    return token.text in vocabulary.carriers or token.text in vocabulary.points


def _up_to_break(tokens: Sequence[_Token] | Iterator[_Token]) -> list[_Token]:
    found = []
    for token in tokens:
        if token.kind == "break":
            break
        found.append(token)
    return found


def _letters_beyond(tokens: Sequence[_Token], vocabulary: _Vocabulary) -> int:
    return sum(
        2 if _HAN.fullmatch(letter) else 1
        for token in tokens
        if token.kind == "word" and token.score is None and not _carries(token, vocabulary)
        for letter in token.text
    )


@cache
def _vocabulary(language: str) -> _Vocabulary:
    known = [LANGUAGES["en"], LANGUAGES[language]]

    def words(name: str) -> frozenset[str]:
        return frozenset(folded(word) for each in known for word in getattr(each, name).split())

    numbers = {word: number for each in known for word, number in each.number_of.items()}
    return _Vocabulary(
        numbers=numbers,
        doubtful=words("doubtful"),
        carriers=words("carriers"),
        points=words("points"),
        out_of=words("out_of"),
        units=words("units"),
        beyond=words("beyond"),
        scale=words("scale"),
    )


@cache
def _elsewhere() -> dict[str, int]:
    """Numbers of every language as they are spelled: without its accents a word may be one of another language."""
    every: list[Words] = list(LANGUAGES.values())
    return {word: number for each in every for word, number in each.spelled.items()}
