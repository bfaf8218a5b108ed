"""Chatwoot: satisfaction with a conversation."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.response import Submission
from services.intake.sources.chatwoot import parse, verify
from services.intake.sources.source import Answered, Call, Said, Unverified
from tests.support.kits.chatwoot import KIT
from tests.support.kits.kit import NOW


def said(name: str, **options: Any) -> list[Said]:  # as they stand in the business file
    return parse(KIT.call(KIT.recorded[name]), KIT.parsed_options(**options))  # type: ignore[arg-type]  # its own


def told(name: str, **options: Any) -> Submission:  # the same
    (answered,) = said(name, **options)
    assert isinstance(answered, Answered)
    return answered.submission


def test_stars_are_satisfaction_and_never_nps() -> None:
    submission = told("answered")
    assert (submission.metric, submission.rating, submission.score) == ("csat", 5, None)
    assert submission.comment == "Solved in 9 minutes"


def test_the_rating_comes_first_and_the_words_are_an_update_of_the_same_answer() -> None:
    first, then = told("rating_alone"), told("answered")
    assert first.comment is None
    assert first.response_id == then.response_id == "4711"
    assert {first.op, then.op} == {"updated"}


def test_who_answered_and_who_served_come_along() -> None:
    submission = told("answered")
    assert (submission.customer_id, submission.email) == ("C-1001", "lian.smith@example.org")
    assert (submission.phone, submission.name) == ("+358401234567", "Lian Smith")
    assert submission.agent is not None
    assert submission.agent.id == "12"
    assert submission.attributes == {"plan": "pro", "inbox": "Shop"}


@pytest.mark.parametrize("name", ["asked", "form", "another_kind"])
def test_a_change_without_a_rating_says_nothing(name: str) -> None:
    assert said(name) == []


def test_where_chatwoot_does_not_sign_yet_a_token_in_the_address_is_proof() -> None:
    options, body = KIT.parsed_options(signed=False), KIT.recorded["answered"]
    verify(Call.of({}, body, {"token": KIT.secret}), options, KIT.secret, NOW)  # type: ignore[arg-type]  # its own
    with pytest.raises(Unverified):
        verify(KIT.call(body), options, KIT.secret, NOW)  # type: ignore[arg-type]  # its own
