"""Records are read as the contract's own model reads them, only faster."""

from __future__ import annotations

import random
from typing import Any

import pytest
from aiokafka.structs import ConsumerRecord

from schemas.personal_data import PersonalData
from schemas.response import Response
from schemas.topics import RESPONSES
from services.chassis.keyring import Erased
from services.chassis.records import Cause, outgoing
from services.routing.playbooks.situation import Person
from services.routing.simulating.skimming import person_behind, read, skimmed
from tests.support.answers import NOON, answered
from tests.support.replays import Stream


def record(value: bytes | None, headers: tuple[tuple[str, bytes], ...]) -> ConsumerRecord[bytes, bytes]:
    return ConsumerRecord("nps.responses", 0, 0, 0, 0, b"key", value, None, 0, 0, headers)


def written(answer: Response) -> ConsumerRecord[bytes, bytes]:
    out = outgoing(RESPONSES, answer, "id", Cause("intake", NOON))
    return record(out.value, out.headers)


def test_what_is_read_is_what_the_model_reads() -> None:
    agent = answered(3, agent={"id": "a-1", "team": "night"}, touchpoint="shop", language="fi-FI", survey_id="s")
    answers = [agent, *(one.answer for one in Stream(random.Random(5)).records(300))]
    for answer in answers:
        found = read(answer.to_json())
        assert found is not None
        assert found.sealed == answer.sealed
        assert found.answer == answer.model_copy(update={"sealed": None})
        assert type(found.answer.agent) is type(answer.agent)


@pytest.mark.parametrize(
    "known",
    [
        {},
        {"comment": ""},
        {"customer_id": "c-1", "account_id": "a-1", "email": "ada@example.org", "phone": "+358401234567"},
        {"name": "Åsa", "timezone": "Europe/Helsinki", "locale": "fi-FI", "comment": "Došlo to pozdě 📦"},
        {"attributes": {"plan": "pro", "account_value": "5000"}},
    ],
)
def test_who_is_behind_it_is_read_as_the_model_reads_it(known: dict[str, Any]) -> None:
    data = PersonalData(**known)
    assert person_behind(data.model_dump_json(exclude_defaults=True).encode()) == Person(data)
    assert set(PersonalData.model_fields) == set(vars(person_behind(b"{}").data))


def test_of_who_is_erased_nothing_is_known() -> None:
    assert person_behind(Erased()) == Person(erased=True)


def test_a_moment_with_another_offset_is_brought_to_utc() -> None:
    found = read(answered(9).to_json().replace(b"12:00:00Z", b"14:00:00+02:00"))
    assert found is not None
    assert found.answer.received_at.isoformat() == NOON.isoformat()


def test_whose_answer_it_is_is_told_without_reading_the_rest() -> None:
    answer = answered(9, subject="a" * 32)
    found = skimmed(written(answer))
    assert found is not None
    assert (found.tenant, found.response_id, found.subject) == ("default", answer.response_id, "a" * 32)
    assert found.received_at == NOON


@pytest.mark.parametrize("value", [None, b"", b"{}", b"[1]", b'{"tenant": 5}', b"\xff", b"[" * 5_000])
def test_what_is_no_answer_is_passed_over(value: bytes | None) -> None:
    assert skimmed(record(value, written(answered(9)).headers)) is None
    assert value is None or read(value) is None


def test_what_does_not_say_that_it_is_an_answer_is_none() -> None:
    assert skimmed(record(answered(9).to_json(), (("ce_type", b"another"),))) is None
