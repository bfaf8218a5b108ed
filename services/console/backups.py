"""Saves and brings back what cannot be rebuilt: databases, keyring, secrets. For the embedded stack and its SQLite.

With PostgreSQL the database's own tools do this; the keyring's database and the master key belong together.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import Final

from infra.local.kafka_broker import is_open
from infra.local.stack import ENV_FILE, read_env

SUFFIX: Final = ".sqlite3"
BOOTSTRAP: Final = "NPS_KAFKA_BOOTSTRAP"


class NotPossible(Exception):
    """Why it cannot be done now."""


def is_running(folder: Path) -> bool:
    """Whether the stack of this folder is up: its Kafka answers."""
    _, _, port = read_env(folder / ENV_FILE).get(BOOTSTRAP, "").rpartition(":")
    return port.isdigit() and is_open(int(port))


def save(folder: Path, file: Path) -> list[str]:
    """Writes a backup; databases are copied as of one moment each, also while they are in use.

    Raises:
        NotPossible: if there is no state to save.
    """
    databases = sorted(folder.glob(f"*{SUFFIX}"))
    if not databases:
        raise NotPossible(f"{folder} holds no databases; with PostgreSQL use pg_dump, and keep NPS_MASTER_KEY with it")
    with tempfile.TemporaryDirectory() as scratch, tarfile.open(file, "w:gz") as archive:
        file.chmod(0o600)
        for database in databases:
            copy = Path(scratch) / database.name
            with (
                contextlib.closing(sqlite3.connect(database)) as source,
                contextlib.closing(sqlite3.connect(copy)) as to,
            ):
                source.backup(to)
            archive.add(copy, database.name)
        archive.add(folder / ENV_FILE, ENV_FILE)
    return [*(database.name for database in databases), ENV_FILE]


def load(folder: Path, file: Path) -> list[str]:
    """Brings a backup back in place of what is there.

    Raises:
        NotPossible: if the stack is running, or the file is no backup.
    """
    if is_running(folder):
        raise NotPossible("the stack is running: stop it first")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        names = _unpacked(file, Path(scratch))
        for old in folder.glob(f"*{SUFFIX}*"):
            old.unlink()
        for name in names:
            (Path(scratch) / name).replace(folder / name)
    return names


def _unpacked(file: Path, folder: Path) -> list[str]:
    """Writes the content of a backup to a folder, once all of it is known to be ours."""
    try:
        with tarfile.open(file) as archive:
            members = archive.getmembers()
            names = [member.name for member in members]
            if ENV_FILE not in names or not all(member.isreg() and _is_ours(member.name) for member in members):
                raise NotPossible(f"{file} is no backup of nps-loop")
            for member in members:
                content = archive.extractfile(member)
                assert content is not None  # a regular file
                copy = folder / member.name
                copy.touch(mode=0o600)
                with copy.open("wb") as to:
                    shutil.copyfileobj(content, to)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise NotPossible(f"{file} is no archive that can be read: {error}") from error
    return names


def _is_ours(name: str) -> bool:
    return name == ENV_FILE or (name.endswith(SUFFIX) and name == Path(name).name)
