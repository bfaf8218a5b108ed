"""Child processes that never outlive us: each in a group of its own, stopped politely and then not."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final

POLITE_S: Final = 20.0
_PR_SET_PDEATHSIG: Final = 1


def _die_with_parent() -> None:
    """On Linux the kernel kills the child when we go, however we go."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def start(
    command: Sequence[str | Path], *, log: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Starts a program in its own process group, its output into a file."""
    output: int | IO[bytes] = subprocess.DEVNULL
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
        output = log.open("ab")
    try:
        return subprocess.Popen(  # noqa: S603 the commands are ours
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=None if env is None else {**os.environ, **env},
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 only a system call between fork and exec
        )
    finally:
        if not isinstance(output, int):
            output.close()


def send(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Sends a signal to the whole group, if there is anybody left."""
    if process.poll() is None:
        os.killpg(process.pid, number)


def stop(processes: Sequence[subprocess.Popen[bytes]], patience: float = POLITE_S) -> None:
    """SIGTERM to all at once, SIGKILL to who has not gone in time."""
    for process in processes:
        send(process, signal.SIGTERM)
    deadline = time.monotonic() + patience
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            send(process, signal.SIGKILL)
            process.wait()
