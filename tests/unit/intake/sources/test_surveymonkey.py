"""SurveyMonkey: what a call names, and what of a response is the answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.malformed import Malformed
from schemas.response import Submission
from services.intake.sources.source import Answered, Lookup
from services.intake.sources.surveymonkey import Options, parse, read_details
from tests.support.kits.surveymonkey import KIT

COMPLETED = json.loads(KIT.api["completed"])


def options(**more: Any) -> Options:  # as in the business file
    parsed = KIT.parsed_options(**more)
    assert isinstance(parsed, Options)
    return parsed


def told(name: str, **more: Any) -> Submission:  # as in the business file
    (said,) = KIT.told(name, options(**more))
    assert isinstance(said, Answered)
    return said.submission


def read(details: dict[str, Any], **more: Any) -> Submission:  # JSON
    (said,) = read_details(options(**more), json.dumps(details).encode())
    assert isinstance(said, Answered)
    return said.submission


@pytest.mark.parametrize("name", ["completed", "changed"])
def test_a_call_names_the_response_whether_or_not_it_comes_inside_of_data(name: str) -> None:
    (lookup,) = parse(KIT.call(KIT.recorded[name]), options())
    assert isinstance(lookup, Lookup)
    assert lookup.path == "v3/surveys/105724755/responses/5007154402/details"


def test_the_choice_is_the_score_that_the_business_file_says() -> None:
    assert told("completed").score == 9
    assert told("previewed").score == 10


def test_a_slider_has_the_number_itself_and_zero_is_a_score() -> None:
    submission = told("slider", choices={})
    assert submission.score == 0
    assert (submission.email, submission.name, submission.customer_id) == (None, None, None)


def test_why_and_who_come_along() -> None:
    submission = told("completed")
    assert submission.comment == "Delivered a day early, děkuji."
    assert (submission.email, submission.name) == ("lian.smith@example.org", "Lian Smith")
    assert (submission.customer_id, submission.segments) == ("C-1001", {"country": "FI"})
    assert told("completed", customer_id="custom_value").customer_id == "visit-7"


def test_what_changed_later_is_a_later_revision_of_the_same_answer() -> None:
    first, then = told("completed"), told("changed")
    assert (first.response_id, first.survey_id) == (then.response_id, then.survey_id) == ("5007154402", "105724755")
    assert (then.score, then.comment) == (7, "On second thoughts.")
    assert first.updated_at is not None
    assert then.updated_at is not None
    assert first.updated_at < then.updated_at


def test_a_response_that_is_not_complete_says_nothing() -> None:
    assert KIT.told("half_way", options()) == []
    assert read_details(options(), json.dumps(COMPLETED | {"response_status": "disqualified"}).encode()) == []


def test_a_deleted_response_is_taken_back_without_asking_for_it() -> None:
    submission = told("deleted")
    assert (submission.op, submission.response_id) == ("retracted", "5007154402")
    assert submission.updated_at == datetime(2026, 5, 20, 12, 0, 10, 500000, UTC)


def test_a_preview_is_a_trial() -> None:
    assert (told("previewed").test, told("completed").test) == (True, False)


def test_an_event_of_another_kind_says_nothing() -> None:
    assert KIT.told("another_kind", options()) == []


def test_a_choice_without_a_score_says_which() -> None:
    with pytest.raises(Malformed, match=r"choice_id: 3057839060 is not among the choices"):
        told("completed", choices={"1": 0})


def test_a_survey_without_the_question_says_which_is_missing() -> None:
    with pytest.raises(Malformed, match=r"pages.questions: no answer to the question 77"):
        told("completed", score=77)


def test_a_slider_beyond_the_scale_is_refused() -> None:
    question = {"id": "319352786", "answers": [{"text": "11"}]}
    with pytest.raises(Malformed, match=r"pages.questions.answers.text: must be a whole number from 0 to 10"):
        read(COMPLETED | {"pages": [{"id": "1", "questions": [question]}]})
