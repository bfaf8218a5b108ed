"""What a condition speaks of, read off its text: paths, the values it compares them with, and its conjuncts.

Reads tokens, not meaning: whether a condition holds is asked of CEL alone (`conditions`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

Literal = str | float
"""Text, or a number; integers stay integers."""

UNTRACED: Final = "[]"
"""Stands among what is called where elements or entries are spoken of that no path leads to."""

COMPARISONS: Final = frozenset({"==", "!=", "<", "<=", ">", ">="})
MACROS: Final = frozenset({"all", "exists", "exists_one", "map", "filter"})
"""Macros of CEL that name the elements of what they go through."""

TYPES: Final = frozenset({"bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"})
"""Names that CEL itself has."""

_WORDS: Final = frozenset({"true", "false", "null", "in"})
_ARITHMETIC: Final = frozenset("+-*/%")
_TOKEN: Final = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
    |(?P<text>[rR]?(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'))
    |(?P<number>(?:\d+\.\d+|\d+)(?:[eE][+-]?\d+)?)u?
    |(?P<name>[A-Za-z_]\w*)
    |(?P<sign>==|!=|<=|>=|&&|\|\||.)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


_NOTHING: Final = _Token("end", "", -1)


@dataclass(frozen=True, slots=True)
class Mention:
    """A path that a condition speaks of, and what with. An element of a list or map that a macro names is its path."""

    path: tuple[str, ...]
    at: int
    """where in the text, from 0"""
    compared: tuple[Literal, ...] = ()
    members: tuple[str, ...] = ()
    """what is looked for in it: `"x" in path`"""
    affixes: tuple[str, ...] = ()
    """what its text is searched for: startsWith, contains and the like"""
    element: bool = False


@dataclass(frozen=True, slots=True)
class Mentions:
    """All that a condition speaks of."""

    paths: tuple[Mention, ...]
    literals: tuple[Literal, ...]
    called: frozenset[str]
    """functions and methods, and `UNTRACED`"""
    reckons: bool
    """whether it adds, subtracts, multiplies or divides"""


@dataclass(slots=True)
class _Reading:
    tokens: list[_Token]
    named: dict[str, tuple[str, ...]] = field(default_factory=dict)
    called: set[str] = field(default_factory=set)

    def at(self, index: int) -> _Token:
        return self.tokens[index] if 0 <= index < len(self.tokens) else _NOTHING

    def literal(self, index: int) -> Literal | None:
        token = self.at(index)
        if token.text == "-" and self.at(index + 1).kind == "number":
            return -_number(self.at(index + 1).text)
        return _value(token)


def read(text: str) -> Mentions:
    """What a condition that CEL can read speaks of."""
    reading = _Reading(_tokens(text))
    named_elsewhere = _named_elsewhere(reading)
    paths = tuple(mention for mention in _paths(reading) if mention.path[0] not in named_elsewhere)
    literals = [value for value in map(_value, reading.tokens) if value is not None]
    pairs = zip(reading.tokens, reading.tokens[1:], strict=False)
    reckons = any(
        token.text in _ARITHMETIC and (before.kind != "sign" or before.text in ")]") for before, token in pairs
    )
    return Mentions(paths, tuple(dict.fromkeys(literals)), frozenset(reading.called), reckons)


def conjuncts(text: str) -> list[str]:
    """The parts that all must hold for the whole to hold."""
    return _parts(text, "&&", weaker=frozenset({"||", "?"}))


def disjuncts(text: str) -> list[str]:
    """The parts of which one must hold for the whole to hold."""
    return _parts(text, "||", weaker=frozenset({"?"}))


def line_and_column(text: str, at: int) -> str:
    """A place in a condition as people count, both from 1."""
    before = text[:at]
    return f"line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))}"


def _tokens(text: str) -> list[_Token]:
    found = (_Token(match.lastgroup or "", match[0], match.start()) for match in _TOKEN.finditer(text))
    return [token for token in found if token.kind != "space"]


def _paths(reading: _Reading) -> Iterator[Mention]:
    for index, token in enumerate(reading.tokens):
        if token.kind != "name" or token.text in _WORDS or reading.at(index - 1).text == ".":
            continue
        parts, end = _path_from(reading, index)
        if parts and parts[0] not in TYPES:
            yield _mention(reading, parts, index, end)


def _named_elsewhere(reading: _Reading) -> frozenset[str]:
    """Names that macros give to the elements of what is no path, such as a list that is written out."""
    found = {
        reading.at(index + 3).text
        for index in range(len(reading.tokens))
        if reading.at(index).text == "."
        and reading.at(index + 1).text in MACROS
        and reading.at(index + 2).text == "("
        and reading.at(index + 4).text == ","
        and reading.at(index - 1).text in {"]", ")", "}"}
    }
    if found:
        reading.called.add(UNTRACED)
    return frozenset(found)


def _path_from(reading: _Reading, index: int) -> tuple[tuple[str, ...], int]:
    """A path and the index behind it; no path if it is a function's name, or one that a macro gives."""
    parts = [reading.at(index).text]
    index += 1
    while True:
        first, second, third = (reading.at(index + step) for step in range(3))
        if first.text == "." and second.kind == "name" and third.text != "(":
            parts.append(second.text)
            index += 2
        elif first.text == "[" and second.kind == "text" and third.text == "]":
            parts.append(str(_value(second)))
            index += 3
        else:
            if first.text == "[":
                reading.called.add(UNTRACED)
            break
    if len(parts) == 1 and reading.at(index).text == "(":
        reading.called.add(parts[0])
        return (), index
    is_new = len(parts) == 1 and reading.at(index).text == "," and parts[0] in reading.named
    return (() if is_new else tuple(parts)), index


