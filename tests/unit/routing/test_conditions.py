"""A condition that cannot be answered does not hold, whatever it is about it that has no answer."""

from __future__ import annotations

import pytest

from services.routing.playbooks.conditions import Condition, Unanswerable, situation_of

SITUATION = situation_of({"answer": {"score": 0, "segments": {}, "touchpoint": "delivery"}})


@pytest.mark.parametrize(
    ("text", "flawed"),
    [
        ("100 / answer.score > 3", False),
        ("100 % answer.score == 1", False),
        ("answer.score + 9223372036854775807 + 1 > 0", False),
        ('answer.segments.country == "FI"', False),
        ("int(answer.touchpoint) > 3", False),
        ('answer.score > "3"', True),
        ("answer.score", True),
        ("answr.score > 3", True),
        ("shout(answer.touchpoint)", True),
    ],
)
def test_what_has_no_answer_does_not_hold_and_tells_whether_the_condition_is_to_blame(
    text: str, *, flawed: bool
) -> None:
    condition = Condition.compiled(text)
    assert not condition.holds(SITUATION)
    with pytest.raises(Unanswerable) as reason:
        condition.of(SITUATION)
    assert reason.value.flawed is flawed
