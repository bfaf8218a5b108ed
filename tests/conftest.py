"""Fixtures for all tests. A real Kafka, always: one broker a run, a topic prefix of its own for every test."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final
from unittest.mock import patch

import hypothesis
import pytest
from xdist.workermanage import WorkerController

from infra.local.kafka_broker import running_broker
from services.chassis.settings import ServiceSettings
from services.console import environment
from tests.support.clocks import ManualClock

# the same cases every time, and no deadline that a busy machine could miss
hypothesis.settings.load_profile("ci")

HEAP_MB: Final = 768
"""The topics of all tests lie side by side, and the 192 MB that a broker has otherwise are full at 4,900 partitions."""
KAFKA: Final = pytest.StashKey[str]()
"""Where the broker is that several workers share."""


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    """Starts one broker before the first of several workers, and tells each of them where it is."""
    run = node.config
    if KAFKA not in run.stash:
        opened = ExitStack()
        run.add_cleanup(opened.close)
        folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="nps-kafka-"))
        run.stash[KAFKA] = opened.enter_context(_kafka(Path(folder)))
    node.workerinput["kafka"] = run.stash[KAFKA]


@pytest.fixture(autouse=True)
def _environment_of_its_own() -> Iterator[None]:
    """What a test adds to the environment ends with it; a stack that `make run` left in this folder is none of its."""
    with patch.dict(os.environ), patch.object(environment, "DEFAULT_FOLDER", Path("no-stack-here")):
        yield


@pytest.fixture(scope="session")
def bootstrap(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where Kafka answers."""
    shared: str | None = getattr(pytestconfig, "workerinput", {}).get("kafka")
    if shared:
        yield shared
        return
    with _kafka(tmp_path_factory.mktemp("kafka")) as own:
        yield own


@contextmanager
def _kafka(folder: Path) -> Iterator[str]:
    """Where Kafka answers: the one named in NPS_TEST_KAFKA, or an embedded one."""
    named = os.environ.get("NPS_TEST_KAFKA")
    if named:
        yield named
        return
    with running_broker(folder, heap_mb=HEAP_MB) as broker:
        yield broker.bootstrap


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def settings(bootstrap: str, tmp_path: Path) -> ServiceSettings:
    """Settings of a service in a world of its own."""
    return ServiceSettings(
        kafka_bootstrap=bootstrap,
        topic_prefix=f"t{secrets.token_hex(4)}.",
        partitions=2,
        instance="test",
        state_dir=tmp_path,
        http_port=0,
    )
