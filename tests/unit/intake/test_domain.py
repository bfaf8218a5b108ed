"""What is settled at the door: ids, revisions, and who may not come in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.contract import FINAL_REVISION
from schemas.malformed import Malformed
from schemas.personal_data import PersonalData
from schemas.response import Submission, SubmittedAgent
from services.intake.domain import (
    IDS,
    Admitted,
    Arrival,
    Settled,
    check,
    digest_of,
    made_id,
    personal_content,
    response,
    revision_of,
)
from tests.support.answers import NOON

NOW_MS = int(NOON.timestamp() * 1000)
SHORT_TEXTS = st.text(min_size=1, max_size=200).filter(str.isprintable)


def arrival(*, source: str | None = None, identity: str = "here", history: bool = False, **sent: Any) -> Arrival:
    """Something that has come, from the website at noon."""
    submission = Submission(
        **({"score": 9} if "op" not in sent or sent["op"] in {"submitted", "updated"} else {}) | sent
    )
    return Arrival(submission, "default", sent.get("channel", "website"), NOON, identity, source, history)


def test_the_senders_id_is_the_id() -> None:
    assert arrival(response_id="r-1").response_id == "r-1"


@given(st.text(min_size=1), st.text(min_size=1))
def test_without_one_the_same_thing_gets_the_same_id_and_another_thing_another(one: str, two: str) -> None:
    assert arrival(identity=one).response_id == arrival(identity=one).response_id
    assert (arrival(identity=one).response_id == arrival(identity=two).response_id) == (one == two)


@pytest.mark.parametrize(
    ("sent", "numbers", "revision"),
    [
        ({"revision": 7}, False, 7),
        ({"revision": 7}, True, 7),
        ({}, False, 1),
        ({"updated_at": NOON - timedelta(days=1)}, False, NOW_MS - 86_400_000),
        ({"op": "updated", "response_id": "r"}, False, NOW_MS),
        ({"op": "retracted", "response_id": "r"}, False, NOW_MS),
        ({"op": "excluded", "response_id": "r"}, False, NOW_MS),
        ({}, True, 1),
        ({"op": "retracted", "response_id": "r"}, True, FINAL_REVISION),
        ({"op": "commented", "response_id": "r", "comment": "why"}, True, NOW_MS),
        (
            {"op": "commented", "response_id": "r", "comment": "why", "updated_at": NOON - timedelta(seconds=1)},
            False,
            NOW_MS - 1000,
        ),
    ],
)
def test_a_revision_has_its_place(sent: dict[str, Any], numbers: bool, revision: int) -> None:  # noqa: FBT001 a column
    assert revision_of(arrival(**sent), source_numbers=numbers) == revision


@pytest.mark.parametrize("op", ["updated", "excluded"])
def test_who_numbers_must_number_what_replaces(op: str) -> None:
    with pytest.raises(Malformed, match="revision: required"):
        revision_of(arrival(op=op, response_id="r"), source_numbers=True)


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"answered_at": NOON + timedelta(minutes=5, seconds=1)}, "answered_at"),
        *(({"segments": {key: "x"}}, f"segments.{key}") for key in ("all", "channel", "touchpoint", "agent", "team")),
        ({"timezone": "Europe/Nowhere"}, "timezone"),
        ({"channel": None}, "channel"),
    ],
)
def test_what_no_look_up_could_save_is_refused_by_name(sent: dict[str, Any], field: str) -> None:
    with pytest.raises(Malformed) as failure:
        check(arrival(**sent))
    assert [fault.field for fault in failure.value.faults] == [field]


def test_ids_that_are_made_are_uuid5_of_their_name() -> None:
    for name in ("default|file|0|1", "", "ž|日本"):
        assert made_id(name) == str(uuid5(IDS, name))


def test_a_clock_five_minutes_ahead_is_forgiven() -> None:
    check(arrival(answered_at=NOON + timedelta(minutes=5), timezone="Europe/Helsinki"))


def test_the_digest_tells_what_was_sent_from_what_was_not() -> None:
    secret = b"s" * 32
    one = digest_of(Submission(score=9, email="a@example.org"), secret)
    assert one == digest_of(Submission(email="a@example.org", score=9), secret)
    assert one != digest_of(Submission(score=8, email="a@example.org"), secret)
    assert one != digest_of(Submission(score=9, email="a@example.org", test=False), secret)
    assert one != digest_of(Submission(score=9, email="a@example.org"), b"t" * 32)


def test_only_what_is_personal_is_sealed_and_all_of_it() -> None:
    sent = Submission(score=9, email="a@example.org", comment="fine", name="A", segments={"plan": "pro"})
    data = PersonalData.model_validate_json(personal_content(sent))
    assert data == PersonalData(email="a@example.org", comment="fine", name="A")
    assert not personal_content(Submission(score=9, segments={"plan": "pro"}))
    assert not personal_content(Submission(score=9, comment="", attributes={}, email=None))
    settled = Settled(arrival(email="a@example.org", comment="fine"), "r", 1, {})
    written = response(settled, digest="0" * 32, subject=None, sealed=None).to_json()
    assert b"example.org" not in written
    assert b"fine" not in written


def test_what_an_import_marks_is_history_and_what_has_no_time_was_answered_when_it_came() -> None:
    settled = Settled(arrival(history=True), "r", 1, {"plan": "pro"})
    answer = response(settled, digest="0" * 32, subject=None, sealed=None)
    assert (answer.history, answer.answered_at, answer.received_at, answer.segments) == (
        True,
        NOON,
        NOON,
        {"plan": "pro"},
    )


@pytest.mark.parametrize(
    ("sent", "segments"),
    [
        ({}, {}),
        ({"segments": {"plan": "pro"}, "touchpoint": "delivery"}, {"plan": "pro", "touchpoint": "delivery"}),
        ({"agent": SubmittedAgent(id="a-1")}, {"agent": "a-1"}),
        ({"agent": SubmittedAgent(id="a-1", team="north")}, {"agent": "a-1", "team": "north"}),
        ({"touchpoint": "   "}, {}),
        ({"touchpoint": " on the phone "}, {"touchpoint": "on the phone"}),
        ({"touchpoint": "x" * 81}, {"touchpoint": "x" * 80}),
        ({"touchpoint": "x" * 79 + " and more"}, {"touchpoint": "x" * 79}),
    ],
)
def test_touchpoint_agent_and_team_are_segments_beside_those_that_were_sent(
    sent: dict[str, Any], segments: dict[str, str]
) -> None:
    assert arrival(**sent).segments == segments


@given(SHORT_TEXTS, SHORT_TEXTS, SHORT_TEXTS)
def test_whatever_the_fields_hold_they_stay_as_sent_and_the_answer_can_hold_its_segments(
    touchpoint: str, agent: str, team: str
) -> None:
    most = {f"key-{number}": "x" * 80 for number in range(20)}
    one = arrival(segments=most, touchpoint=touchpoint, agent=SubmittedAgent(id=agent, team=team))
    answer = response(Settled(one, "r", 1, one.segments), digest="0" * 32, subject=None, sealed=None)
    assert answer.agent
    assert (answer.touchpoint, answer.agent.id, answer.agent.team) == (touchpoint, agent, team)
    assert most.items() <= answer.segments.items()


def test_beyond_the_bound_a_value_is_the_overflow_and_a_key_without_any_value_is_left_out() -> None:
    admitted = Admitted(frozenset({("plan", "pro")}), frozenset({"plan", "city"}))
    sent = {"plan": "pro", "city": "Turku", "u-123": "x"}
    assert admitted.bounded(sent, "other") == {"plan": "pro", "city": "other"}
