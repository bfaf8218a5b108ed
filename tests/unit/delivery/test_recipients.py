"""Why not to write to somebody: an opt-out is the person's, a bounce the address's."""

from __future__ import annotations

import pytest

from schemas.decision import Reason
from services.delivery.recipients import objection

ADDRESS, SUBJECT, OTHER_ADDRESS, NOBODY = "a" * 32, "b" * 32, "c" * 32, "d" * 32
LINKED = frozenset({ADDRESS, SUBJECT, OTHER_ADDRESS})


@pytest.mark.parametrize(
    ("about", "said", "reason"),
    [
        (ADDRESS, "opt_out", "opt_out"),
        (SUBJECT, "opt_out", "opt_out"),
        (OTHER_ADDRESS, "opt_out", "opt_out"),
        (NOBODY, "opt_out", None),
        (ADDRESS, "bounced", "bounced"),
        (SUBJECT, "bounced", "bounced"),
        (OTHER_ADDRESS, "bounced", None),
        (NOBODY, "bounced", None),
    ],
)
def test_an_opt_out_counts_for_the_whole_person_and_a_bounce_for_its_address(
    about: str, said: Reason, reason: Reason | None
) -> None:
    assert objection({about: {said}}, ADDRESS, SUBJECT, LINKED) == reason


def test_an_opt_out_is_told_before_a_bounce() -> None:
    assert objection({ADDRESS: {"bounced", "opt_out"}}, ADDRESS, SUBJECT, LINKED) == "opt_out"
