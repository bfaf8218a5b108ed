"""Fixtures for all tests. A real Kafka, always: one broker a run, a topic prefix of its own for every test."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from infra.local.kafka_broker import running_broker
from services.chassis.settings import ServiceSettings
from tests.support.clocks import ManualClock

# the same cases every time, and no deadline that a busy machine could miss
hypothesis.settings.load_profile("ci")


@pytest.fixture(scope="session")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where Kafka answers: the one named in NPS_TEST_KAFKA, or an embedded one."""
    named = os.environ.get("NPS_TEST_KAFKA")
    if named:
        yield named
        return
    with running_broker(tmp_path_factory.mktemp("kafka")) as broker:
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
