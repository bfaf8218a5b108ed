"""The recount that tallies are held against: another program, the same numbers."""

from __future__ import annotations

import json
import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.tally import Series
from schemas.topic import join_key, partition_of
from services.scoring.recount import Recount, Revision
from services.scoring.tally import Answer
from tests.support.histories import a_history, partition_logs, recomputed, rules_of

PEOPLE_PARTITIONS = 2

Found = dict[tuple[str, str, str, str], Counter[int]]


def revision(answer: Answer) -> Revision:
    person = answer.subject if rules_of(answer.tenant).latest else None
    return Revision(
        tenant=answer.tenant,
        response_id=answer.response_id,
        revision=answer.revision,
        score=answer.score if answer.counts() else None,
        day=answer.answered_at.date().isoformat(),
        bucket=(answer.answered_at.hour * 60 + answer.answered_at.minute) // 5,
        at_ms=int(answer.answered_at.timestamp() * 1000),
        segments=json.dumps(answer.segment_names(rules_of(answer.tenant))),
        person=person,
        meets=partition_of(join_key((answer.tenant, person)), PEOPLE_PARTITIONS) if person else None,
    )


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**63))
def test_every_history_is_recounted_as_a_program_in_memory_does(seed: int) -> None:
    logs = partition_logs(a_history(random.Random(seed)))
    found: Found = {}
    with Recount() as recount:
        for number, log in enumerate(logs):
            recount.take(revision(answer) for answer in log if answer.op != "commented")
            _add(found, recount, ("all", number))
            recount.end_partition()
        for number in range(PEOPLE_PARTITIONS):
            _add(found, recount, ("latest", number))
    expected = {(s, t, name, day.isoformat()): counts for (s, t, name, day), counts in recomputed(logs).items()}
    assert found == expected


def _add(found: Found, recount: Recount, of: tuple[Series, int]) -> None:
    for cell in recount.compared(*of):
        place = cell.place
        slots = Counter({bucket * 11 + score: number for (bucket, score), number in cell.recounted.items()})
        found.setdefault((place.series, place.tenant, place.segment, place.day), Counter()).update(slots)
