"""Zendesk: what a trigger of the business tells of a ticket."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.malformed import Malformed
from schemas.response import Submission
from services.intake.sources.source import Answered, Said, Unverified
from services.intake.sources.zendesk import TIMESTAMP, parse, verify
from tests.support.kits.kit import NOW, with_header
from tests.support.kits.zendesk import KIT

GUIDE = Path(__file__).parents[4] / "docs" / "guides" / "sources" / "zendesk.md"


def said(name: str, **options: Any) -> list[Said]:  # as they stand in the business file
    return parse(KIT.call(KIT.recorded[name]), KIT.parsed_options(**options))  # type: ignore[arg-type]  # its own


def told(name: str, **options: Any) -> Submission:  # the same
    (answered,) = said(name, **options)
    assert isinstance(answered, Answered)
    return answered.submission


def test_a_number_as_text_is_a_score_and_zero_is_one_too() -> None:
    assert (told("answered").score, told("number").score) == (9, 0)


def test_who_asked_and_who_served_come_along_and_an_empty_placeholder_is_nothing() -> None:
    submission = told("answered")
    assert (submission.customer_id, submission.account_id) == ("C-1001", "A-7")
    assert (submission.email, submission.phone) == ("lian.smith@example.org", None)
    assert submission.agent is not None
    assert (submission.agent.id, submission.agent.team) == ("Sam", "Deliveries")
    assert submission.attributes == {"brand": "Kioski", "language": "English"}


def test_zendesks_time_without_seconds_is_understood() -> None:
    assert told("answered").answered_at == datetime(2026, 5, 20, 11, 58, tzinfo=UTC)


def test_a_tag_counts_for_what_the_business_says() -> None:
    assert told("word").score == 8


def test_a_word_that_the_business_gives_no_value_names_the_field() -> None:
    with pytest.raises(Malformed, match="answer"):
        said("word", values={})


def test_satisfaction_is_a_rating_and_never_nps() -> None:
    submission = told("answered", metric="csat")
    assert (submission.metric, submission.rating, submission.score) == ("csat", 9, None)


def test_a_ticket_that_is_told_again_is_the_same_answer_and_the_last_counts() -> None:
    submission = told("answered")
    assert (submission.response_id, submission.op, submission.updated_at) == ("35436", "updated", None)


def test_a_ticket_without_an_answer_says_nothing() -> None:
    assert said("no_answer") == []


def test_a_signed_time_without_its_offset_is_refused() -> None:
    call = with_header(KIT.call(KIT.recorded["answered"]), TIMESTAMP, "2026-05-20T12:00:00")
    with pytest.raises(Unverified, match="must have its offset"):
        verify(call, KIT.parsed_options(), KIT.secret, NOW + timedelta(seconds=1))  # type: ignore[arg-type]  # its own


def test_the_template_of_the_guide_becomes_an_answer() -> None:
    (template,) = re.findall(r"```json\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    filled = {"ticket.updated_at_with_timestamp": "2026-05-20T11:58Z", "ticket.ticket_field_360012345678": "9"}
    body = re.sub(r"\{\{(.*?)\}\}", lambda name: filled.get(name[1], "1"), template)
    (answered,) = parse(KIT.call(body.encode()), KIT.parsed_options())  # type: ignore[arg-type]  # its own
    assert isinstance(answered, Answered)
    assert (answered.submission.score, answered.submission.response_id) == (9, "1")
