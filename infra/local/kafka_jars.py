"""Kafka's jars: resolved once from Maven Central, pinned by checksum, kept in a cache between projects.

`kafka.lock` has a line a jar, `sha256  name`. Whatever else came down is not started.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Final

KAFKA_VERSION: Final = "4.3.1"
ENDPOINT: Final = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}+org.slf4j:slf4j-simple:1.7.36"


class BadJars(Exception):
    """Kafka could not be fetched, or is not what is pinned."""


def cache_folder() -> Path:
    """Where jars are kept: they are the same for every project of this user."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "nps-loop" / f"kafka-{KAFKA_VERSION}"


def pinned() -> dict[str, str]:
    """SHA-256 of each jar by its name."""
    lines = files("infra.local").joinpath("kafka.lock").read_text().splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def kafka_jars() -> list[Path]:
    """The jars of Kafka's class path, fetched if they are not here yet.

    Raises:
        BadJars: if a jar is missing or differs from what is pinned.
    """
    folder, wanted = cache_folder(), pinned()
    if not folder.is_dir():
        _fetch(folder, wanted)
    jars = [folder / name for name in wanted]
    if not all(jar.is_file() and _digest(jar) == wanted[jar.name] for jar in jars):
        shutil.rmtree(folder)
        raise BadJars(f"{folder} was not as pinned and has been removed: run again to fetch it anew")
    return jars


def resolve() -> dict[str, Path]:
    """Every jar Maven Central names for this version, by name, wherever jgo keeps it."""
    import jgo  # noqa: PLC0415 slow, and needed once in a machine's life

    return {Path(jar).name: Path(jar) for jar in jgo.build(ENDPOINT).all_jars}


def _fetch(folder: Path, wanted: dict[str, str]) -> None:
    try:
        found = resolve()
    except Exception as error:  # jgo lets out whatever its tools raise
        raise BadJars(f"Kafka could not be fetched from Maven Central: {type(error).__name__} {error}") from error
    wrong = sorted(name for name in wanted if name not in found or _digest(found[name]) != wanted[name])
    if wrong or len(found) != len(wanted):
        raise BadJars(f"not as pinned in kafka.lock: {', '.join(wrong or sorted(found.keys() - wanted.keys()))}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=folder.parent))
    for name in wanted:
        shutil.copyfile(found[name], fresh / name)
    try:
        fresh.rename(folder)
    except OSError:
        shutil.rmtree(fresh)  # another process was quicker; its jars are checked next


def _digest(jar: Path) -> str:
    return hashlib.sha256(jar.read_bytes()).hexdigest()


def lock_lines() -> list[str]:
    """The lines of `kafka.lock` for what Maven Central has now."""
    return [f"{_digest(path)}  {name}" for name, path in sorted(resolve().items())]
