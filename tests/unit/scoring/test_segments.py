"""Which segments an answer belongs to, and when their rules are new ones."""

from __future__ import annotations

import re

import pytest

from services.chassis.failures import Malformed
from services.scoring.segments import Rules, generation_of, names, parsed

PAIRS = Rules((("country", "plan"),))


def test_an_answer_belongs_to_all_to_its_channel_and_to_what_it_carries() -> None:
    assert names("email", {"country": "FI"}) == ["all", "channel=email", "country=FI"]
    assert names(None, {}) == ["all"]


def test_combinations_are_counted_where_every_key_is_there() -> None:
    both = {"country": "FI", "plan": "pro"}
    wanted = (("country", "plan"), ("channel", "plan"), ("plan", "region"))
    assert names("sms", both, wanted)[4:] == ["country=FI,plan=pro", "channel=sms,plan=pro"]


def test_a_comma_in_a_value_makes_no_other_segment() -> None:
    one = names(None, {"a": "1,b=2", "b": "3"}, (("a", "b"),))[-1]
    assert one == "a=1%2Cb=2,b=3"
    assert one != names(None, {"a": "1", "b": "2,b=3"}, (("a", "b"),))[-1]


def test_the_same_rules_are_the_same_generation() -> None:
    assert generation_of({"default": Rules(), "acme": Rules()}) == "g1"
    one = generation_of({"default": PAIRS, "acme": Rules()})
    assert one == generation_of({"acme": Rules(), "default": PAIRS}) == generation_of({"default": PAIRS})
    assert one != generation_of({"default": Rules(PAIRS.combinations, latest=True)})


def test_a_tenant_taken_out_of_a_pattern_is_a_new_generation() -> None:
    assert generation_of({"demo-*": PAIRS}) != generation_of({"demo-*": PAIRS, "demo-1": Rules()})


def test_answers_in_a_copy_of_their_topic_are_a_new_generation() -> None:
    wide = [generation_of(rules, "nps.responses-32") for rules in ({}, {"default": PAIRS})]
    assert len({"g1", generation_of({"default": PAIRS}), *wide}) == 4
    assert all(re.fullmatch(r"g1-[0-9a-f]{8}", name) for name in wide)


@pytest.mark.parametrize("content", [b"[]", b'{"a": 1}', b"null", b'"x"'])
def test_what_are_no_segments_is_malformed(content: bytes) -> None:
    with pytest.raises(Malformed) as failure:
        parsed(content)
    assert failure.value.faults[0].field == "segments"
