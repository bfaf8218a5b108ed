"""Wootric: a form of nested names, where everything is text."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import quote

import pytest

from schemas.malformed import Malformed
from schemas.response import Submission
from services.intake.sources.source import Answered, Said
from services.intake.sources.wootric import parse
from tests.support.kits.kit import with_header
from tests.support.kits.wootric import KIT


def said(body: bytes) -> list[Said]:
    return parse(KIT.call(body), KIT.parsed_options())  # type: ignore[arg-type]  # its own


def told(body: bytes) -> Submission:
    (one,) = said(body)
    assert isinstance(one, Answered)
    return one.submission


def test_a_time_with_a_space_before_its_offset_is_a_time() -> None:
    assert told(KIT.recorded["created"]).answered_at == datetime(2026, 5, 20, 11, 57, 26, tzinfo=UTC)


def test_the_score_comes_first_and_the_comment_as_an_update_of_the_same_answer() -> None:
    first, then = told(KIT.recorded["created"]), told(KIT.recorded["updated"])
    assert (first.op, first.score, first.comment) == ("submitted", 9, None)
    assert (then.op, then.score, then.comment) == ("updated", 0, "It broke, & nobody called: 谢谢")
    assert first.response_id == then.response_id == "1128"
    assert first.updated_at is not None
    assert then.updated_at is not None
    assert first.updated_at < then.updated_at


def test_nested_names_are_properties_of_the_person() -> None:
    submission = told(KIT.recorded["created"])
    assert (submission.customer_id, submission.email) == ("C-1001", "lian.smith@example.org")
    assert submission.attributes == {"pricing_plan": "Enterprise", "product_plan": "Web App"}
    assert submission.segments == {"plan": "Enterprise"}


def test_who_declines_says_nothing() -> None:
    assert said(KIT.recorded["decline"]) == []


def test_what_is_excluded_there_is_excluded_here() -> None:
    submission = told(KIT.recorded["excluded"])
    assert (submission.op, submission.response_id) == ("excluded", "1128")
    assert submission.updated_at == datetime(2026, 5, 20, 12, 10, tzinfo=UTC)


def test_satisfaction_is_no_nps() -> None:
    submission = told(KIT.recorded["csat"])
    assert (submission.metric, submission.score, submission.rating) == ("csat", None, 4)


def test_calls_from_before_surveys_had_modes_are_about_nps_and_empty_text_is_none() -> None:
    submission = told(KIT.recorded["before_survey_mode"])
    assert (submission.metric, submission.score) == ("nps", 9)
    assert (submission.customer_id, submission.email) == (None, None)


def test_the_same_as_json_is_read_as_well() -> None:
    response = {
        "id": "1128",
        "score": "10",
        "text": None,
        "external_id": None,
        "excluded_from_calculations": "false",
        "end_user_properties": None,
        "created_at": "2026-05-20 04:57:26 -0700",
    }
    body = json.dumps({"event_name": "created", "response": response}).encode()
    call = with_header(replace(KIT.call(body), body=body), "content-type", "application/json; charset=utf-8")
    (one,) = parse(call, KIT.parsed_options())  # type: ignore[arg-type]  # its own
    assert isinstance(one, Answered)
    assert (one.submission.score, one.submission.attributes) == (10, {})


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe", b"event_name=created", b"&".join([b"a=1"] * 501), b"response=9&response[id]=1&event_name=x"],
)
def test_what_is_no_such_form_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        said(body)


def test_a_score_that_is_none_is_refused() -> None:
    body = KIT.recorded["created"].replace(b"[score]=9", f"[score]={quote('nine')}".encode())
    with pytest.raises(Malformed, match=r"response\.score"):
        said(body)
