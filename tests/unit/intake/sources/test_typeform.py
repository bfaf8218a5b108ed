"""Typeform: which of a form's answers is the answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from schemas.malformed import Malformed
from schemas.response import Submission
from services.intake.sources.source import Answered
from services.intake.sources.typeform import parse
from tests.support.kits.typeform import KIT


def told(name: str, **options: str) -> Submission:
    (said,) = parse(KIT.call(KIT.recorded[name]), KIT.parsed_options(**options))  # type: ignore[arg-type]  # its own
    assert isinstance(said, Answered)
    return said.submission


def test_the_field_that_is_named_is_the_score_and_never_the_score_of_the_quiz() -> None:
    assert told("answer").score == 9
    assert told("score_alone").score == 0


def test_why_and_who_come_along_where_the_form_asks_for_them() -> None:
    submission = told("answer")
    assert (submission.comment, submission.customer_id) == ("Delivered a day early.", "C-1001")
    assert submission.email == "lian.smith@example.org"
    assert submission.segments == {"country": "FI"}
    assert told("score_alone").comment is None


def test_the_answer_is_named_by_its_token_and_dated_when_it_was_sent_in() -> None:
    submission = told("answer")
    assert submission.response_id == "a3a12ec67a1365927098a606107fac15"
    assert submission.survey_id == "lT4Z3j"
    assert submission.answered_at == datetime(2026, 5, 20, 11, 59, 40, tzinfo=UTC)


def test_a_form_without_the_field_says_which_is_missing() -> None:
    with pytest.raises(Malformed, match=r"form_response.answers: no answer to the field recommend"):
        told("answer", score="recommend")


def test_a_scale_that_is_not_from_0_to_10_is_refused_and_not_rounded() -> None:
    payload = json.loads(KIT.recorded["answer"])
    payload["form_response"]["answers"][0]["number"] = 8.5
    with pytest.raises(Malformed, match="score: "):
        parse(KIT.call(json.dumps(payload).encode()), KIT.parsed_options())  # type: ignore[arg-type]  # its own
