"""Trustpilot: reviews, several in one call."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.response import Submission
from services.intake.sources.source import Answered, Call, Said, Unverified
from services.intake.sources.trustpilot import parse, verify
from tests.support.kits.kit import NOW
from tests.support.kits.trustpilot import KIT


def said(name: str, **options: Any) -> list[Said]:  # as they stand in the business file
    return parse(KIT.call(KIT.recorded[name]), KIT.parsed_options(**options))  # type: ignore[arg-type]  # its own


def told(name: str, **options: Any) -> Submission:  # the same
    (answered,) = said(name, **options)
    assert isinstance(answered, Answered)
    return answered.submission


def test_every_review_of_a_call_is_an_answer_and_stars_are_never_nps() -> None:
    reviews = [each.submission for each in said("created") if isinstance(each, Answered)]
    assert [(each.metric, each.rating, each.score) for each in reviews] == [("review", 5, None), ("review", 1, None)]
    assert reviews[0].comment == "Great service\n\nNothing other than excellent customer service."
    assert reviews[1].comment == "Never came"


def test_a_change_and_a_deletion_are_versions_of_the_same_review() -> None:
    changed, gone = told("updated"), told("deleted")
    assert (changed.op, changed.rating) == ("updated", 3)
    assert (gone.op, gone.rating) == ("retracted", None)
    assert changed.response_id == gone.response_id == "53bffd360000640002975387"


def test_nobody_has_an_address_and_the_reference_tells_who_it_was_where_the_business_says_so() -> None:
    review = told("updated")
    assert (review.email, review.customer_id) == (None, "ABC-123-xyz")
    assert told("updated", reference="account_id").account_id == "ABC-123-xyz"
    of_an_order = told("updated", reference=None)
    assert (of_an_order.customer_id, of_an_order.attributes["reference"]) == (None, "ABC-123-xyz")


def test_place_and_tags_may_be_segments() -> None:
    by = {"location": "location", "tag": "tag.Generic"}
    assert told("updated", segment_by=by).segments == {
        "location": "43f51215-a1fc-4c60-b6dd-e4afb6d7b831",
        "tag": "Tag value",
    }


def test_a_review_of_a_product_says_nothing() -> None:
    assert said("of_a_product") == []


def test_a_token_in_the_address_is_proof() -> None:
    options, body = KIT.parsed_options(), KIT.recorded["created"]
    verify(Call.of({}, body, {"token": KIT.secret}), options, KIT.secret, NOW)  # type: ignore[arg-type]  # its own
    with pytest.raises(Unverified):
        verify(Call.of({}, body, {"token": "another"}), options, KIT.secret, NOW)  # type: ignore[arg-type]  # its own
