"""Where a source partition's tally lies: RocksDB, and a fake that behaves the same.

One WriteBatch holds the contributions of a run of answers, the cells they change, which cells are not yet published and
the offset to go on from: either all of it is there after a crash or none. What RocksDB notices of a damaged disk stops
the process, and so does what it passes over:

  a scan that meets a damaged block   ends as if there were no more: it is asked why it ended
  a manifest that has lost its end    whole files are forgotten, and what was written after them is kept: each batch
                                      says how long the manifest was, and a shorter one is not opened
  a log that has lost its end         what stands is what was counted up to an earlier offset: counting goes on there
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from rocksdict import (
    BlockBasedOptions,
    Cache,
    Checkpoint,
    DBCompressionType,
    Options,
    Rdict,
    WriteBatch,
    WriteBufferManager,
)

from services.chassis.failures import Halt

BLOOM_BITS: Final = 10
MIB: Final = 1024 * 1024
MEMTABLE_BYTES: Final = 16 * MIB
MEMTABLES: Final = 3
MEMTABLE_SHARE: Final = 2
MANIFEST_KEY: Final = b"m"
"""Under it each batch says which manifest there was and how long it was; no other key of a tally begins so."""

_CURRENT: Final = re.compile(rb"(MANIFEST-(\d+))\n")
_MANIFEST: Final = struct.Struct(">QQ")
_FULL: Final = "Make room and start again: counting goes on where it stopped"
_DAMAGED: Final = "Remove the folder and start again: it is rebuilt from nps.responses"
_ADVICE: Final = {
    "No space left": _FULL,
    "File too large": _FULL,
    "quota exceeded": _FULL,
    "LOCK": "Another process counts in this folder: give each replica a folder of its own",
}
"""What to do about an error, by a sign of it; about any other, what to do about damage."""


class Store(Protocol):
    """Bytes by key, written in one piece."""

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The value of each key, none where there is none."""
        ...

    def scan(self, prefix: bytes, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Every key that begins so, in order, with its value; those up to `after` are left out."""
        ...

    def write(self, put: Mapping[bytes, bytes], delete: Iterable[bytes] = ()) -> None:
        """Writes and deletes all of it, or nothing."""
        ...

    def close(self) -> None:
        """Lets go of the files."""
        ...


class MemoryStore:
    """The same in a dictionary, for tests and for looking at what a fold would do."""

    def __init__(self) -> None:
        self.content: dict[bytes, bytes] = {}

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The value of each key, none where there is none."""
        return [self.content.get(key) for key in keys]

    def scan(self, prefix: bytes, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Every key that begins so, in order, with its value; those up to `after` are left out."""
        found = [item for item in self.content.items() if item[0].startswith(prefix) and item[0] > after]
        return iter(sorted(found))

    def write(self, put: Mapping[bytes, bytes], delete: Iterable[bytes] = ()) -> None:
        """Writes and deletes all of it, or nothing."""
        for key in delete:
            self.content.pop(key, None)
        self.content.update(put)

    def close(self) -> None:
        """Nothing to let go of."""


class StoreMemory:
    """What all stores of a process share: a cache of blocks and filters, in which what waits to be written counts."""

    def __init__(self, mib: int) -> None:
        self.cache = Cache(mib * MIB)
        self.waiting = WriteBufferManager.new_write_buffer_manager_with_cache(
            mib * MIB // MEMTABLE_SHARE, allow_stall=False, cache=self.cache
        )


class RocksStore:
    """One RocksDB. What went into the write-ahead log survives a killed process."""

    def __init__(self, folder: Path, memory: StoreMemory) -> None:
        """Opens the database, which is made if need be.

        Raises:
            Halt: if it cannot be opened: damaged, of another format, or the disk is full.
        """
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            found = _manifest(folder)
            self._db = Rdict(str(folder), _options(memory))
        except Exception as error:
            raise self._unusable("cannot be opened", error) from error
        (told,) = self.get_many([MANIFEST_KEY])
        if told is not None and _MANIFEST.unpack(told) > found:
            self._db.close()
            raise self._unusable("cannot be opened", "its manifest has lost its end")

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The value of each key, none where there is none."""
        if not keys:
            return []
        try:
            found = self._db[list(keys)]
        except Exception as error:
            raise self._unusable("cannot be read", error) from error
        return list(found or ())

    def scan(self, prefix: bytes, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Every key that begins so, in order, with its value; those up to `after` are left out.

        Raises:
            Halt: if not all of it can be read.
        """
        found = self._db.iter()
        found.seek(max(prefix, after + b"\0"))
        while found.valid() and found.key().startswith(prefix):
            yield found.key(), found.value()
            found.next()
        try:
            found.status()
        except Exception as error:
            raise self._unusable("cannot be read", error) from error

    def write(self, put: Mapping[bytes, bytes], delete: Iterable[bytes] = ()) -> None:
        """Writes and deletes all of it, or nothing.

        Raises:
            Halt: if the disk takes no more.
        """
        batch = WriteBatch(raw_mode=True)
        for key in delete:
            batch.delete(key)
        for key, value in put.items():
            batch.put(key, value)
        try:
            batch.put(MANIFEST_KEY, _MANIFEST.pack(*_manifest(self._folder)))
            self._db.write(batch)
        except Exception as error:
            raise self._unusable("cannot be written", error) from error

    def copy(self, folder: Path) -> None:
        """Copies all of it, as of this moment, into a folder that is not there yet.

        Raises:
            Halt: if it cannot be read, or the copy cannot be written.
        """
        try:
            Checkpoint(self._db).create_checkpoint(str(folder))
        except Exception as error:
            raise self._unusable(f"cannot be copied to {folder}", error) from error

    def close(self) -> None:
        """Lets go of the files.

        Raises:
            Halt: if what is in memory cannot be written; it is in the log as well.
        """
        try:
            self._db.close()
        except Exception as error:
            raise self._unusable("cannot be closed", error) from error

    def _unusable(self, what: str, error: Exception | str) -> Halt:
        told = " ".join(str(error).split())
        advice = next((advice for sign, advice in _ADVICE.items() if sign in told), _DAMAGED)
        return Halt(f"the tally in {self._folder} {what}: {told}. {advice}")


def _manifest(folder: Path) -> tuple[int, int]:
    """Number and length of the manifest in use: neither ever shrinks. None yet is nought."""
    current = folder / "CURRENT"
    named = _CURRENT.match(current.read_bytes()) if current.exists() else None
    return (int(named[2]), (folder / os.fsdecode(named[1])).stat().st_size) if named else (0, 0)


def _options(memory: StoreMemory) -> Options:
    table = BlockBasedOptions()
    table.set_block_cache(memory.cache)
    # nine reads in ten prove that an answer is new: the filter answers them without touching the disk
    table.set_bloom_filter(BLOOM_BITS, block_based=False)
    table.set_cache_index_and_filter_blocks(True)
    table.set_pin_l0_filter_and_index_blocks_in_cache(True)
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_block_based_table_factory(table)
    options.set_compression_type(DBCompressionType.lz4())
    options.set_write_buffer_manager(memory.waiting)
    options.set_write_buffer_size(MEMTABLE_BYTES)
    options.set_max_write_buffer_number(MEMTABLES)
    options.set_max_total_wal_size(MEMTABLE_BYTES * MEMTABLES * 2)
    options.set_keep_log_file_num(2)
    options.set_max_open_files(256)
    return options
