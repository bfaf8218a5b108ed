"""PostHog: surveys in the product."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.malformed import Malformed
from schemas.response import Submission
from services.intake.sources.posthog import parse
from services.intake.sources.source import Answered, Said
from tests.support.kits.posthog import KIT

SURVEY = "018ed910-3b24-0000-e3fd-d51c59aa74b2"


def said(name: str, **options: Any) -> list[Said]:  # as they stand in the business file
    return parse(KIT.call(KIT.recorded[name]), KIT.parsed_options(**options))  # type: ignore[arg-type]  # its own


def told(name: str, **options: Any) -> Submission:  # the same
    (answered,) = said(name, **options)
    assert isinstance(answered, Answered)
    return answered.submission


def test_score_and_why_are_found_by_the_ids_of_their_questions() -> None:
    submission = told("completed")
    assert (submission.score, submission.comment) == (9, "Saves me an hour a day")
    assert (submission.survey_id, submission.channel) == (SURVEY, "in_app")


def test_an_old_library_names_questions_by_their_place() -> None:
    submission = told("by_place", score="0", comment="1")
    assert (submission.score, submission.comment) == (0, "Too slow")


def test_an_answer_on_the_way_is_an_earlier_version_of_the_same() -> None:
    first, then = told("first_question"), told("completed")
    assert first.comment is None
    assert first.response_id == then.response_id == "018f9d2e-0000-7000-8000-aaaaaaaaaaaa"
    assert first.updated_at is not None
    assert then.updated_at is not None
    assert first.updated_at < then.updated_at


def test_who_answered_comes_along() -> None:
    submission = told("completed")
    assert (submission.customer_id, submission.email) == ("C-1001", "lian.smith@example.org")
    assert submission.segments == {"plan": "pro"}
    assert told("completed", customer_id=None).customer_id is None
    assert told("completed", customer_id="plan").customer_id == "pro"


@pytest.mark.parametrize("name", ["shown", "dismissed", "skipped"])
def test_a_survey_that_was_shown_closed_or_skipped_says_nothing(name: str) -> None:
    assert said(name, survey=SURVEY) == []


def test_another_survey_says_nothing() -> None:
    assert said("completed", survey="018ed910-0000-0000-0000-000000000000") == []


def test_the_one_survey_without_the_question_says_which_is_missing() -> None:
    with pytest.raises(Malformed, match=r"event.properties.\$survey_response_likely: no answer"):
        said("completed", survey=SURVEY, score="likely")


def test_a_scale_that_is_not_from_0_to_10_is_refused_and_not_rounded() -> None:
    payload = json.loads(KIT.recorded["completed"])
    payload["event"]["properties"]["$survey_response_7d1c7a9e-likely"] = 8.5
    with pytest.raises(Malformed, match="score: "):
        parse(KIT.call(json.dumps(payload).encode()), KIT.parsed_options())  # type: ignore[arg-type]  # its own
