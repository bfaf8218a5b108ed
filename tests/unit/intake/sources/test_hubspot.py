"""HubSpot: a contact's property that holds the last answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.malformed import Malformed
from schemas.response import Submission
from services.intake.sources.hubspot import parse, verify
from services.intake.sources.source import Answered, Said, Unverified
from tests.support.kits.hubspot import KIT, URL
from tests.support.kits.kit import NOW


def said(name: str, **options: Any) -> list[Said]:  # as they stand in the business file
    return parse(KIT.call(KIT.recorded[name]), KIT.parsed_options(**options))  # type: ignore[arg-type]  # its own


def told(name: str, **options: Any) -> Submission:  # the same
    (answered,) = said(name, **options)
    assert isinstance(answered, Answered)
    return answered.submission


def test_each_change_of_the_property_is_an_answer_and_other_properties_are_none() -> None:
    answers = [each.submission for each in said("changed") if isinstance(each, Answered)]
    assert [(each.customer_id, each.score) for each in answers] == [("501", 9), ("503", 0)]
    assert answers[0].answered_at == datetime(2026, 5, 20, 11, 59, 40, 123000, tzinfo=UTC)


def test_subscriptions_of_the_newer_form_say_the_same() -> None:
    assert told("newer_form").score == 9


@pytest.mark.parametrize("name", ["of_a_company", "emptied", "another_kind"])
def test_what_is_no_answer_of_a_contact_says_nothing(name: str) -> None:
    assert said(name) == []


def test_a_change_that_is_told_again_is_the_same_answer() -> None:
    first, again = said("changed"), said("changed")
    names = [each.event_id for each in (*first, *again) if isinstance(each, Answered)]
    assert names[:2] == names[2:]
    assert len(set(names)) == 2


def test_another_property_may_hold_satisfaction_and_that_is_never_nps() -> None:
    submission = told("newer_form", metric="csat")
    assert (submission.metric, submission.rating, submission.score) == ("csat", 9, None)


def test_a_value_that_is_no_score_names_the_field() -> None:
    body = KIT.recorded["newer_form"].replace(b'"9"', b'"Very likely"')
    with pytest.raises(Malformed, match="propertyValue"):
        parse(KIT.call(body), KIT.parsed_options())  # type: ignore[arg-type]  # its own


def test_a_call_to_another_address_is_refused() -> None:
    call = replace(KIT.call(KIT.recorded["changed"]), url=URL.replace("crm", "crm2"))
    with pytest.raises(Unverified, match="does not fit"):
        verify(call, KIT.parsed_options(), KIT.secret, NOW)  # type: ignore[arg-type]  # its own
