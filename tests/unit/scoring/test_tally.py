"""The tally's rules, and how its counts are packed, marked and kept."""

from __future__ import annotations

import struct
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.failures import Halt, Malformed
from services.scoring.answers_tally import AnswersTally
from services.scoring.cells import Cell, by_bucket, pack_cell, unpack_cell
from services.scoring.store import MemoryStore, RocksStore, StoreMemory
from services.scoring.tally import ANSWER, Answer, Codes, Contribution, Person, answer_key, decode, response_of
from services.scoring.tally_format import FORMAT, OFFSET_KEY
from tests.support.answers import answered
from tests.support.histories import NOON, TODAY, an_answer, rules_of


def held(tally: AnswersTally) -> dict[tuple[str, str, date], Counter[int]]:
    return {(tenant, segment, day): Counter(cell) for tenant, segment, day, cell in tally.cells() if cell}


def test_a_revision_with_other_content_is_reported_and_the_first_stays() -> None:
    tally = AnswersTally(MemoryStore(), TODAY)
    folded = tally.fold([(0, an_answer(score=9)), (1, an_answer(score=1, digest="f" * 32))], 2)
    assert folded.conflicts == [1]
    assert held(tally)["default", "all", TODAY] == Counter({144 * 11 + 9: 1})


def counted(*events: Answer) -> Counter[int]:
    """All answers of the day by score, each event read in a run of its own."""
    tally = AnswersTally(MemoryStore(), TODAY)
    for offset, event in enumerate(events):
        tally.fold([(offset, event)], offset + 1)
    return Counter({slot % 11: n for slot, n in held(tally).get(("default", "all", TODAY), Counter()).items()})


def test_a_revision_that_arrives_before_its_first_counts_and_the_first_is_older() -> None:
    assert counted(an_answer("a", 2, score=3), an_answer("a", 1, score=9)) == Counter({3: 1})


def test_a_retraction_of_an_unknown_answer_is_remembered() -> None:
    retraction = an_answer("a", 2, op="retracted", score=None)
    assert counted(retraction, an_answer("a", 1)) == Counter()
    assert counted(retraction, an_answer("a", 1), an_answer("a", 3, op="updated", score=7)) == Counter({7: 1})


@pytest.mark.parametrize("metric", ["csat", "ces", "review"])
def test_a_score_on_another_metric_never_counts_and_takes_back_what_did(metric: str) -> None:
    assert counted(an_answer("a", metric=metric)) == Counter()
    assert counted(an_answer("a", 1), an_answer("a", 2, metric=metric)) == Counter()


def test_an_answer_without_a_score_adds_nothing() -> None:
    assert counted(an_answer("a", score=None)) == Counter()


def test_a_cell_is_marked_until_what_was_acknowledged_is_what_is_stored() -> None:
    tally = AnswersTally(MemoryStore(), TODAY)
    tally.fold([(0, an_answer("a"))], 1)
    pending = tally.pending(100, TODAY)
    tally.fold([(1, an_answer("b"))], 2)
    tally.published(pending)
    assert {cell.segment for cell in tally.pending(100, TODAY)} == {"all", "channel=email"}
    tally.published(tally.pending(100, TODAY))
    assert tally.pending(100, TODAY) == []


def test_marks_survive_the_process() -> None:
    store = MemoryStore()
    AnswersTally(store, TODAY).fold([(0, an_answer("a"))], 1)
    again = AnswersTally(store, TODAY)
    assert [(cell.segment, cell.offset) for cell in again.pending(100, TODAY)] == [("all", 0), ("channel=email", 0)]


def test_a_cell_that_became_empty_is_published_as_empty() -> None:
    tally = AnswersTally(MemoryStore(), TODAY)
    tally.fold([(0, an_answer("a"))], 1)
    tally.fold([(1, an_answer("a", 2, op="retracted"))], 2)
    assert all(cell.counts == {} for cell in tally.pending(100, TODAY))
    assert len(tally.pending(100, TODAY)) == 2


def test_what_came_and_went_since_an_earlier_owner_read_is_published_as_gone() -> None:
    came, went = an_answer("a", 1), an_answer("a", 2, op="retracted", score=None)
    earlier, later = AnswersTally(MemoryStore(), TODAY), AnswersTally(MemoryStore(), TODAY)
    earlier.fold([(0, came)], 1)
    later.fold([(0, came), (1, went)], 2)
    cells = {cell.segment for cell in earlier.pending(9, TODAY)}
    assert {cell.segment: cell.counts for cell in later.pending(9, TODAY)} == {segment: {} for segment in cells}


def test_facts_about_people_wait_while_cells_fill_a_transaction() -> None:
    tally = AnswersTally(MemoryStore(), TODAY, rules_of)
    tally.fold([(0, an_answer("a", subject="a" * 32))], 1)
    tally.published(tally.pending(100, TODAY))
    assert tally.pending_facts(0) == []
    assert not tally.all_published
    facts = tally.pending_facts(10)
    tally.published_facts(facts)
    assert [(fact.subject, fact.score) for fact in facts] == [("a" * 32, 9)]
    assert tally.pending_facts(10) == []
    assert tally.all_published


