"""The tally against a plain recompute: whatever is repeated, shuffled, edited, retracted or interrupted."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rocksdict import Cache

from services.chassis.failures import Halt, Malformed
from services.scoring.partition_tally import OFFSET_KEY, PartitionTally, by_bucket
from services.scoring.store import MemoryStore, RocksStore, Store
from services.scoring.tally import Answer, Cell, Contribution, answer_key, decode, pack_cell, unpack_cell
from tests.support.answers import answered

TODAY = date(2026, 5, 20)
NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)


def an_answer(response_id: str = "r", revision: int = 1, **given: object) -> Answer:
    fields: dict[str, object] = {
        "tenant": "default",
        "response_id": response_id,
        "revision": revision,
        "op": "submitted",
        "answered_at": NOON,
        "digest": "0" * 32,
        "score": 9,
        "channel": "email",
    }
    return Answer(**{**fields, **given})  # type: ignore[arg-type]  # fields of any type


ids = st.sampled_from(["a", "b", "c", "01890a5d-ac96-774b-bcce-b302099a8057"])
an_event = st.builds(
    an_answer,
    response_id=ids,
    revision=st.integers(1, 4),
    op=st.sampled_from(["submitted", "updated", "retracted", "excluded", "commented"]),
    score=st.integers(0, 10),
    answered_at=st.sampled_from([NOON, NOON - timedelta(days=1), NOON - timedelta(days=9, minutes=7)]),
    segments=st.sampled_from([{}, {"plan": "pro"}, {"plan": "free", "country": "FI"}]),
    metric=st.sampled_from(["nps", "nps", "nps", "csat"]),
    test=st.sampled_from([False, False, True]),
    tenant=st.sampled_from(["default", "other"]),
)


def recompute(events: list[Answer]) -> dict[tuple[str, str, date], Counter[int]]:
    """What a program without state would count: the highest revision of each answer, the first of equals."""
    latest: dict[tuple[str, str], Answer] = {}
    for event in events:
        key = (event.tenant, event.response_id)
        if event.op != "commented" and (key not in latest or event.revision > latest[key].revision):
            latest[key] = event
    cells: dict[tuple[str, str, date], Counter[int]] = defaultdict(Counter)
    for event in latest.values():
        if event.counts():
            minute = event.answered_at.hour * 60 + event.answered_at.minute
            for segment in event.segment_names():
                cells[event.tenant, segment, event.answered_at.date()][minute // 5 * 11 + (event.score or 0)] += 1
    return dict(cells)


def held(tally: PartitionTally) -> dict[tuple[str, str, date], Counter[int]]:
    return {(tenant, segment, day): Counter(cell) for tenant, segment, day, cell in tally.cells() if cell}


def feed(store: Store, events: list[Answer], cuts: list[int]) -> PartitionTally:
    """Folds in runs that end at the cuts; after each the process dies and another opens the store."""
    tally = PartitionTally(store, TODAY)
    for end in [*sorted(set(cuts)), len(events)]:
        start = tally.position
        if end > start:
            tally.fold(list(enumerate(events))[start:end], end)
        tally = PartitionTally(store, TODAY)
    return tally


@settings(max_examples=1000, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(an_event, max_size=30), st.lists(st.integers(0, 30), max_size=4))
def test_every_history_counts_what_a_plain_recompute_counts(events: list[Answer], cuts: list[int]) -> None:
    tally = feed(MemoryStore(), events, [min(cut, len(events)) for cut in cuts])
    assert held(tally) == recompute(events)


@settings(max_examples=25, suppress_health_check=list(HealthCheck), deadline=None)
@given(st.lists(an_event, max_size=30), st.lists(st.integers(0, 30), max_size=3))
def test_the_real_store_counts_the_same(
    tmp_path_factory: pytest.TempPathFactory, events: list[Answer], cuts: list[int]
) -> None:
    folder, cache = tmp_path_factory.mktemp("tally"), Cache(1024 * 1024)
    tally = None
    for end in [*sorted({min(cut, len(events)) for cut in cuts}), len(events)]:
        tally = PartitionTally(RocksStore(folder, cache), TODAY)
        if end > tally.position:
            tally.fold(list(enumerate(events))[tally.position : end], end)
        result = held(tally)
        tally.close()
    assert result == recompute(events)


@settings(max_examples=200, deadline=None)
@given(st.lists(an_event, max_size=20), st.randoms(use_true_random=False))
def test_order_matters_only_between_two_contents_of_one_revision(events: list[Answer], chance: random.Random) -> None:
    once = {(event.tenant, event.response_id, event.revision): event for event in events if event.op != "commented"}
    shuffled = list(once.values()) * 2
    chance.shuffle(shuffled)
    assert held(feed(MemoryStore(), shuffled, [])) == recompute(list(once.values()))


def test_a_revision_with_other_content_is_reported_and_the_first_stays() -> None:
    tally = PartitionTally(MemoryStore(), TODAY)
    folded = tally.fold([(0, an_answer(score=9)), (1, an_answer(score=1, digest="f" * 32))], 2)
    assert folded.conflicts == [1]
    assert held(tally)["default", "all", TODAY] == Counter({144 * 11 + 9: 1})


def test_a_cell_is_marked_until_what_was_acknowledged_is_what_is_stored() -> None:
    tally = PartitionTally(MemoryStore(), TODAY)
    tally.fold([(0, an_answer("a"))], 1)
    pending = tally.pending(100, TODAY)
    tally.fold([(1, an_answer("b"))], 2)
    tally.published(pending)
    assert {cell.segment for cell in tally.pending(100, TODAY)} == {"all", "channel=email"}
    tally.published(tally.pending(100, TODAY))
    assert tally.pending(100, TODAY) == []


def test_marks_survive_the_process() -> None:
    store = MemoryStore()
    PartitionTally(store, TODAY).fold([(0, an_answer("a"))], 1)
    again = PartitionTally(store, TODAY)
    assert [(cell.segment, cell.offset) for cell in again.pending(100, TODAY)] == [("all", 0), ("channel=email", 0)]


def test_a_cell_that_became_empty_is_published_as_empty() -> None:
    tally = PartitionTally(MemoryStore(), TODAY)
    tally.fold([(0, an_answer("a")), (1, an_answer("a", 2, op="retracted"))], 2)
    assert all(cell.counts == {} for cell in tally.pending(100, TODAY))
    assert len(tally.pending(100, TODAY)) == 2


def test_days_older_than_eight_are_published_in_quarters_of_an_hour() -> None:
    store = MemoryStore()
    tally = PartitionTally(store, TODAY)
    tally.fold([(0, an_answer("a", answered_at=NOON.replace(minute=20)))], 1)
    (cell, *_) = tally.pending(1, TODAY)
    assert (cell.minutes, cell.counts) == (5, {"148": {"9": 1}})
    tally.published(tally.pending(100, TODAY))
    assert tally.grow_coarse(TODAY + timedelta(days=8)) == 0
    assert tally.grow_coarse(TODAY + timedelta(days=9)) == 2
    assert PartitionTally(store, TODAY + timedelta(days=9)).grow_coarse(TODAY + timedelta(days=9)) == 0
    (cell, *_) = tally.pending(1, TODAY + timedelta(days=9))
    assert (cell.minutes, cell.counts) == (15, {"49": {"9": 1}})


def test_coarse_buckets_hold_what_the_fine_ones_held() -> None:
    cell: Cell = {3 * 11 + 9: 2, 4 * 11 + 9: 1, 5 * 11: 4, 6 * 11 + 9: 1}
    assert by_bucket(cell, 15) == {"1": {"9": 3, "0": 4}, "2": {"9": 1}}


def test_a_state_of_another_format_stops() -> None:
    store = MemoryStore()
    PartitionTally(store, TODAY).fold([], 1)
    store.write({OFFSET_KEY: b"9" + bytes(8)})
    with pytest.raises(Halt, match="remove its folder"):
        PartitionTally(store, TODAY)


def test_a_store_that_is_damaged_stops(tmp_path: Path) -> None:
    RocksStore(tmp_path, Cache(1024 * 1024)).close()
    (tmp_path / "CURRENT").write_text("damaged")
    with pytest.raises(Halt, match="it is rebuilt from"):
        RocksStore(tmp_path, Cache(1024 * 1024))


@given(
    st.builds(
        Contribution,
        *(st.integers(1, 2**60), st.integers(0, 2**64 - 1), st.integers(-(2**31), 2**31 - 1), st.integers(0, 10)),
        st.lists(st.integers(0, 2**32 - 1)).map(tuple),
    )
)
def test_contributions_pack_and_unpack(contribution: Contribution) -> None:
    assert Contribution.unpacked(contribution.packed()) == contribution
    assert len(replace(contribution, segments=(1, 2, 3)).packed()) == 33


@given(st.dictionaries(st.integers(0, 288 * 11 - 1), st.integers(1, 2**31)))
def test_cells_pack_and_unpack(cell: Cell) -> None:
    assert unpack_cell(pack_cell(cell)) == cell


def test_a_key_comes_from_the_id_alone_and_no_two_ids_share_one() -> None:
    uuid = "01890a5d-ac96-774b-bcce-b302099a8057"
    assert len(answer_key(1, uuid)) == 4 + 1 + 16
    assert len({answer_key(1, uuid), answer_key(1, uuid.upper()), answer_key(2, uuid), answer_key(1, "u")}) == 4


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (None, "body"),
        (b"", "body"),
        (b"\xff", "body"),
        (b"[]", "body"),
        (answered(9).to_json().replace(b'"score":9', b'"score":11'), "score"),
        (answered(9).to_json().replace(b"T12:00:00Z", b"T12:00:00"), "answered_at"),
        (answered(9, digest="0" * 32).to_json().replace(b"0" * 32, b"zz"), "digest"),
        (b"[" * 100_000, "body"),
    ],
)
def test_what_is_no_answer_is_malformed(value: bytes | None, field: str) -> None:
    with pytest.raises(Malformed) as failure:
        decode(value)
    assert failure.value.faults[0].field == field


def test_it_reads_what_intake_writes() -> None:
    written = answered(7, channel="sms", segments={"plan": "pro"}, test=True)
    read = decode(written.to_json())
    assert (read.score, read.channel, read.segments, read.test) == (7, "sms", {"plan": "pro"}, True)
    assert read.counts() == written.counts()
