"""Counted once: repeated, shuffled, edited, retracted, late or interrupted, every cell is what a recompute gives."""

from __future__ import annotations

import random
from itertools import count
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.scoring.answers_tally import AnswersTally
from services.scoring.store import MemoryStore, RocksStore, Store, StoreMemory
from tests.support.histories import TODAY, Line, a_history, in_quarters, partition_logs, recomputed, rules_of

seeds = st.integers(0, 2**63)


@settings(max_examples=5_000, suppress_health_check=list(HealthCheck), deadline=None)
@given(seeds)
def test_every_history_counts_what_a_plain_recompute_counts(seed: int) -> None:
    chance = random.Random(seed)
    stores: dict[str, MemoryStore] = {}
    logs = partition_logs(a_history(chance))
    line = Line(chance, lambda name: stores.setdefault(name, MemoryStore()))
    assert line.run(logs) == in_quarters(recomputed(logs))


def test_the_real_store_counts_the_same(tmp_path: Path) -> None:
    memory, number = StoreMemory(16), count()

    @settings(max_examples=200, suppress_health_check=list(HealthCheck), deadline=None)
    @given(seeds)
    def check(seed: int) -> None:
        chance = random.Random(seed)
        folder = tmp_path / str(next(number))
        logs = partition_logs(a_history(chance, 20))

        def open_store(name: str) -> Store:
            return RocksStore(folder / name, memory)

        assert Line(chance, open_store).run(logs) == in_quarters(recomputed(logs))

    check()


@settings(max_examples=300, deadline=None)
@given(seeds)
def test_order_matters_only_between_two_contents_of_one_revision(seed: int) -> None:
    chance = random.Random(seed)
    once = {(event.tenant, event.response_id, event.revision): event for event in a_history(chance)}
    events = [event for event in once.values() if event.op != "commented"] * 2
    chance.shuffle(events)
    tally = AnswersTally(MemoryStore(), TODAY, rules_of)
    tally.fold(list(enumerate(events)), len(events))
    found = {("all", tenant, segment, day): cell for tenant, segment, day, cell in tally.cells() if cell}
    expected = {key: dict(counts) for key, counts in recomputed([events]).items() if key[0] == "all"}
    assert found == expected
