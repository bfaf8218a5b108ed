"""Columns as exports name them, and what the user says of them."""

from __future__ import annotations

import pytest

from schemas.malformed import Malformed
from services.intake.importing.columns import FIELDS, Wishes, _known, is_personal, plain, segment_named, targets

NOTHING = Wishes()


@pytest.mark.parametrize(
    ("column", "target"),
    [
        ("NPS", "score"),
        ("Score", "score"),
        ("Rating (0-10)", "score"),
        ("How likely are you to recommend us to a friend?", "score"),
        ("Jak pravděpodobné je, že nás doporučíte?", "score"),
        ("Jak prawdopodobne jest, że nas polecisz?", "score"),
        ("Kuinka todennäköisesti suosittelisit meitä?", "score"),
        ("С какой вероятностью вы порекомендуете нас?", "score"),  # noqa: RUF001 a Russian question
        ("您有多大可能向朋友推荐我们？", "score"),  # noqa: RUF001 a Chinese question
        ("Verbatim", "comment"),
        ("What is the main reason for your score?", "comment"),
        ("Proč?", "comment"),
        ("E-mail Address", "email"),
        ("Sähköposti", "email"),
        ("电子邮件", "email"),
        ("Response Date", "answered_at"),
        ("Submitted_At", "answered_at"),
        ("Дата ответа", "answered_at"),
        ("segment.country", "segment.country"),
        ("agent.team", "agent.team"),
        ("ID", None),
        ("Rating", None),
        ("Favourite colour", None),
        ("reason", None),
    ],
)
def test_a_column_is_recognised_by_its_name(column: str, target: str | None) -> None:
    assert targets([column], NOTHING) == [target]


def test_of_two_columns_for_one_field_the_better_name_wins() -> None:
    assert targets(["Start Date", "How likely is it?", "NPS", "Response Date"], NOTHING) == [
        None,
        None,
        "score",
        "answered_at",
    ]
    assert targets(["NPS", "score"], NOTHING) == [None, "score"]


def test_what_the_user_says_counts_more_than_any_name() -> None:
    wishes = Wishes({"NPS": "", "Q1": "score", "Plan": "segment.plan"}, segments=("Land / Region",))
    assert targets(["NPS", "Q1", "Plan", "Land / Region"], wishes) == [
        None,
        "score",
        "segment.plan",
        "segment.land_region",
    ]


@pytest.mark.parametrize(
    ("wishes", "reason"),
    [
        (Wishes({"nowhere": "score"}), "there is no column 'nowhere'"),
        (Wishes({"a": "colour"}), "colour: an answer has no such field"),
        (Wishes({"a": "score", "b": "score"}), "two columns for score"),
        (Wishes({"a": "segment."}), "no such field"),
        (Wishes(segments=("分组",)), "has no letters a to z"),
    ],
)
def test_a_wish_that_cannot_be_granted_is_refused(wishes: Wishes, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        targets(["a", "b", "分组"], wishes)


def test_a_column_that_stands_there_twice_is_refused() -> None:
    with pytest.raises(Malformed, match="twice"):
        targets(["score", "score"], NOTHING)


def test_every_name_in_the_list_is_of_a_field_and_in_the_form_that_names_are_compared_in() -> None:
    known = _known()
    assert {target for target, _ in known.ranks.values()} | set(known.questions) <= FIELDS
    for name in (*known.ranks, *(name for names in known.questions.values() for name in names)):
        assert plain(name) == name


def test_no_name_stands_for_two_fields() -> None:
    known = _known()
    for name, (target, _) in known.ranks.items():
        assert targets([name], NOTHING)[0] in {target, name}


def test_a_segment_has_the_form_of_segments() -> None:
    assert segment_named("Země / Kraj") == "segment.zeme_kraj"
    assert segment_named("_Plan_") == "segment.plan"


@pytest.mark.parametrize(
    ("target", "personal"),
    [
        *((name, True) for name in ("email", "comment", "attribute.vip", None, "agent.id")),
        *((name, False) for name in ("score", "segment.country", "answered_at")),
    ],
)
def test_what_may_tell_who_somebody_is_is_personal(target: str | None, personal: bool) -> None:  # noqa: FBT001 a column
    assert is_personal(target) is personal
