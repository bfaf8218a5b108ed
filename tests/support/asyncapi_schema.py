"""The JSON Schema of AsyncAPI 3.0 as its makers publish it: one pinned npm package, fetched once into the cache."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any, Final

from tests.support.needing import program

PACKAGE: Final = "@asyncapi/specs@6.11.1"
SHA256: Final = "01af8744dc33c0c7eb2e908f6a955319ee58b70ecadc9387d1aeb16c0cd28928"
MEMBER: Final = "package/schemas/3.0.0-without-$id.json"


def asyncapi_schema() -> dict[str, Any]:  # JSON of any shape
    """The schema; the first time, npm fetches it."""
    cached = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "nps-loop" / f"asyncapi-{SHA256[:12]}.tgz"
    if not cached.is_file():
        _fetch(program("npm"), cached)
    assert hashlib.sha256(cached.read_bytes()).hexdigest() == SHA256, f"{cached} is not what is pinned: remove it"
    with tarfile.open(cached) as archive:
        member = archive.extractfile(MEMBER)
        assert member is not None
        schema: dict[str, Any] = json.load(member)
        return schema


def _fetch(npm: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        subprocess.run([npm, "pack", PACKAGE, "--silent"], cwd=folder, check=True, capture_output=True, timeout=120)
        (fetched,) = Path(folder).glob("*.tgz")
        fetched.rename(target)
