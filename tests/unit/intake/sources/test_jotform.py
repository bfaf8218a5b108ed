"""Jotform: a form within a form."""

from __future__ import annotations

import pytest

from schemas.malformed import Malformed
from schemas.response import Submission
from services.intake.sources.jotform import parse
from services.intake.sources.source import Answered, Said
from tests.support.kits.jotform import KIT


def said(body: bytes, **options: str) -> list[Said]:
    return parse(KIT.call(body), KIT.parsed_options(**options))  # type: ignore[arg-type]  # its own


def told(name: str) -> Submission:
    (one,) = said(KIT.recorded[name])
    assert isinstance(one, Answered)
    return one.submission


def test_questions_are_found_by_their_unique_names() -> None:
    submission = told("answered")
    assert (submission.score, submission.comment) == (9, "Delivered a day early, 谢谢!")
    assert (submission.customer_id, submission.email) == ("C-1001", "lian.smith@example.org")
    assert submission.segments == {"shop": "Tampere"}
    assert (submission.response_id, submission.survey_id) == ("6084250982513018472", "243231271343446")
    assert submission.answered_at is None


def test_zero_alone_is_an_answer() -> None:
    submission = told("score_alone")
    assert (submission.score, submission.comment, submission.email) == (0, None, None)


def test_a_question_left_open_is_no_answer() -> None:
    assert said(KIT.recorded["left_open"]) == []


def test_a_form_without_the_question_says_which_is_missing() -> None:
    with pytest.raises(Malformed, match="rawRequest: no question likely"):
        said(KIT.recorded["answered"], score="likely")


@pytest.mark.parametrize("body", [b"", b"formID=1", b"--\xff\xfe", b'{"formID": 1}'])
def test_what_is_no_such_form_names_what_is_missing(body: bytes) -> None:
    with pytest.raises(Malformed, match="formID: required"):
        said(body)


def test_answers_that_are_no_json_are_refused() -> None:
    body = KIT.recorded["left_open"].replace(b'{"slug"', b'["slug"')
    with pytest.raises(Malformed, match="rawRequest: not JSON"):
        said(body)
