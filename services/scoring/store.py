"""Where a source partition's tally lies: RocksDB, and a fake that behaves the same.

One WriteBatch holds the contributions of a run of answers, the cells they change, which cells are not yet published and
the offset to go on from: either all of it is there after a crash or none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from rocksdict import (
    BlockBasedOptions,
    Cache,
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
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        try:
            self._db = Rdict(str(folder), _options(memory))
        except Exception as error:
            raise self._unusable("cannot be opened", error) from error

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
        """Every key that begins so, in order, with its value; those up to `after` are left out."""
        for key, value in self._db.items(from_key=max(prefix, after + b"\0")):
            if not isinstance(key, bytes) or not key.startswith(prefix):
                return
            yield key, value

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
            self._db.write(batch)
        except Exception as error:
            raise self._unusable("cannot be written", error) from error

    def close(self) -> None:
        """Lets go of the files."""
        self._db.close()

    def _unusable(self, what: str, error: Exception) -> Halt:
        return Halt(
            f"the tally in {self._folder} {what}: {error}. If the disk is not full, remove the folder: "
            "it is rebuilt from nps.responses"
        )


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
