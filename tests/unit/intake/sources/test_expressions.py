"""Expressions: what is no JMESPath is said at once, and no payload keeps us busy."""

from __future__ import annotations

import json

import pytest
from pydantic import TypeAdapter, ValidationError

from schemas.malformed import Malformed
from services.intake.sources.expressions import DEEPEST_PAYLOAD, MOST_VALUES, Expression, evaluate, holds, payload

CHECKED: TypeAdapter[str] = TypeAdapter(Expression)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is empty"),
        ("a[", "a mistake at character"),
        ("a == `new`", "between backticks is no JSON"),
        ("a b", "a mistake at character 3"),
        ("leng(a)", r"leng\(\): no function of JMESPath"),
        ("a[?b].length(c, d)", r"length\(\): takes 1 arguments, not 2"),
        ("not_null()", r"not_null\(\): takes 1 arguments or more, not 0"),
        ("a[::0]", "the step of a slice must not be 0"),
        ("!" * 51 + "a", "nested too deeply"),
        ("a" * 501, "at most 500"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_before_anything_is_sent(text: str, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        CHECKED.validate_python(text)


@pytest.mark.parametrize(
    "text", ["a", "a.b[0]", "a[?b == 'c'].d | [0]", "not_null(a, b, c)", "merge(a, {b: c})", "a[::-1]"]
)
def test_what_can_be_is_taken_as_it_is(text: str) -> None:
    assert CHECKED.validate_python(text) == text


@pytest.mark.parametrize(
    ("text", "sent", "reason"),
    [
        ("length(a)", {"a": 5}, "length() cannot take what was sent: number"),
        ("contains(a, b)", {"a": "robin", "b": 5}, "its expression does not fit what was sent"),
        ("a < b", {"a": "robin", "b": 5}, "its expression does not fit what was sent"),
        ("ceil(to_number(a))", {"a": "1e999"}, "its expression does not fit what was sent"),
        ("sort_by(a, &b)", {"a": [{"b": 1}, {"b": "robin"}]}, "sort_by() cannot take what was sent: string"),
    ],
)
def test_what_does_not_fit_an_expression_is_a_fault_that_repeats_no_value(
    text: str, sent: dict[str, object], reason: str
) -> None:
    with pytest.raises(Malformed) as caught:
        evaluate(text, sent, "score")
    assert caught.value.faults == [("score", reason)]


def test_what_is_empty_does_not_hold_and_0_does() -> None:
    assert [text for text in ("null", "false", '""', "[]", "{}") if holds(json.loads(text))] == []
    assert [text for text in ("0", "true", '"no"', "[0]", '{"a": 0}') if not holds(json.loads(text))] == []


def nested(depth: int) -> bytes:
    return b'{"a":' * (depth - 1) + b"1" + b"}" * (depth - 1)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b'{"a": NaN}', "not JSON"),
        (b'"\xff"', "not JSON"),
        (nested(DEEPEST_PAYLOAD + 1), "nested more than 32 deep"),
        (b"[" * 500_000, "not JSON"),
        (json.dumps([0] * MOST_VALUES).encode(), "more than 50000 values"),
    ],
    ids=["empty", "quotes", "nan", "not UTF-8", "deep", "very deep", "many"],
)
def test_more_than_anybody_needs_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(Malformed, match=f"body: {reason}"):
        payload(body)


def test_what_is_within_the_bounds_is_read() -> None:
    assert payload(json.dumps([0] * (MOST_VALUES - 1)).encode()) == [0] * (MOST_VALUES - 1)
    assert holds(payload(nested(DEEPEST_PAYLOAD)))
