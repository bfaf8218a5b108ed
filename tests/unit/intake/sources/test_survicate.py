"""Survicate: one call a question."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.malformed import Malformed
from services.intake.sources.source import Answered, Said
from services.intake.sources.survicate import parse
from tests.support.kits.survicate import KIT


def said(body: bytes, **options: str) -> list[Said]:
    return parse(KIT.call(body), KIT.parsed_options(**options))  # type: ignore[arg-type]  # its own


def told(name: str) -> Answered:
    (one,) = said(KIT.recorded[name])
    assert isinstance(one, Answered)
    return one


def changed(name: str, **more: Any) -> bytes:  # JSON of any shape
    payload = json.loads(KIT.recorded[name])
    payload["event"]["questionAnswered"] |= more
    return json.dumps(payload).encode()


def test_the_score_comes_first_and_the_comment_follows_alone() -> None:
    score, comment = told("score").submission, told("comment").submission
    assert (score.op, score.score, score.comment) == ("submitted", 9, None)
    assert (comment.op, comment.score, comment.comment) == ("commented", None, "Delivered a day early.")
    assert score.response_id == comment.response_id == "3fa85f64-5717-4562-b3fc-2c963f66afa6"
    assert score.answered_at == datetime(2026, 5, 20, 11, 46, 2, tzinfo=UTC)


def test_attributes_of_the_respondent_say_who_it_is() -> None:
    score = told("score").submission
    assert (score.customer_id, score.email) == ("C-1001", "lian.smith@example.org")
    assert score.segments == {"plan": "pro"}


def test_a_response_without_a_name_is_named_by_its_call_and_a_list_of_no_attributes_is_none() -> None:
    answered = told("before_responses_had_names")
    assert (answered.submission.response_id, answered.submission.score) == (None, 0)
    assert answered.event_id == "c0101a21572ca643fd9f9ad40a5a4654"
    assert answered.submission.attributes == {}


def test_a_comment_that_belongs_to_no_response_is_refused() -> None:
    with pytest.raises(Malformed, match=r"event\.questionAnswered\.responseUuid: required"):
        said(changed("comment", responseUuid=None))


@pytest.mark.parametrize("name", ["comment_left_empty", "another_question", "survey_completed"])
def test_what_is_neither_score_nor_comment_says_nothing(name: str) -> None:
    assert said(KIT.recorded[name]) == []


def test_the_id_of_a_choice_is_never_taken_for_a_score() -> None:
    with pytest.raises(Malformed, match=r"choice\.id: must be a whole number from 0 to 10"):
        said(KIT.recorded["another_question"], score="12125")
    with pytest.raises(Malformed, match=r"choice\.id: "):
        said(changed("score", choice=None))
