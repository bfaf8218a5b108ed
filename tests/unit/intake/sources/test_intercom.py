"""Intercom: conversations that were rated, and surveys."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.malformed import Malformed
from schemas.response import Submission
from services.intake.sources.intercom import parse
from services.intake.sources.source import Answered, Said
from tests.support.kits.intercom import KIT


def said(name: str, **options: Any) -> list[Said]:  # as they stand in the business file
    return parse(KIT.call(KIT.recorded[name]), KIT.parsed_options(**options))  # type: ignore[arg-type]  # its own


def told(name: str, **options: Any) -> Submission:  # the same
    (answered,) = said(name, **options)
    assert isinstance(answered, Answered)
    return answered.submission


def test_a_conversations_rating_is_satisfaction_and_never_nps() -> None:
    submission = told("rated")
    assert (submission.metric, submission.rating, submission.score) == ("csat", 4, None)
    assert submission.comment == "Found it in 9 minutes"
    assert (submission.response_id, submission.channel) == ("1295", "live_chat")


def test_who_rated_and_who_served_come_along() -> None:
    submission = told("rated")
    assert (submission.customer_id, submission.email) == ("C-1001", "lian.smith@example.org")
    assert submission.agent is not None
    assert submission.agent.id == "274"


def test_the_address_of_a_colleague_who_began_is_not_the_customers() -> None:
    submission = told("begun_by_a_colleague")
    assert (submission.customer_id, submission.email, submission.name) == ("C-1001", None, None)


def test_a_survey_that_was_completed_is_an_answer_with_why() -> None:
    submission = told("survey_completed")
    assert (submission.metric, submission.score, submission.comment) == ("nps", 9, "It just works")
    assert (submission.customer_id, submission.email) == ("C-1002", "kim.jones@example.org")
    assert submission.answered_at == datetime(2026, 5, 20, 11, 58, 40, tzinfo=UTC)
    assert (submission.survey_id, submission.channel) == ("17", "in_app")


def test_an_answer_on_the_way_and_other_topics_say_nothing() -> None:
    assert [said(name) for name in ("survey_answer", "ping")] == [[], []]


def test_a_survey_without_the_question_says_nothing() -> None:
    assert said("survey_completed", score="q-another") == []
    assert said("survey_completed", score=None) == []


def test_words_in_answer_to_the_scale_name_the_field() -> None:
    with pytest.raises(Malformed, match="response: "):
        said("survey_completed", score="q-why")
