"""Reading tallies quickly takes what the contract takes, and says the same of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.generate import HERE
from schemas.malformed import Malformed
from schemas.tally import Tally
from schemas.topic import decode_json
from services.scoring.tally_records import decode

EXAMPLE: dict[str, Any] = json.loads((HERE / "examples" / "tally.json").read_text())  # JSON

COUNTS = st.dictionaries(
    st.integers(0, 95).map(str), st.dictionaries(st.integers(0, 10).map(str), st.integers(1, 2**31), max_size=4)
)


@given(
    COUNTS,
    st.dates().map(lambda day: day.isoformat()),
    st.sampled_from([5, 15]),
    st.sampled_from(["all", "latest"]),
    st.integers(0, 2**60),
)
def test_both_ways_of_reading_agree(counts: Any, day: str, minutes: int, series: str, offset: int) -> None:  # JSON
    given_ = EXAMPLE | {"counts": counts, "day": day, "resolution": minutes, "series": series, "offset": offset}
    content = json.dumps(given_, ensure_ascii=False).encode()
    strict, quick = decode_json(Tally, content), decode(content)
    assert {str(bucket): {str(score): n for score, n in scores.items()} for bucket, scores in quick.counts.items()} == (
        strict.counts
    )
    fields = ("generation", "tenant", "segment", "series", "day", "partition", "offset", "resolution")
    assert [getattr(quick, name) for name in fields] == [getattr(strict, name) for name in fields]


@pytest.mark.parametrize("name", list(EXAMPLE))
@pytest.mark.parametrize("wrong", [None, [], 1.5, True], ids=str)
def test_both_ways_refuse_what_has_another_type(name: str, wrong: object) -> None:
    for content in ({**EXAMPLE, name: wrong}, {key: value for key, value in EXAMPLE.items() if key != name}):
        for read in (decode, lambda data: decode_json(Tally, data)):
            with pytest.raises(Malformed):
                read(json.dumps(content).encode())
