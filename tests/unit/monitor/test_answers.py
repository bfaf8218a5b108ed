"""The newest answers: joined with what became of them in any order of arrival, and bounded."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import pytest

from services.monitor import answers as module
from services.monitor.answers import Answers
from tests.support.answers import NOON, answered
from tests.support.events import decided, delivered, tasked


def ids(answers: Answers, tenant: str = "default", segment: str = "all") -> list[str]:
    return [followed.response_id for followed, _ in answers.of(tenant, segment)]


def test_the_newest_comes_first() -> None:
    answers = Answers()
    for name in ("a", "b", "c"):
        assert answers.arrived(answered(response_id=name), 1)
    assert ids(answers) == ["c", "b", "a"]


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_an_answer_finds_what_became_of_it_in_any_order(order: tuple[int, ...]) -> None:
    answers = Answers()
    arrivals = [
        lambda: answers.arrived(answered(3, response_id="r"), 1),
        lambda: answers.decided(decided("r"), 1),
        lambda: answers.mailed(delivered("r"), 1),
        lambda: answers.tasked(tasked("r"), 1),
    ]
    for index in order:
        assert arrivals[index]()
    ((followed, answer),) = answers.of("default")
    assert answer.score == 3
    assert followed.decided
    assert followed.mailed
    assert followed.tasked


def test_the_highest_revision_number_and_version_hold() -> None:
    answers = Answers()
    answers.arrived(answered(9, response_id="r", revision=2), 1)
    assert not answers.arrived(answered(1, response_id="r", revision=1), 2)
    assert not answers.arrived(answered(1, response_id="r", revision=2), 2)
    answers.decided(decided("r", number=2, action="offer"), 1)
    assert not answers.decided(decided("r", number=1), 2)
    answers.mailed(delivered("r", version=5), 1)
    assert not answers.mailed(delivered("r", version=4, state="sending"), 2)
    answers.tasked(tasked("r", version=3, status="done"), 1)
    assert not answers.tasked(tasked("r", version=2), 2)
    ((followed, answer),) = answers.of("default")
    assert (answer.score, followed.changed) == (9, 1)


def test_an_edit_keeps_its_place() -> None:
    answers = Answers()
    answers.arrived(answered(9, response_id="a"), 1)
    answers.arrived(answered(9, response_id="b"), 2)
    assert answers.arrived(answered(2, response_id="a", revision=2, op="updated"), 3)
    assert ids(answers) == ["b", "a"]


def test_a_late_comment_is_no_answer() -> None:
    answers = Answers()
    assert not answers.arrived(answered(None, response_id="r", op="commented"), 1)
    assert ids(answers) == []


def test_segments_are_those_of_the_scores() -> None:
    answers = Answers()
    answers.arrived(answered(response_id="a", channel="email", segments={"country": "FI"}), 1)
    answers.arrived(answered(response_id="b", channel="sms", segments={"country": "SE"}), 1)
    assert ids(answers, segment="channel=email") == ["a"]
    assert ids(answers, segment="country=SE") == ["b"]
    assert ids(answers, segment="plan=pro") == []


def test_tenants_do_not_see_each_other() -> None:
    answers = Answers()
    answers.arrived(answered(response_id="r", tenant="one"), 1)
    answers.arrived(answered(response_id="r", tenant="two"), 1)
    assert ids(answers, "one") == ["r"]
    assert answers.newest() == {"one": (NOON, 1), "two": (NOON, 2)}


def test_a_tenant_keeps_its_newest_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PER_TENANT", 3)
    answers = Answers()
    for number in range(5):
        answers.arrived(answered(response_id=str(number)), 1)
    assert ids(answers) == ["4", "3", "2"]
    assert len(answers) == 3


def test_partitions_read_one_after_the_other_are_put_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PER_TENANT", 3)
    answers = Answers()
    for hour in (1, 4, 6, 2, 3, 5):
        assert answers.arrived(answered(response_id=str(hour), received_at=NOON + timedelta(hours=hour)), 1)
    assert ids(answers) == ["6", "5", "4"]
    assert not answers.arrived(answered(response_id="0", received_at=NOON), 2)


def test_the_tenant_with_most_answers_makes_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IN_ALL", 4)
    answers = Answers()
    for number in range(4):
        answers.arrived(answered(response_id=str(number), tenant="large"), 1)
    answers.arrived(answered(response_id="r", tenant="small"), 1)
    assert ids(answers, "large") == ["3", "2", "1"]
    assert ids(answers, "small") == ["r"]
    assert len(answers) == 4


def test_what_tells_of_answers_never_read_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EARLY", 2)
    answers = Answers()
    for name in ("a", "b", "c"):
        answers.decided(decided(name), 1)
    for name in ("a", "c"):
        answers.arrived(answered(response_id=name), 1)
    assert {followed.response_id: bool(followed.decided) for followed, _ in answers.of("default")} == {
        "a": False,
        "c": True,
    }
