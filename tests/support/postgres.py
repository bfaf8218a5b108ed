"""A real PostgreSQL for tests: the one named in NPS_TEST_POSTGRES, or one started from this machine's binaries."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import asyncpg
import pytest

from infra.local import processes
from infra.local.kafka_broker import free_port
from tests.support.needing import missing

UP_WITHIN_S: Final = 30.0
INSTALLED: Final = Path("/usr/lib/postgresql")

# what is lost with the machine need not be on its disk; deadlocks are looked for at once
OPTIONS: Final = ("fsync=off", "full_page_writes=off", "shared_buffers=16MB", "deadlock_timeout=20ms")


@contextmanager
def running_postgres() -> Iterator[str]:
    """The URL of a server; ends a test where there is none."""
    named = os.environ.get("NPS_TEST_POSTGRES")
    if named:
        yield named
        return
    binaries = _binaries()
    if binaries is None:
        missing("PostgreSQL, installed or named in NPS_TEST_POSTGRES")
    folder = Path(tempfile.mkdtemp(prefix="nps-postgres-"))
    try:
        with _server(binaries, folder) as url:
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _binaries() -> Path | None:
    """The newest server installed here."""
    installed = sorted(INSTALLED.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = shutil.which("initdb")
    if installed or not found:
        return installed[-1].parent if installed else None
    return Path(found).resolve().parent


@contextmanager
def _server(binaries: Path, folder: Path) -> Iterator[str]:
    user = _owner(folder)
    data, port = folder / "data", free_port()
    trusting = ["-U", "nps", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"]
    subprocess.run(
        [f"{binaries}/initdb", "-D", f"{data}", *trusting], check=True, capture_output=True, user=user, cwd=folder
    )
    options = [part for option in OPTIONS for part in ("-c", option)]
    listening = ["-D", f"{data}", "-h", "127.0.0.1", "-p", str(port), "-k", f"{folder}"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [f"{binaries}/postgres", *listening, *options],
            stdout=log,
            stderr=log,
            user=user,
            cwd=folder,
            preexec_fn=processes._die_with_parent,  # noqa: PLW1509 only a system call between fork and exec
        )
    try:
        _await(server, binaries, port, folder / "log")
        yield f"postgresql+asyncpg://nps@127.0.0.1:{port}/postgres"
    finally:
        server.send_signal(signal.SIGQUIT)
        server.wait()


def _owner(folder: Path) -> str | None:
    """Whom the server runs as: itself it refuses to be root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = "postgres" if "postgres" in names else "nobody"
    shutil.chown(folder, user)
    return user


def _await(server: subprocess.Popen[bytes], binaries: Path, port: int, log: Path) -> None:
    deadline = time.monotonic() + UP_WITHIN_S
    ready = [f"{binaries}/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port), "-U", "nps"]
    while subprocess.run(ready, check=False).returncode != 0:
        if server.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"PostgreSQL did not come up: {log.read_text()[-2000:]}")
        time.sleep(0.05)


@asynccontextmanager
async def fresh_database(server: str) -> AsyncIterator[str]:
    """The URL of a database of its own on a server, for as long as the block lasts."""
    name = f"t{secrets.token_hex(6)}"
    connection = await asyncpg.connect(server.replace("+asyncpg", ""))
    try:
        await connection.execute(f"CREATE DATABASE {name}")
        try:
            yield f"{server.rpartition('/')[0]}/{name}"
        finally:
            await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()
