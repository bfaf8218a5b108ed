"""Help Scout: surveys of NPS, and words that are none."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.malformed import Malformed
from schemas.response import Submission
from services.intake.sources.helpscout import parse
from services.intake.sources.source import Answered, Said
from tests.support.kits.helpscout import KIT


def said(name: str, **options: Any) -> list[Said]:  # as they stand in the business file
    return parse(KIT.call(KIT.recorded[name]), KIT.parsed_options(**options))  # type: ignore[arg-type]  # its own


def told(name: str, **options: Any) -> Submission:  # the same
    (answered,) = said(name, **options)
    assert isinstance(answered, Answered)
    return answered.submission


def test_a_score_that_comes_as_text_is_a_score() -> None:
    submission = told("nps")
    assert (submission.metric, submission.score, submission.rating) == ("nps", 9, None)
    assert submission.comment == "Amazing customer experience!"
    assert submission.survey_id == "Monthly NPS survey"
    assert submission.answered_at == datetime(2026, 5, 20, 11, 43, 12, tzinfo=UTC)


def test_zero_from_nobody_known_is_a_score() -> None:
    submission = told("anonymous")
    assert (submission.score, submission.email, submission.name) == (0, None, None)


def test_who_answered_comes_along_wherever_the_address_stands() -> None:
    assert (told("nps").email, told("nps").phone) == ("vernon.bear@example.org", "358-40-1234567")
    assert (told("rating").email, told("rating").name) == ("john.doe@example.org", "John Doe")


def test_faces_and_words_are_satisfaction_and_never_nps() -> None:
    face, word = told("faces"), told("rating")
    assert [(each.metric, each.rating, each.score) for each in (face, word)] == [("csat", 3, None)] * 2


def test_what_words_count_for_is_the_businesss_to_say() -> None:
    assert told("rating", ratings={"Great": 5, "Okay": 3, "Bad": 1}).rating == 5


def test_a_rating_that_the_business_gives_no_number_names_the_field() -> None:
    with pytest.raises(Malformed, match="rating: not one of the words"):
        said("rating", ratings={"Bad": 1})


def test_a_change_of_a_rating_is_a_later_version_of_the_same_answer() -> None:
    submission = told("rating")
    assert submission.response_id == "5434"
    assert submission.answered_at is not None
    assert submission.updated_at is not None
    assert submission.answered_at < submission.updated_at


def test_an_answer_without_a_name_is_known_by_its_bytes() -> None:
    (first,), (again,), (another,) = said("nps"), said("nps"), said("anonymous")
    assert isinstance(first, Answered)
    assert isinstance(again, Answered)
    assert isinstance(another, Answered)
    assert first.submission.response_id is None
    assert first.event_id == again.event_id != another.event_id


@pytest.mark.parametrize("name", ["choice", "another_kind"])
def test_a_choice_and_events_of_other_kinds_say_nothing(name: str) -> None:
    assert said(name) == []
