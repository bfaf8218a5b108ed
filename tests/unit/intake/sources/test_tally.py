"""Tally: questions by key and by label."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from schemas.malformed import Malformed
from schemas.response import Submission
from services.intake.sources.source import Answered, Said
from services.intake.sources.tally import parse
from tests.support.kits.tally import KIT


def said(body: bytes, **options: str) -> list[Said]:
    return parse(KIT.call(body), KIT.parsed_options(**options))  # type: ignore[arg-type]  # its own


def told(name: str, **options: str) -> Submission:
    (one,) = said(KIT.recorded[name], **options)
    assert isinstance(one, Answered)
    return one.submission


def test_a_question_is_found_by_its_label_or_its_key() -> None:
    submission = told("answered")
    assert (submission.score, submission.comment) == (9, "Delivered a day early.")
    assert told("answered", score="question_likely").score == 9


def test_hidden_fields_say_who_it_is() -> None:
    submission = told("answered")
    assert (submission.customer_id, submission.email) == ("C-1001", "lian.smith@example.org")
    assert submission.segments == {"country": "FI"}
    assert submission.answered_at == datetime(2026, 5, 20, 11, 59, 40, tzinfo=UTC)
    assert (submission.response_id, submission.survey_id) == ("2wgx4n", "VwbNEw")


def test_zero_alone_is_an_answer() -> None:
    submission = told("score_alone")
    assert (submission.score, submission.comment, submission.email) == (0, None, None)


def test_a_question_left_open_is_no_answer() -> None:
    assert said(KIT.recorded["left_open"]) == []


def test_of_questions_with_the_same_label_the_first_is_meant() -> None:
    payload = json.loads(KIT.recorded["answered"])
    payload["data"]["fields"].append({"key": "question_2", "label": "How likely are you to recommend us?", "value": 1})
    (one,) = said(json.dumps(payload).encode())
    assert isinstance(one, Answered)
    assert one.submission.score == 9


def test_a_form_without_the_question_says_which_is_missing() -> None:
    with pytest.raises(Malformed, match=r"data\.fields: no question likely"):
        told("answered", score="likely")


def test_an_event_of_another_kind_says_nothing() -> None:
    payload = json.loads(KIT.recorded["answered"]) | {"eventType": "FORM_CLOSED"}
    assert said(json.dumps(payload).encode()) == []