def _mention(reading: _Reading, parts: tuple[str, ...], start: int, end: int) -> Mention:
    at, element = reading.at(start).at, parts[0] in reading.named
    path = reading.named[parts[0]] + parts[1:] if element else parts
    if reading.at(end).text == ".":
        return Mention(path, at, affixes=_called(reading, path, end), element=element)
    compared = [*_behind(reading, end), *_before(reading, start)]
    members = []
    if reading.at(start - 1).text == "in":
        value = _value(reading.at(start - 2))
        members = [value] if isinstance(value, str) else []
    return Mention(path, at, tuple(compared), tuple(members), element=element)


def _called(reading: _Reading, path: tuple[str, ...], end: int) -> tuple[str, ...]:
    """Notes a method that is called on a path, or the name a macro gives to its elements; returns text it is given."""
    method, argument = reading.at(end + 1).text, reading.at(end + 3)
    reading.called.add(method)
    if method in MACROS and argument.kind == "name" and reading.at(end + 4).text == ",":
        reading.named[argument.text] = path
    value = _value(argument)
    return (value,) if isinstance(value, str) else ()


def _behind(reading: _Reading, end: int) -> Iterator[Literal]:
    sign = reading.at(end).text
    if sign in COMPARISONS:
        value = reading.literal(end + 1)
        if value is not None:
            yield value
    elif sign == "in" and reading.at(end + 1).text == "[":
        index = end + 2
        while reading.at(index).text not in {"]", ""}:
            value = reading.literal(index)
            index += 2 if reading.at(index).text == "-" else 1
            if value is not None:
                yield value


def _before(reading: _Reading, start: int) -> Iterator[Literal]:
    if reading.at(start - 1).text in COMPARISONS:
        value = reading.literal(start - 2)
        if value is not None:
            yield -value if not isinstance(value, str) and reading.at(start - 3).text == "-" else value


def _value(token: _Token) -> Literal | None:
    if token.kind == "number":
        return _number(token.text)
    if token.kind != "text":
        return None
    try:
        return str(ast.literal_eval(token.text))
    except (SyntaxError, ValueError):
        return token.text.strip("rR\"'")


def _number(text: str) -> float:
    plain = text.rstrip("u")
    return int(plain) if plain.isdigit() else float(plain)


def _parts(text: str, sign: str, weaker: frozenset[str]) -> list[str]:
    tokens = _tokens(text)
    while _wrapped(tokens):
        tokens = tokens[1:-1]
    depth, cuts = 0, [-1]
    for index, token in enumerate(tokens):
        depth += (token.text in {"(", "[", "{"}) - (token.text in {")", "]", "}"}) if token.kind == "sign" else 0
        if depth == 0 and token.kind == "sign":
            if token.text in weaker:
                cuts = [-1]
                break
            if token.text == sign:
                cuts.append(index)
    groups = [tokens[begin + 1 : end] for begin, end in zip(cuts, [*cuts[1:], len(tokens)], strict=True)]
    if len(groups) == 1:
        return [_text_of(text, tokens)]
    return [part for group in groups for part in _parts(_text_of(text, group), sign, weaker)]


def _wrapped(tokens: Sequence[_Token]) -> bool:
    """Whether one pair of parentheses is around all of it."""
    if len(tokens) < 2 or tokens[0].text != "(":
        return False
    depth = 0
    for index, token in enumerate(tokens):
        depth += (token.text == "(") - (token.text == ")") if token.kind == "sign" else 0
        if depth == 0:
            return index == len(tokens) - 1
    return False


def _text_of(text: str, tokens: Sequence[_Token]) -> str:
    return text[tokens[0].at : tokens[-1].at + len(tokens[-1].text)] if tokens else text
