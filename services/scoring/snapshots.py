"""Saves what a tally has counted and brings it back, so that a lost disk costs the time since and not all of it.

Only while nobody counts: RocksDB's own copy is of one moment, and its lock says who holds a folder. What is brought
back may be as old as it likes: counting goes on from its offsets, and publishes nothing before it has caught up.
"""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from schemas.generation import GenerationName
from services.chassis.failures import Refused
from services.scoring.store import RocksStore, StoreMemory
from services.scoring.tally_format import FORMAT, OFFSET_KEY

CONTENTS: Final = "snapshot.json"
"""Written last: without it a snapshot is not whole."""
LOCK: Final = "LOCK"
STORE_MIB: Final = 16
NEWEST_FORMAT: Final = int(FORMAT)


class Saved(BaseModel):
    """One partition of a snapshot: its folder, the format it is written in, and the offset up to which it counts."""

    model_config = ConfigDict(frozen=True)

    folder: str
    format: int
    position: int


class Snapshot(BaseModel):
    """What a snapshot holds."""

    model_config = ConfigDict(frozen=True)

    generation: GenerationName
    partitions: tuple[Saved, ...]


@dataclass(frozen=True, slots=True)
class Folders:
    """Where one generation is counted: its folders below the state folder, one for each kind of thing."""

    state: Path
    kinds: Sequence[str]
    generation: str

    def partitions(self) -> Iterator[Path]:
        """The folder of each partition there is."""
        for kind in self.kinds:
            yield from sorted((self.state / kind / self.generation).glob("[0-9]*"))


def save(folders: Folders, to: Path) -> Snapshot:
    """Copies every partition that is counted here; on the same disk that costs no room to begin with.

    Raises:
        Refused: if there is nothing, somebody counts, or the folder is taken.
        Halt: if a partition cannot be read, or the copy cannot be written.
    """
    found = list(folders.partitions())
    if not found:
        raise Refused(f"nothing of {folders.generation} is counted in {folders.state}")
    if to.exists() and any(to.iterdir()):
        raise Refused(f"{to} is not empty")
    _require_unused(found)
    saved = []
    for partition in found:
        name = partition.relative_to(folders.state)
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        with closing(RocksStore(partition, StoreMemory(STORE_MIB))) as store:
            (meta,) = store.get_many([OFFSET_KEY])
            store.copy(to / name)
        if meta is not None:
            saved.append(Saved(folder=str(name), format=int(meta[:1]), position=int.from_bytes(meta[1:], "big")))
    snapshot = Snapshot(generation=folders.generation, partitions=tuple(saved))
    (to / CONTENTS).write_text(json.dumps(snapshot.model_dump(mode="json"), indent=2) + "\n")
    return snapshot


def bring_back(folders: Folders, source: Path) -> Snapshot:
    """Puts a snapshot in place of what is counted here.

    Raises:
        Refused: if it is no snapshot, of another generation or a later format, or somebody counts.
    """
    snapshot = _read(source)
    if snapshot.generation != folders.generation:
        raise Refused(
            f"{source} is of generation {snapshot.generation}, the business file asks for {folders.generation}"
        )
    later = [one.format for one in snapshot.partitions if one.format > NEWEST_FORMAT]
    if later:
        raise Refused(f"{source} is of format {max(later)}, this program reads up to {NEWEST_FORMAT}")
    _require_unused(folders.partitions())
    for one in snapshot.partitions:
        with _in_place_of(folders.state / one.folder) as fresh:
            shutil.copytree(source / one.folder, fresh)
    return snapshot


def _read(source: Path) -> Snapshot:
    try:
        snapshot = Snapshot.model_validate_json((source / CONTENTS).read_bytes())
    except (OSError, ValidationError) as error:
        raise Refused(f"{source} is no snapshot: {CONTENTS} is missing or damaged") from error
    for one in snapshot.partitions:
        if Path(one.folder).is_absolute() or ".." in Path(one.folder).parts or not (source / one.folder).is_dir():
            raise Refused(f"{source} is no snapshot: {one.folder} is missing")
    return snapshot


def _require_unused(partitions: Iterator[Path] | Sequence[Path]) -> None:
    for partition in partitions:
        lock = partition / LOCK
        if not lock.exists():
            continue
        with lock.open("r+b") as held:
            try:
                fcntl.lockf(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise Refused(f"scoring counts in {partition}: stop it first") from error


@contextmanager
def _in_place_of(folder: Path) -> Iterator[Path]:
    """A folder to fill, which then takes the place of another."""
    fresh = folder.with_name(f".{folder.name}-restored")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.parent.mkdir(parents=True, exist_ok=True)
    yield fresh
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
