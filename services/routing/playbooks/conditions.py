"""Conditions in CEL (Common Expression Language): compiled once, bounded, and the one place that knows its library."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import cel

LONGEST_CONDITION: Final = 2_000
"""Characters, with every named block written out. What a condition costs grows with its length alone."""

BLOCK: Final = re.compile(r"\bblocks\.([A-Za-z_][A-Za-z0-9_]*)")

_WHERE: Final = re.compile(r"ERROR: <input>:(\d+):(\d+): (?:Syntax error: )?([^\n]+)")
_UNDEFINED: Final = "Undefined variable or function"

FAILS: Final = (TypeError, ValueError, RuntimeError, ArithmeticError)
"""What the library raises where something does not fit."""

Variables = Mapping[str, Any]  # of every type that CEL has


class BadCondition(Exception):
    """A condition is no CEL; the message begins with line and column, both counted from 1."""


class Unanswerable(Exception):
    """A condition has no answer for this situation; the message names what is missing or does not fit.

    `flawed` says that the condition itself is at fault, and not what it met.
    """

    def __init__(self, message: str, *, flawed: bool = False) -> None:
        super().__init__(message)
        self.flawed = flawed


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that is either true of a situation or not."""

    text: str
    program: cel.Program = field(repr=False, compare=False)

    @classmethod
    def compiled(cls, text: str) -> Condition:
        """A condition from its text.

        Raises:
            BadCondition: with line and column.
        """
        if len(text) > LONGEST_CONDITION:
            raise BadCondition(f"line 1, column 1: {len(text)} characters, at most {LONGEST_CONDITION} are allowed")
        try:
            return cls(text, cel.compile(text))
        except ValueError as error:
            raise BadCondition(_told(str(error))) from error

    @property
    def names(self) -> frozenset[str]:
        """The variables and functions it speaks of."""
        return frozenset(self.program.variables())

    def of(self, situation: cel.Context) -> bool:
        """Whether it holds.

        Raises:
            Unanswerable: if something it asks for is not there, or it is not true or false.
        """
        try:
            answer = self.program.execute(situation)
        except KeyError as error:
            raise Unanswerable(f"{error.args[0]}: not there") from error
        except FAILS as error:
            reason = str(error).partition(". ")[0]
            flawed = isinstance(error, TypeError) or reason.startswith(_UNDEFINED)
            raise Unanswerable(reason, flawed=flawed) from error
        if not isinstance(answer, bool):
            raise Unanswerable(f"it is {type(answer).__name__}, not true or false", flawed=True)
        return answer

    def holds(self, situation: cel.Context) -> bool:
        """Whether it holds; what cannot be answered does not hold."""
        try:
            return self.program.execute(situation) is True
        except (KeyError, *FAILS):
            return False

    def verdict(self, variables: Variables) -> str:
        """Whether it holds, in words for people."""
        try:
            return "holds" if self.of(situation_of(variables)) else "does not hold"
        except Unanswerable as reason:
            return f"cannot be answered ({reason})"


def situation_of(variables: Variables) -> cel.Context:
    """Variables as conditions see them, converted once for all conditions."""
    return cel.Context(variables=dict(variables))


def written_out(text: str, blocks: Mapping[str, str]) -> str:
    """A condition with `blocks.<name>` replaced by what that block says.

    Raises:
        BadCondition: if there is no such block.
    """

    def block(found: re.Match[str]) -> str:
        name = found[1]
        if name not in blocks:
            before = text[: found.start()]
            line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
            there = ", ".join(sorted(blocks)) or "none"
            raise BadCondition(f"line {line}, column {column}: no block is named {name}; there are: {there}")
        return f"({blocks[name]})"

    return BLOCK.sub(block, text)


def _told(message: str) -> str:
    found = _WHERE.search(message)
    if found is None:
        return f"line 1, column 1: {message.splitlines()[0]}"
    line, column, reason = found.groups()
    return f"line {line}, column {column}: {reason.partition(' expecting ')[0]}"
