"""The containers as users run them: `make up`, and the demo against them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from tests.chaos.test_demo import EXACT, demo
from tests.support.containers import need_docker


@pytest.fixture
def up(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Containers and volumes of their own, whatever else runs here."""
    need_docker()
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", "nps-loop-test")
    subprocess.run(["docker", "compose", "down", "--volumes"], capture_output=True, check=False)
    try:
        started = subprocess.run(["make", "up"], capture_output=True, text=True, check=False)
        logs = subprocess.run(
            ["docker", "compose", "logs", "--tail", "20"], capture_output=True, text=True, check=False
        )
        assert started.returncode == 0, started.stderr[-3000:] + logs.stdout[-5000:]
        yield
    finally:
        subprocess.run(["docker", "compose", "down", "--volumes"], capture_output=True, check=False)


@pytest.mark.usefixtures("up")
def test_every_container_is_healthy_and_the_demo_passes_against_them() -> None:
    listed = subprocess.run(["docker", "compose", "ps", "--format", "json"], capture_output=True, text=True, check=True)
    containers = [json.loads(line) for line in listed.stdout.splitlines()]
    assert {container["Health"] for container in containers} == {"healthy"}
    told = demo("--target", "compose")
    assert {name: told[name] for name in EXACT} == EXACT
