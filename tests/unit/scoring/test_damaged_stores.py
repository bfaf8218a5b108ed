"""Disks that are full or damaged: a clear stop or the right counts, never others."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import date
from pathlib import Path

import pytest

from services.chassis.failures import Halt
from services.scoring.answers_tally import AnswersTally
from services.scoring.store import MemoryStore, RocksStore, Store, StoreMemory
from services.scoring.tally import Answer
from tests.support.histories import TODAY, an_answer
from tests.support.scarce_disk import scarce_disk

RUN = 200
FLUSHED_EVERY = 4

Held = dict[tuple[str, date], Counter[int]]

DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "half of it": lambda content: content[: len(content) // 2],
    "without its last 100 bytes": lambda content: content[:-100],
    "empty": lambda content: content[:0],
    "a flipped byte in the middle": lambda content: _flipped(content, len(content) // 2),
    "a flipped byte near its end": lambda content: _flipped(content, len(content) - 60),
    "flipped bytes at its beginning": lambda content: _flipped(content, 9),
}

LOG = [an_answer(f"a{number % 2_000}", 1 + number // 2_000, score=number % 11) for number in range(2_800)]


def _flipped(content: bytes, at: int) -> bytes:
    at = max(at, 0)
    return content[:at] + bytes(byte ^ 0xFF for byte in content[at : at + 1]) + content[at + 1 :]


def counted(tally: AnswersTally, log: list[Answer], flush: Callable[[], None] = lambda: None) -> None:
    """Counts what has not been counted yet."""
    for number, start in enumerate(range(tally.position, len(log), RUN)):
        end = min(start + RUN, len(log))
        tally.fold(list(enumerate(log))[start:end], end)
        if number % FLUSHED_EVERY == FLUSHED_EVERY - 1:
            flush()


def held(tally: AnswersTally) -> Held:
    return {(segment, day): Counter(cell) for _, segment, day, cell in tally.cells() if cell}


def opened(store: Store) -> AnswersTally:
    return AnswersTally(store, TODAY)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a killed process leaves: several files, and a log of what was written last."""
    folder, copy = tmp_path_factory.mktemp("tally"), tmp_path_factory.mktemp("killed") / "0"
    store = RocksStore(folder, StoreMemory(16))
    counted(opened(store), LOG[:-300], store._db.flush)
    shutil.copytree(folder, copy)
    store.close()
    return copy


def test_a_killed_process_leaves_files_and_a_log(killed: Path) -> None:
    assert len(list(killed.glob("*.sst"))) >= 3
    assert sum(path.stat().st_size for path in killed.glob("*.log")) > 1_000


@pytest.mark.parametrize("damage", DAMAGES)
def test_whatever_file_is_damaged_counts_are_right_or_the_process_stops(
    killed: Path, tmp_path: Path, damage: str
) -> None:
    expected = opened(MemoryStore())
    counted(expected, LOG)
    stopped, went_on = [], []
    for file in sorted(path.name for path in killed.iterdir()):
        folder = tmp_path / file
        shutil.copytree(killed, folder)
        (folder / file).write_bytes(DAMAGES[damage]((killed / file).read_bytes()))
        found = _counted_on(folder)
        if isinstance(found, str):
            stopped.append(file)
            assert str(folder) in found
            assert "\n" not in found
        else:
            went_on.append(file)
            assert found == held(expected), file
    assert any(name.endswith(".sst") for name in stopped)
    assert any(name.startswith("MANIFEST") for name in stopped)
    assert [name for name in went_on if name.endswith(".log")]


def _counted_on(folder: Path) -> Held | str:
    """What the rest is counted to, or why it was not."""
    try:
        store = RocksStore(folder, StoreMemory(16))
        with closing(store):
            tally = opened(store)
            counted(tally, LOG)
            return held(tally)
    except Halt as stop:
        return str(stop)


def test_a_scan_that_meets_damage_stops_instead_of_ending(killed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "0"
    shutil.copytree(killed, folder)
    for file in folder.glob("*.sst"):
        content = bytearray(file.read_bytes())
        for place in random.Random(1).choices(range(len(content) * 3 // 4), k=20):
            content[place] ^= 0xFF
        file.write_bytes(content)
    with pytest.raises(Halt, match=r"cannot be (read|opened)"):
        list(RocksStore(folder, StoreMemory(16)).scan(b"A"))


def test_a_full_disk_stops_the_process_and_with_room_again_counts_are_right(tmp_path: Path) -> None:
    log = [an_answer(f"{number:032x}", score=number % 11) for number in range(40_000)]
    expected = opened(MemoryStore())
    counted(expected, log)
    with scarce_disk(tmp_path) as (folder, make_room):
        full = RocksStore(folder / "0", StoreMemory(16))
        with pytest.raises(Halt, match=f"tally in {folder}/0 cannot be written: .*Make room") as stop:
            counted(opened(full), log)
        assert "\n" not in str(stop.value)
        with suppress(Halt):
            full.close()
        make_room()
        with closing(RocksStore(folder / "0", StoreMemory(16))) as store:
            tally = opened(store)
            assert 0 < tally.position < len(log)
            counted(tally, log)
            assert held(tally) == held(expected)
