"""Containers for tests, by testcontainers: Apache Kafka's own image, and PostgreSQL."""

from __future__ import annotations

import shutil
import subprocess
from typing import Self

from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from infra.local.kafka_broker import free_port
from tests.support.needing import missing

KAFKA_IMAGE = "apache/kafka:4.3.1"
POSTGRES_IMAGE = "postgres:15-bookworm"


def need_docker() -> None:
    """Ends a test on a machine where Docker does not answer."""
    works = (
        shutil.which("docker") and subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0
    )
    if not works:
        missing("Docker")


class ApacheKafkaContainer(DockerContainer):
    """One broker that is its own controller; the port outside is chosen before, since clients are told it."""

    def __init__(self) -> None:
        super().__init__(KAFKA_IMAGE)
        self.port = free_port()
        self.with_bind_ports(self.port, self.port)
        settings = {
            "NODE_ID": "1",
            "PROCESS_ROLES": "broker,controller",
            "CONTROLLER_QUORUM_VOTERS": "1@127.0.0.1:9093",
            "CONTROLLER_LISTENER_NAMES": "CONTROLLER",
            "LISTENERS": f"PLAINTEXT://:{self.port},CONTROLLER://:9093",
            "ADVERTISED_LISTENERS": f"PLAINTEXT://127.0.0.1:{self.port}",
            "LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "AUTO_CREATE_TOPICS_ENABLE": "false",
            "GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
            "OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
            "OFFSETS_TOPIC_NUM_PARTITIONS": "4",
            "TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
            "TRANSACTION_STATE_LOG_MIN_ISR": "1",
            "TRANSACTION_STATE_LOG_NUM_PARTITIONS": "4",
            "SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": "1",
            "HEAP_OPTS": "-Xmx512m",
        }
        for name, value in settings.items():
            self.with_env(f"KAFKA_{name}", value)
        self.waiting_for(LogMessageWaitStrategy("Kafka Server started").with_startup_timeout(90))

    @property
    def bootstrap(self) -> str:
        """Where clients connect."""
        return f"127.0.0.1:{self.port}"


class PostgresContainer(DockerContainer):
    """One server with one superuser; tests make databases of their own."""

    def __init__(self) -> None:
        super().__init__(POSTGRES_IMAGE)
        self.with_env("POSTGRES_USER", "nps").with_env("POSTGRES_PASSWORD", "nps").with_env("POSTGRES_DB", "nps")
        self.with_exposed_ports(5432)

    def start(self) -> Self:
        """Returns once it answers: it starts twice, the first time for itself alone."""
        self.waiting_for(LogMessageWaitStrategy("database system is ready to accept connections", times=2))
        super().start()
        return self

    @property
    def url(self) -> str:
        """The URL of the server's own database."""
        return f"postgresql+asyncpg://nps:nps@127.0.0.1:{self.get_exposed_port(5432)}/nps"
