"""Delighted: answers, changes to them, and people who want no more."""

from __future__ import annotations

from datetime import UTC, datetime

from services.intake.sources.delighted import parse
from services.intake.sources.source import Answered, OptedOut, Said
from tests.support.kits.delighted import KIT


def said(name: str) -> list[Said]:
    return parse(KIT.call(KIT.recorded[name]), KIT.parsed_options())  # type: ignore[arg-type]  # its own


def test_the_score_comes_first_and_the_comment_as_an_update_of_the_same_answer() -> None:
    (first,), (then,) = said("created"), said("updated")
    assert isinstance(first, Answered)
    assert isinstance(then, Answered)
    assert (first.submission.op, first.submission.score, first.submission.comment) == ("submitted", 9, None)
    assert (then.submission.op, then.submission.score, then.submission.comment) == ("updated", 8, "Nice, though late")
    assert first.submission.response_id == then.submission.response_id == "345"
    assert first.submission.updated_at is not None
    assert then.submission.updated_at is not None
    assert first.submission.updated_at < then.submission.updated_at


def test_zero_is_a_score() -> None:
    (answered,) = said("no_properties")
    assert isinstance(answered, Answered)
    assert answered.submission.score == 0


def test_properties_of_the_person_are_kept() -> None:
    (answered,) = said("created")
    assert isinstance(answered, Answered)
    assert answered.submission.attributes == {"Purchase Experience": "Retail Store", "State": "CA"}
    assert answered.submission.email == "foo@example.org"


def test_who_unsubscribes_is_asked_no_more() -> None:
    assert said("unsubscribed") == [
        OptedOut(email="foo@example.org", at=datetime.fromtimestamp(1779278391, UTC)),
    ]


def test_an_event_of_another_kind_says_nothing() -> None:
    assert said("another_kind") == []
