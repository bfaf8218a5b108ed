"""What topics are called on a cluster on which answers have been copied."""

from __future__ import annotations

import pytest

from services.chassis.kafka import Kafka
from services.chassis.settings import ServiceSettings


def kafka(responses: str) -> Kafka:
    return Kafka(ServiceSettings(topic_prefix="t.", responses_topic=responses))


@pytest.mark.parametrize("responses", ["nps.responses", "nps.responses-32"])
@pytest.mark.parametrize("full", ["t.nps.responses", "t.nps.responses-32", "t.nps.responses.dlq", "t.nps.tallies"])
def test_short_is_the_inverse_of_topic(responses: str, full: str) -> None:
    there = kafka(responses)
    assert there.topic(there.short(full)) == full


def test_answers_are_known_by_their_name_in_the_catalogue_wherever_they_lie() -> None:
    there = kafka("nps.responses-32")
    assert there.topic("nps.responses") == "t.nps.responses-32"
    assert there.short("t.nps.responses-32") == "nps.responses"
    assert there.short("t.nps.responses") != "nps.responses"
    assert (there.is_copied("nps.responses"), there.is_copied("nps.tallies")) == (True, False)
    assert not kafka("nps.responses").is_copied("nps.responses")
