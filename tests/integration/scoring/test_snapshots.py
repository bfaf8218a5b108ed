"""What a tally has counted, saved and brought back."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from services.chassis.failures import Halt, Refused
from services.scoring import commands
from services.scoring.snapshots import CONTENTS, Folders, bring_back, save
from services.scoring.store import RocksStore, StoreMemory
from services.scoring.tally_format import OFFSET_KEY
from tests.integration.scoring.conftest import World
from tests.support.answers import answered
from tests.support.counting import COUNTED, LATEST, announced_at, business_with, some_answers
from tests.support.hosting import hosted
from tests.support.source import ROOT

EVERYTHING = commands.Sample((), 100, None)


@pytest.fixture
def counted(tmp_path: Path) -> Folders:
    """One partition that is counted up to offset 7."""
    folders = Folders(tmp_path / "state", ("tally", "people"), "g1")
    store = RocksStore(tmp_path / "state" / "tally" / "g1" / "0", StoreMemory(16))
    store.write({OFFSET_KEY: b"2" + (7).to_bytes(8, "big"), b"A1": b"content"})
    store.close()
    return folders


async def test_after_a_restore_counting_goes_on_from_the_snapshot_and_counts_are_right(
    world: World, tmp_path: Path
) -> None:
    world.business = business_with(tmp_path, LATEST)
    await world.publish(*some_answers())
    async with hosted(world.scoring()):
        await world.score(COUNTED)
    saved = await commands.snapshot(world.settings, world.business, world.clock, tmp_path / "snapshot")
    assert sum(one.position for one in saved.partitions if one.folder.startswith("tally")) == len(some_answers())
    await world.publish(*(answered(0) for _ in range(5)))
    async with hosted(world.scoring()):
        await world.score(COUNTED + 5)
    shutil.rmtree(world.settings.state_dir / "tally")
    shutil.rmtree(world.settings.state_dir / "people")
    await commands.restore(world.settings, world.business, world.clock, tmp_path / "snapshot")
    world.clock.advance(minutes=1)
    await world.publish(answered(10))
    async with hosted(world.scoring()):
        await announced_at(world.frame.kafka, saved.generation, world.clock.now())
        await world.score(COUNTED + 6)
        found = await commands.verify(world.settings, world.business, world.clock, EVERYTHING, lambda _done, _of: None)
    assert found.different == []


def test_a_snapshot_takes_the_place_of_what_is_there(counted: Folders, tmp_path: Path) -> None:
    assert save(counted, tmp_path / "snapshot").partitions[0].position == 7
    (partition,) = counted.partitions()
    (partition / "CURRENT").write_text("damaged")
    bring_back(counted, tmp_path / "snapshot")
    store = RocksStore(partition, StoreMemory(16))
    assert store.get_many([b"A1"]) == [b"content"]
    store.close()
    assert list(counted.partitions()) == [partition]


def test_what_is_no_snapshot_or_of_other_rules_or_a_later_program_is_refused(counted: Folders, tmp_path: Path) -> None:
    folder = tmp_path / "snapshot"
    with pytest.raises(Refused, match="is no snapshot"):
        bring_back(counted, tmp_path)
    save(counted, folder)
    with pytest.raises(Refused, match="is not empty"):
        save(counted, folder)
    with pytest.raises(Refused, match="generation g1, the business file asks for g2"):
        bring_back(Folders(counted.state, counted.kinds, "g2"), folder)
    contents = json.loads((folder / CONTENTS).read_text())
    contents["partitions"][0]["format"] = 9
    (folder / CONTENTS).write_text(json.dumps(contents))
    with pytest.raises(Refused, match="format 9"):
        bring_back(counted, folder)
    with pytest.raises(Refused, match="nothing of g3"):
        save(Folders(counted.state, counted.kinds, "g3"), tmp_path / "other")


def test_nothing_is_saved_from_a_folder_that_is_damaged(counted: Folders, tmp_path: Path) -> None:
    (partition,) = counted.partitions()
    (partition / "CURRENT").write_text("damaged")
    with pytest.raises(Halt, match="cannot be opened"):
        save(counted, tmp_path / "snapshot")
    assert not (tmp_path / "snapshot" / CONTENTS).exists()


HOLDS = """
import sys
from pathlib import Path
from services.scoring.store import RocksStore, StoreMemory
store = RocksStore(Path(sys.argv[1]), StoreMemory(16))
print("held", flush=True)
sys.stdin.read()
"""


def test_while_somebody_counts_nothing_is_saved_or_replaced(counted: Folders, tmp_path: Path) -> None:
    save(counted, tmp_path / "snapshot")
    (partition,) = counted.partitions()
    command = [sys.executable, "-c", HOLDS, str(partition)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as counting:
        assert counting.stdout is not None
        assert counting.stdout.readline() == "held\n"
        with pytest.raises(Refused, match="stop it first"):
            save(counted, tmp_path / "another")
        with pytest.raises(Refused, match="stop it first"):
            bring_back(counted, tmp_path / "snapshot")
        counting.communicate()
