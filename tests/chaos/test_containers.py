"""The integration tests once more, on Apache Kafka's own image and on PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.containers import ApacheKafkaContainer, PostgresContainer, need_docker

WORKERS = ("--numprocesses", "4", "--dist", "worksteal")


@pytest.fixture
def servers() -> Iterator[dict[str, str]]:
    need_docker()
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
    with ApacheKafkaContainer() as kafka, PostgresContainer() as postgres:
        yield {"NPS_TEST_KAFKA": kafka.bootstrap, "NPS_TEST_POSTGRES": postgres.url, "NPS_TEST_SQL": "postgresql"}


def test_the_integration_tests_pass_on_containers(servers: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *WORKERS, "-m", "not sqlite", "tests/integration"],
        env=os.environ | servers,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
