"""Saves and brings back what cannot be rebuilt: databases, keyring, secrets; of a stack that stands still its topics.

For the embedded stack and its SQLite. With PostgreSQL the database's own tools do this; the keyring's database and the
master key belong together.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tarfile
import tempfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Final

from infra.local.stack import ENV_FILE, KAFKA_FOLDER, is_running, read_env, write_env
from services.console.environment import STATE_DIR

SUFFIX: Final = ".sqlite3"


class NotPossible(Exception):
    """Why it cannot be done now."""


def save(folder: Path, file: Path) -> list[str]:
    """Writes a backup; databases are copied as of one moment each, also while they are in use.

    Topics are in it if the stack stands still: of a running Kafka no copy of its files is sound.

    Raises:
        NotPossible: if there is no state to save.
    """
    databases = sorted(folder.glob(f"*{SUFFIX}"))
    if not databases:
        raise NotPossible(f"{folder} holds no databases; with PostgreSQL use pg_dump, and keep NPS_MASTER_KEY with it")
    parts = [*(database.name for database in databases), ENV_FILE]
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
        if (folder / KAFKA_FOLDER).is_dir() and not is_running(folder):
            archive.add(folder / KAFKA_FOLDER, KAFKA_FOLDER)
            parts.append(KAFKA_FOLDER)
    return parts


def load(folder: Path, file: Path) -> list[str]:
    """Brings a backup back in place of what is there.

    Raises:
        NotPossible: if the stack is running, or the file is no backup.
    """
    if is_running(folder):
        raise NotPossible("the stack is running: stop it first")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        _unpack(file, Path(scratch))
        parts = sorted(path.name for path in Path(scratch).iterdir())
        for old in folder.glob(f"*{SUFFIX}*"):
            old.unlink()
        if KAFKA_FOLDER in parts:
            shutil.rmtree(folder / KAFKA_FOLDER, ignore_errors=True)
        for part in parts:
            (Path(scratch) / part).replace(folder / part)
    write_env(folder / ENV_FILE, read_env(folder / ENV_FILE) | {STATE_DIR: str(folder.absolute())})
    return parts


def _unpack(file: Path, folder: Path) -> None:
    """Writes the content of a backup to a folder, once all of it is known to be ours."""
    try:
        with tarfile.open(file) as archive:
            members = [member for member in archive.getmembers() if not member.isdir()]
            names = [PurePosixPath(member.name) for member in members]
            if PurePosixPath(ENV_FILE) not in names or not all(map(_is_ours, names)):
                raise NotPossible(f"{file} is no backup of nps-loop")
            for member, name in zip(members, names, strict=True):
                content = archive.extractfile(member) if member.isreg() else None
                if content is None:
                    raise NotPossible(f"{file} is no backup of nps-loop: {name} is no file")
                copy = folder / name
                copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                copy.touch(mode=0o600)
                with copy.open("wb") as to:
                    shutil.copyfileobj(content, to)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise NotPossible(f"{file} is no archive that can be read: {error}") from error


def _is_ours(name: PurePosixPath) -> bool:
    if len(name.parts) == 1:
        return name.name == ENV_FILE or name.suffix == SUFFIX
    return name.parts[0] == KAFKA_FOLDER and ".." not in name.parts
