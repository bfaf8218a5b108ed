"""Formbricks: responses that grow, and those that never become an answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.malformed import Malformed
from schemas.response import Submission
from services.intake.sources.formbricks import parse
from services.intake.sources.source import Answered, Said
from tests.support.kits.formbricks import KIT


def said(name: str, **data: Any) -> list[Said]:  # JSON of any shape
    payload = json.loads(KIT.recorded[name])
    payload.get("data", {}).update(data)
    return parse(KIT.call(json.dumps(payload).encode()), KIT.parsed_options())  # type: ignore[arg-type]  # its own


def told(name: str, **data: Any) -> Submission:  # JSON of any shape
    (one,) = said(name, **data)
    assert isinstance(one, Answered)
    return one.submission


def test_the_score_comes_first_and_the_comment_in_an_update_of_the_whole() -> None:
    first, then = told("created"), told("finished")
    assert (first.op, first.score, first.comment) == ("submitted", 9, None)
    assert (then.op, then.score, then.comment) == ("updated", 9, "Delivered a day early.")
    assert first.response_id == then.response_id == "clxresponse1"
    assert first.updated_at is not None
    assert then.updated_at is not None
    assert first.updated_at < then.updated_at


def test_the_survey_tells_the_channel_and_its_owner_may_say_another() -> None:
    assert (told("created").channel, told("zero_by_link").channel) == ("in_app", "website")
    assert told("zero_by_link", survey=None).channel == "website"


def test_zero_by_nobody_known_is_an_answer() -> None:
    submission = told("zero_by_link")
    assert (submission.score, submission.email, submission.language) == (0, None, None)


def test_hidden_fields_and_attributes_of_the_contact_say_who_it_is() -> None:
    submission = told("finished")
    assert (submission.customer_id, submission.email) == ("C-1001", "lian.smith@example.org")
    assert submission.segments == {"plan": "pro"}
    assert submission.attributes == {"userId": "C-1001", "email": "lian.smith@example.org", "plan": "pro"} | {
        "customer": "C-1001"
    }


@pytest.mark.parametrize("name", ["not_yet", "dismissed", "trial"])
def test_a_response_without_a_score_says_nothing(name: str) -> None:
    assert said(name) == []


def test_a_finished_response_that_knows_nothing_of_the_question_tells_that_the_id_is_wrong() -> None:
    with pytest.raises(Malformed, match=r"data\.data: finished, and neither answered nor seen: nps"):
        said("finished", data={"likely": 9}, ttc={"likely": 1000.5})


@pytest.mark.parametrize("score", ["11", 7.5, [], True, "nine"])
def test_what_is_no_score_is_refused(score: object) -> None:
    with pytest.raises(Malformed, match=r"data\.data\.nps: must be a whole number from 0 to 10"):
        said("created", data={"nps": score})