def test_days_older_than_eight_are_published_in_quarters_of_an_hour() -> None:
    store = MemoryStore()
    tally = AnswersTally(store, TODAY)
    tally.fold([(0, an_answer("a", answered_at=NOON.replace(minute=20)))], 1)
    (cell, *_) = tally.pending(1, TODAY)
    assert (cell.minutes, cell.counts) == (5, {148: {9: 1}})
    tally.published(tally.pending(100, TODAY))
    assert tally.grow_coarse(TODAY + timedelta(days=8)) == 0
    assert tally.grow_coarse(TODAY + timedelta(days=9)) == 2
    assert AnswersTally(store, TODAY + timedelta(days=9)).grow_coarse(TODAY + timedelta(days=9)) == 0
    (cell, *_) = tally.pending(1, TODAY + timedelta(days=9))
    assert (cell.minutes, cell.counts) == (15, {49: {9: 1}})


def test_coarse_buckets_hold_what_the_fine_ones_held() -> None:
    cell: Cell = {3 * 11 + 9: 2, 4 * 11 + 9: 1, 5 * 11: 4, 6 * 11 + 9: 1}
    assert by_bucket(cell, 15) == {1: {0: 4, 9: 3}, 2: {9: 1}}


def test_a_state_of_another_format_stops() -> None:
    store = MemoryStore()
    AnswersTally(store, TODAY).fold([], 1)
    store.write({OFFSET_KEY: b"9" + bytes(8)})
    with pytest.raises(Halt, match="remove its folder"):
        AnswersTally(store, TODAY)


def test_a_store_that_is_damaged_stops(tmp_path: Path) -> None:
    RocksStore(tmp_path, StoreMemory(16)).close()
    (tmp_path / "CURRENT").write_text("damaged")
    with pytest.raises(Halt, match="it is rebuilt from"):
        RocksStore(tmp_path, StoreMemory(16))


@given(
    st.builds(
        Contribution,
        *(st.integers(1, 2**60), st.binary(min_size=8, max_size=8), st.integers(-(2**31), 2**31 - 1)),
        st.none() | st.integers(0, 10),
        st.lists(st.integers(0, 2**32 - 1)).map(tuple).map(Codes.of),
        st.none() | st.builds(Person, st.binary(min_size=16, max_size=16), st.integers(-(2**62), 2**62)),
    )
)
def test_contributions_pack_and_unpack(contribution: Contribution) -> None:
    assert Contribution.unpacked(contribution.packed()) == contribution
    assert len(contribution._replace(segments=Codes.of((1, 2, 3)), person=None).packed()) == 27


def test_a_store_of_the_first_format_is_brought_up_to_this_one_and_goes_on() -> None:
    store = MemoryStore()
    tally = AnswersTally(store, TODAY)
    tally.fold([(0, an_answer("a", 1, score=4)), (1, an_answer("b", 3, op="retracted"))], 2)
    for key, content in list(store.scan(ANSWER)):
        now = Contribution.unpacked(content)
        head = struct.pack(">Q8siB", now.revision, now.digest, now.bucket, 255 if now.score is None else now.score)
        store.write({b"a" + key[1:]: head + struct.pack(f"{len(now.segments.numbers)}I", *now.segments.numbers)}, [key])
    store.write({OFFSET_KEY: b"1" + store.content[OFFSET_KEY][1:]})
    again = AnswersTally(store, TODAY)
    again.fold([(2, an_answer("a", 2, op="retracted")), (3, an_answer("b", 2))], 4)
    assert store.content[OFFSET_KEY][:1] == FORMAT
    assert list(store.scan(b"a")) == []
    assert held(again) == {}


def test_a_migration_that_was_killed_goes_on() -> None:
    store = MemoryStore()
    AnswersTally(store, TODAY).fold([(0, an_answer("a"))], 1)
    first = struct.pack(">Q8siB", 7, bytes(8), 0, 255)
    store.write({b"a" + answer_key(0, "b")[1:]: first, OFFSET_KEY: b"1" + store.content[OFFSET_KEY][1:]})
    AnswersTally(store, TODAY)
    assert len(list(store.scan(ANSWER))) == 2


@given(st.dictionaries(st.integers(0, 288 * 11 - 1), st.integers(1, 2**31)))
def test_cells_pack_and_unpack(cell: Cell) -> None:
    assert unpack_cell(pack_cell(cell)) == cell


def test_a_key_comes_from_the_id_alone_and_no_two_ids_share_one() -> None:
    uuid = "01890a5d-ac96-774b-bcce-b302099a8057"
    assert len(answer_key(1, uuid)) == 1 + 4 + 1 + 16
    assert len({answer_key(1, uuid), answer_key(1, uuid.upper()), answer_key(2, uuid), answer_key(1, "u")}) == 4


@given(st.text(min_size=1, max_size=40).filter(str.isprintable) | st.uuids().map(str))
def test_an_id_comes_back_from_its_key(response_id: str) -> None:
    assert response_of(answer_key(3, response_id)) == (3, response_id)


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
    assert (read.score, read.channel, read.segment_names()[2:], read.test) == (7, "sms", ["plan=pro"], True)
    assert read.counts() == written.counts()
