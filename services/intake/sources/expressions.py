"""Expressions over what a sender sends: JMESPath, checked when the business file is read.

What they are evaluated on is bounded first, so that nobody's call keeps us busy: JSON of at most so many values, nested
so deep. An expression is bounded too, in length and depth, and so evaluates in time that grows with the payload alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, Final

import jmespath
from jmespath.exceptions import EmptyExpressionError, JMESPathTypeError, ParseError
from jmespath.functions import Functions
from jmespath.parser import ParsedResult
from pydantic import AfterValidator, StringConstraints
from pydantic_core import from_json

from schemas.malformed import WHOLE_BODY, Malformed

LONGEST_EXPRESSION: Final = 500
DEEPEST_EXPRESSION: Final = 50
DEEPEST_PAYLOAD: Final = 32
MOST_VALUES: Final = 50_000
"""Of a payload: every object, list, text, number, boolean and null is one."""

Json = Any  # of any shape: that is what this module is for


def _sound(text: str) -> str:
    try:
        parsed = _compiled(text).parsed
    except EmptyExpressionError as error:
        raise ValueError("no JMESPath: it is empty") from error
    except ParseError as error:
        raise ValueError(f"no JMESPath: a mistake at character {error.lex_position + 1}") from error
    except PendingDeprecationWarning as error:
        raise ValueError("no JMESPath: what stands between backticks is no JSON") from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    for node, depth in _nodes(parsed):
        if depth > DEEPEST_EXPRESSION:
            raise ValueError("nested too deeply")
        _check_node(node)
    return text


Expression = Annotated[str, StringConstraints(max_length=LONGEST_EXPRESSION), AfterValidator(_sound)]
"""A dotted path, `feedback.score`, or whatever else JMESPath knows; a name with spaces stands in quotes."""


@cache
def _compiled(text: str) -> ParsedResult:
    with warnings.catch_warnings():
        # of literals between backticks that are no JSON: the library guesses what they mean
        warnings.simplefilter("error", PendingDeprecationWarning)
        return jmespath.compile(text)


def _nodes(root: Json) -> Iterator[tuple[Json, int]]:
    """Every node of a syntax tree, with its depth."""
    left = [(root, 1)]
    while left:
        node, depth = left.pop()
        yield node, depth
        left += [(child, depth + 1) for child in node["children"] if isinstance(child, dict)]


def _check_node(node: Json) -> None:
    """What jmespath itself finds out only when it evaluates."""
    if node["type"] == "slice" and node["children"][2] == 0:
        raise ValueError("the step of a slice must not be 0")
    if node["type"] != "function_expression":
        return
    name, given = node["value"], len(node["children"])
    known = Functions.FUNCTION_TABLE.get(name)
    if known is None:
        raise ValueError(f"{name}(): no function of JMESPath")
    signature = known["signature"]
    several = bool(signature and signature[-1].get("variadic"))
    if given < len(signature) or (given > len(signature) and not several):
        raise ValueError(f"{name}(): takes {len(signature)} arguments{' or more' if several else ''}, not {given}")


def evaluate(expression: str | None, tree: Json, field: str) -> Json:
    """What an expression finds; none where it finds nothing, and where there is no expression.

    Raises:
        Malformed: naming the field, if a function cannot take what was sent.
    """
    if expression is None:
        return None
    try:
        return _compiled(expression).search(tree)
    except JMESPathTypeError as error:
        raise Malformed.of(field, f"{error.function_name}() cannot take what was sent: {error.actual_type}") from error
    except (TypeError, ValueError, ArithmeticError) as error:
        raise Malformed.of(field, "its expression does not fit what was sent") from error


def holds(found: Json) -> bool:
    """Whether JMESPath takes this for true: anything but false, null and what is empty."""
    return found is not None and found is not False and found not in ("", [], {})


def payload(body: bytes) -> Json:
    """The JSON of a call.

    Raises:
        Malformed: if it is none, or more of it than anybody needs.
    """
    try:
        tree = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise Malformed.of(WHOLE_BODY, f"not JSON: {error}") from error
    _check_bounds(tree)
    return tree


def _check_bounds(tree: Json) -> None:
    level, seen = [tree], 0
    for _ in range(DEEPEST_PAYLOAD):
        seen += len(level)
        if seen > MOST_VALUES:
            raise Malformed.of(WHOLE_BODY, f"more than {MOST_VALUES} values")
        level = [child for node in level for child in _children(node)]
        if not level:
            return
    raise Malformed.of(WHOLE_BODY, f"nested more than {DEEPEST_PAYLOAD} deep")


def _children(node: Json) -> list[Json]:
    if isinstance(node, dict):
        return list(node.values())
    return node if isinstance(node, list) else []
