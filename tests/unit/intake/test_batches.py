"""A batch that is read at once is what its answers are one by one."""

from __future__ import annotations

import json

import pytest

from schemas.malformed import Malformed
from services.intake.api import MOST_IN_BATCH, Sent, _items, _many, _one

SOUND = '{"score":9,"channel":"email"}'
WHOLE = json.dumps(
    {
        "score": 0,
        "channel": "sms",
        "segments": {"country": "FI"},
        "agent": {"id": "a-1"},
        "answered_at": "2026-03-01T10:00:00+02:00",
        "comment": "Hyvä \u2028 \ud83d\ude00",
        "callback_requested": True,
    }
)


@pytest.mark.parametrize(
    "items",
    [
        [SOUND],
        [SOUND, WHOLE],
        ['{"score":3,"score":9,"channel":"email"}'],
        ['{"metric":"csat","rating":4,"channel":"email"}', '{"metric":"csat","rating":4.0,"channel":"email"}'],
        [SOUND, '{"score":11,"channel":"email"}', "7", "null", "[]", '{"score":9.0,"channel":"email"}'],
        [SOUND, '{"score":"9","channel":"email"}', '{"score":9,"channel":"email","who":1}'],
        ['{"metric":"csat","rating":1e400,"channel":"email"}'],
    ],
)
def test_every_answer_is_read_as_if_it_had_come_alone(items: list[str]) -> None:
    body = f"[{','.join(items)}]".encode()
    assert [_told(one) for one in _many(body)] == [_told(_one(item)) for item in _items(body)]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"{}", b"[]", b"[NaN]", b'[{"score":NaN}]', f"[{','.join([SOUND] * (MOST_IN_BATCH + 1))}]".encode()],
)
def test_what_is_no_batch_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(Malformed) as refused:
        _many(body)
    assert [fault.field for fault in refused.value.faults] == ["body"]


def _told(one: Sent | Malformed) -> object:
    if isinstance(one, Malformed):
        return one.faults
    return one.submission, one.submission.model_fields_set, one.event.id, one.event.source
