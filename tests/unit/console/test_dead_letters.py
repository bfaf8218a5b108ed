"""What became of a dead letter, and which of them are meant."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from schemas.message import Message
from schemas.topics import MESSAGES, TASKS
from services.chassis.dead_letters import DeadLetter, Fate, Mark, mark_of, read_letter
from services.chassis.failures import Malformed
from services.chassis.records import Cause, Raw, outgoing
from services.console.dead_letters import Kept, Sought, _back, _is_newer, _weightier, source_of
from tests.support.answers import NOON
from tests.support.clocks import ManualClock
from tests.support.source import ROOT

LETTER = DeadLetter(
    letter_id=UUID("0f0d4a52-7a52-4d0b-9d4e-0b6a9d2f5c11"),
    group="intake",
    topic="nps.calls",
    partition=0,
    offset=0,
    error="Malformed",
    message="score: required",
    failed_at=NOON,
    attempts=1,
    erased=False,
    key=b'["default", "shop"]',
    value=b"{}",
    headers=(),
    at=NOON,
    appended=False,
)


def marked(fate: Fate, minutes: float) -> Mark:
    return Mark(LETTER.letter_id, fate, NOON + timedelta(minutes=minutes))


def written(minutes: float) -> DeadLetter:
    return replace(LETTER, failed_at=NOON + timedelta(minutes=minutes))


@pytest.mark.parametrize(
    ("letter", "mark", "fate"),
    [
        (written(0), None, None),
        (written(0), marked("replayed", 1), "replayed"),
        (written(2), marked("replayed", 1), None),
        (written(0), marked("dropped", 1), "dropped"),
        (written(2), marked("dropped", 1), "dropped"),
    ],
)
def test_a_letter_written_again_after_it_was_replayed_waits_again(
    letter: DeadLetter, mark: Mark | None, fate: Fate | None
) -> None:
    assert Kept(letter, mark).fate == fate


def test_of_several_marks_dropped_holds_and_else_the_newer() -> None:
    early, late, dropped = marked("replayed", 1), marked("replayed", 2), marked("dropped", 0)
    assert _weightier(None, early) == early
    assert _weightier(early, late) == _weightier(late, early) == late
    assert _weightier(late, dropped) == _weightier(dropped, late) == dropped


def test_a_letter_is_told_as_it_was_first_written_unless_a_mark_stands_between() -> None:
    assert _is_newer(written(0), None, None)
    assert not _is_newer(written(5), written(0), None)
    assert _is_newer(written(5), written(0), marked("replayed", 1))
    assert not _is_newer(written(5), written(3), marked("replayed", 1))


async def test_a_mark_is_a_record_of_headers_alone_and_no_letter() -> None:
    mark = marked("replayed", 1)
    record = mark.record("responses.email")
    raw = Raw(record.topic, 0, 7, NOON, record.key, record.value, record.headers)
    assert (record.topic, record.value) == ("responses.email.dlq", None)
    assert mark_of(raw) == mark
    with pytest.raises(Malformed):
        await read_letter(raw, None)
    assert mark_of(replace(raw, headers=())) is None
    assert mark_of(replace(raw, headers=(("nps.dlq.mark", b"lost"), *record.headers[:1]))) is None


@pytest.mark.parametrize(
    ("sought", "fits"),
    [
        (Sought(), True),
        (Sought(("0f0d",)), True),
        (Sought(("1f0d", "0f0d4a52-7a52-4d0b-9d4e-0b6a9d2f5c11")), True),
        (Sought(("1f0d",)), False),
        (Sought(error="REQUIRED"), True),
        (Sought(error="malformed"), True),
        (Sought(error="rating"), False),
        (Sought(source="default/shop"), True),
        (Sought(source="shop"), False),
        (Sought(since=NOON, until=NOON + timedelta(seconds=1)), True),
        (Sought(until=NOON), False),
    ],
)
def test_a_letter_is_meant_if_all_that_is_said_fits(sought: Sought, *, fits: bool) -> None:
    assert sought.fits(Kept(LETTER)) is fits


def test_what_was_replayed_is_meant_only_if_all_are() -> None:
    kept = Kept(LETTER, marked("replayed", 1))
    assert not Sought().fits(kept)
    assert Sought(everything=True).fits(kept)


def test_the_source_is_that_of_the_call_or_of_the_event() -> None:
    assert source_of(LETTER) == "default/shop"
    assert source_of(replace(LETTER, key=b"[1, 2")) is None
    assert source_of(replace(LETTER, topic="responses.email", key=b"k", headers=(("ce_source", b"/app"),))) == "/app"
    assert source_of(replace(LETTER, key=None)) is None


def test_a_record_goes_back_to_the_partition_its_key_belongs_to() -> None:
    message = Message.model_validate_json((ROOT / "schemas" / "examples" / "message.json").read_bytes())
    sent = outgoing(MESSAGES, message, str(uuid4()), Cause("test", ManualClock().now()))
    letter = replace(LETTER, topic=MESSAGES.name, key=sent.key, value=sent.value, headers=sent.headers)
    assert _back(letter) == sent
    for wrong in (replace(letter, key=None), replace(letter, value=None), replace(letter, topic=TASKS.name)):
        with pytest.raises(Malformed):
            _back(wrong)
    with pytest.raises(Malformed, match="topic: none of ours"):
        _back(replace(letter, topic="nps.elsewhere"))
