"""Workers of scoring as they are run: processes with a name, a disk and a log, that can be killed, frozen and woken."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from infra.local import processes
from services.scoring.counted import ANSWERS_GROUP
from tests.support.topics import eventually

DEADLINE_S: Final = 60.0


class ScoringWorker:
    """One worker, over all its lives."""

    def __init__(self, name: str, folder: Path, env: dict[str, str]) -> None:
        self.name = name
        self._disk = folder / name
        self._log = folder / f"{name}.log"
        self._env = env | {
            "NPS_INSTANCE": name,
            "NPS_STATE_DIR": str(self._disk),
            "NPS_HTTP_PORT": "0",
            "NPS_LOG_FORMAT": "json",
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._heard = 0
        self._frozen_at: float | None = None
        self.leaves = False
        """Whether it has been asked to stop."""

    def start(self) -> None:
        """Starts it; what it said before is behind it."""
        self.listen()
        command = [sys.executable, "-m", "services.console.serving", "scoring"]
        self._process = processes.start(command, log=self._log, env=self._env)

    def kill(self) -> None:
        """Without a warning."""
        self._send(signal.SIGKILL)
        assert self._process is not None
        self._process.wait(DEADLINE_S)
        self._process = None

    def stop(self) -> None:
        """As an operator does; it ends when it has done what is in hand."""
        self._send(signal.SIGTERM)
        self.leaves = True

    async def stopped(self) -> None:
        """Returns once it has ended, and ended well."""
        assert self._process is not None
        await eventually(lambda: not self.is_alive(), deadline_s=DEADLINE_S)
        assert self._process.returncode == 0, self.last_words()
        self._process, self.leaves = None, False

    def freeze(self) -> None:
        """From here on it does nothing, and does not know."""
        self._send(signal.SIGSTOP)
        self._frozen_at = time.monotonic()

    def wake(self) -> None:
        """It goes on where it was."""
        self.listen()
        self._send(signal.SIGCONT)
        self._frozen_at = None

    def frozen_s(self) -> float:
        """For how long it has been frozen."""
        return time.monotonic() - self._frozen_at if self._frozen_at else 0.0

    def wipe(self) -> None:
        """Takes its disk away."""
        shutil.rmtree(self._disk)

    def listen(self) -> None:
        """From here on counts what it says."""
        self._heard = self._log.stat().st_size if self._log.exists() else 0

    def said(self, event: str) -> list[dict[str, Any]]:
        """Its lines about one event since it was started or woken, or was listened to."""
        with self._log.open("rb") as file:
            file.seek(self._heard)
            lines = [json.loads(line) for line in file if line.startswith(b"{")]
        return [line for line in lines if line["event"] == event]

    def takes(self) -> set[int]:
        """Partitions of answers it has taken."""
        return {line["partition"] for line in self.said("partition.taken") if line["group"].startswith(ANSWERS_GROUP)}

    async def at_work(self) -> None:
        """Returns once it counts something, or has learned that what it counted is counted by others."""
        await eventually(lambda: self.takes() or self.refusals() or not self.is_alive(), deadline_s=DEADLINE_S)
        assert self.is_alive(), self.last_words()

    def refusals(self) -> int:
        """How often Kafka refused what it would have published, since others do that now."""
        return len(self.said("fence.lost"))

    @property
    def runs(self) -> bool:
        """Whether it is there and about its work."""
        return self._process is not None and not self.leaves and not self._frozen_at

    def is_alive(self) -> bool:
        """Whether it is there, be it frozen."""
        return self._process is not None and self._process.poll() is None

    def ended_by_itself(self) -> bool:
        """Whether it is not there and nobody has ended it."""
        return self._process is not None and not self.is_alive()

    def end(self) -> None:
        """Ends it, whatever it is at."""
        if self._process is not None:
            processes.send(self._process, signal.SIGKILL)
            self._process.wait(DEADLINE_S)

    def last_words(self) -> str:
        """What it said last."""
        return self._log.read_text()[-2000:]

    def _send(self, number: signal.Signals) -> None:
        assert self._process is not None
        assert self._process.poll() is None, f"{self.name} ended by itself: {self.last_words()}"
        processes.send(self._process, number)
