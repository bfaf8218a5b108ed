"""A disk that is soon full: a small file system of its own where the tests may mount one, else a limit on files."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

SIZE: Final = 2 * 1024 * 1024
ENOUGH: Final = "64m"


@contextmanager
def scarce_disk(folder: Path) -> Iterator[tuple[Path, Callable[[], None]]]:
    """A folder with little room, and what makes more of it."""
    mounted = folder / "small"
    mounted.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(mounted)]
    if os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0:
        try:
            yield mounted, lambda: _remount(mounted)
        finally:
            subprocess.run(["umount", "--lazy", str(mounted)], check=True)
        return
    before, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SIZE, hard))
    try:
        yield mounted, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (before, hard))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, hard))


def _remount(folder: Path) -> None:
    subprocess.run(["mount", "-o", f"remount,size={ENOUGH}", str(folder)], check=True)
