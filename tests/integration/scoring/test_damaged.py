"""A worker whose state is damaged, as a process."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

from services.chassis.settings import PREFIX
from services.scoring.settings import ScoringSettings
from tests.integration.scoring.conftest import World
from tests.support.answers import answered
from tests.support.hosting import hosted
from tests.support.source import ROOT


def run(settings: ScoringSettings) -> subprocess.CompletedProcess[str]:
    """Runs scoring until it stops by itself."""
    own = {
        "KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "TOPIC_PREFIX": settings.topic_prefix,
        "PARTITIONS": "2",
        "STATE_DIR": str(settings.state_dir),
        "INSTANCE": settings.instance,
        "HTTP_PORT": "0",
    }
    return subprocess.run(
        [sys.executable, "-m", "services.console.serving", "scoring"],
        env=os.environ | {PREFIX + name: value for name, value in own.items()},
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=60,
    )


async def test_a_worker_whose_state_is_damaged_ends_with_one_line_that_names_the_folder(world: World) -> None:
    await world.publish(*(answered(9) for _ in range(20)))
    async with hosted(world.scoring()):
        await world.score(20)
    folders = [world.settings.state_dir / "tally" / "g1" / number for number in ("0", "1")]
    for folder in folders:
        (folder / "CURRENT").write_text("damaged")
    done = await asyncio.to_thread(run, world.settings)
    assert done.returncode == 4
    (said,) = [line for line in (done.stdout + done.stderr).splitlines() if "service.halted" in line]
    assert any(f"the tally in {folder} cannot be opened" in said for folder in folders)
    assert "Remove the folder and start again" in said
