"""Which part of a situation conditions are handed: what they ask about, and nothing a condition could miss."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cel
import pytest

from schemas.personal_data import PersonalData
from services.routing.playbooks.asking import Asked
from services.routing.playbooks.conditions import Condition, Unanswerable, situation_of
from services.routing.playbooks.situation import Earlier, History, Person, Situation, variables
from tests.support.answers import NOON, answered

SITUATION = Situation(
    answered(9, segments={"country": "FI", "plan": "pro"}, touchpoint="shop", subject="a" * 32),
    Person(PersonalData(attributes={"status": "left", "tier": "gold", "account_value": "10"})),
    History([Earlier(7, NOON), Earlier(3, NOON)]),
    "late again",
    ["late"],
)


def part(*conditions: str) -> dict[str, dict[str, Any]]:
    return Asked.by(conditions).part_of(SITUATION)


def test_only_fields_that_are_asked_about_are_handed_over() -> None:
    asked = part('answer.band == "promoter"', "(account . value) > 3.0 && answer.score > 8")
    assert asked == {"answer": {"band": "promoter", "score": 9}, "account": {"value": 10.0}}


@pytest.mark.parametrize(
    "condition",
    ['person.attributes["status"] == "left"', "person.attributes.status == 'left'", '"status" in person.attributes'],
)
def test_of_attributes_only_those_asked_about_by_name(condition: str) -> None:
    assert part(condition) == {"person": {"attributes": {"status": "left"}}}


CONDITIONS = (
    'person.attributes.exists(k, k == "account_value")',
    "size(person.attributes) == 3",
    '"country" in answer.segments && answer.segments.country == "FI"',
    "has(answer.segments.region)",
    'answer["band"] == "promoter"',
    "size(comment.text) > 3 && comment.text.startsWith('late')",
    '"late" in comment.keywords || comment.keywords.exists(one, one == "x")',
    'person.attributes[answer.band == "promoter" ? "tier" : "status"] == "gold"',
    'answer.segments == {"country": "FI", "plan": "pro"}',
    '"the answer is" != answer.touchpoint',
    "answer.bnad == 'x'",
    "history.answers > 1 && person.known",
    "[answer, answer].all(answer, answer.score == 9)",
    "answer.touchpoint.size() == 4",
    '"person.attributes" in person.attributes',
)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_condition_says_the_same_of_the_part_as_of_the_whole(condition: str) -> None:
    def said(situation: cel.Context) -> bool | str:
        try:
            return Condition.compiled(condition).of(situation)
        except Unanswerable as error:
            return str(error)

    assert said(situation_of(part(condition))) == said(situation_of(variables(SITUATION)))


@pytest.mark.parametrize("condition", CONDITIONS)
def test_situations_have_one_key_if_nobody_can_tell_them_apart(condition: str) -> None:
    asked = Asked.by([condition])
    other = replace(SITUATION, answer=SITUATION.answer.model_copy(update={"digest": "1" * 32}))
    assert asked.key_of(SITUATION) == asked.key_of(other)
    assert hash(asked.key_of(SITUATION)) == hash(asked.key_of(other))


def test_situations_have_two_keys_if_what_is_asked_about_differs() -> None:
    asked = Asked.by(['"status" in person.attributes', '"late" in comment.keywords'])
    gone = replace(SITUATION, person=Person())
    silent = replace(SITUATION, comment="", keywords=())
    assert len({asked.key_of(one) for one in (SITUATION, gone, silent)}) == 3
