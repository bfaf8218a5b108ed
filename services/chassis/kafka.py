"""Connections to Kafka, made in one place: security, prefix, and the settings that keep promises.

Producers are idempotent and wait for all replicas. Consumers read committed records alone, never commit by themselves,
and are static members of their group: a replica that comes back within the session keeps its partitions.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import KafkaError, NodeNotReadyError
from aiokafka.protocol.metadata import MetadataRequest

from schemas.topic import RESPONSES_NAME
from services.chassis.failures import Transient

if TYPE_CHECKING:
    from services.chassis.settings import ServiceSettings

SESSION_MS: Final = 10_000
HEARTBEAT_MS: Final = 2_000
MAX_REQUEST_BYTES: Final = 4 * 1024 * 1024
METADATA_MS: Final = 5_000
LINGER_MS: Final = 2
# of one partition in one request; aiokafka sends no second before the first is acknowledged
BATCH_BYTES: Final = 1_000_000
# while a fetch waits for partitions where nothing comes, aiokafka sends no other: it holds up those where much does,
# and whatever a reader is assigned next
FETCH_WAIT_MS: Final = 50
START_ENDS_WITHIN_S: Final = 5.0
CONSUMER_PARTITION_BYTES: Final = 1024 * 1024
READER_PARTITION_BYTES: Final = 1024 * 1024
# of all partitions together, so that what is held in advance does not grow with their number
FETCH_BYTES: Final = 16 * 1024 * 1024


FORMER: Final = "former:"
"""Before the name of a topic that answers were copied from; no topic can be called so."""


class Kafka:
    """How to reach one cluster. Opens nothing by itself."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.prefix: Final = settings.topic_prefix
        self.responses: Final = settings.responses_topic
        self.instance: Final = settings.instance
        self.connection: Final[dict[str, Any]] = _connection(settings)  # keyword arguments of aiokafka's clients

    def topic(self, name: str) -> str:
        """The full name of a topic or group on this cluster."""
        return self.prefix + self.name_here(name)

    def short(self, full_name: str) -> str:
        """The name in the catalogue of a topic on this cluster; the inverse of `topic`."""
        name = full_name.removeprefix(self.prefix)
        if name == self.responses:
            return RESPONSES_NAME
        return FORMER + name if name == RESPONSES_NAME else name

    def name_here(self, name: str) -> str:
        """What a topic of the catalogue is called on this cluster, but for the prefix: answers may have been copied."""
        return self.responses if name == RESPONSES_NAME else name.removeprefix(FORMER)

    def is_copied(self, name: str) -> bool:
        """Whether a topic of the catalogue lies elsewhere than where it was made at first."""
        return self.name_here(name) != name

    def producer(self, *, transactional_id: str | None = None, linger_ms: int = LINGER_MS) -> AIOKafkaProducer:
        """A producer whose acknowledged records are durable; fenced if it has a transactional id."""
        return AIOKafkaProducer(
            **self.connection,
            acks="all",
            enable_idempotence=True,
            transactional_id=transactional_id and self.topic(transactional_id),
            linger_ms=linger_ms,
            max_batch_size=BATCH_BYTES,
            max_request_size=MAX_REQUEST_BYTES,
        )

    def consumer(
        self,
        group: str,
        *,
        reset: str = "none",
        max_poll_records: int = 500,
        partition_bytes: int = CONSUMER_PARTITION_BYTES,
    ) -> AIOKafkaConsumer:
        """A member of a group. Seek before reading: with `reset` none there is no other way to start.

        It fetches up to `partition_bytes` of a partition at a time.
        """
        return AIOKafkaConsumer(
            **self.connection,
            group_id=self.topic(group),
            group_instance_id=f"{self.topic(group)}-{self._member()}",
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
            metadata_max_age_ms=METADATA_MS,
            partition_assignment_strategy=(StickyPartitionAssignor,),
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset=reset,
            max_poll_records=max_poll_records,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            max_partition_fetch_bytes=partition_bytes,
            fetch_max_bytes=FETCH_BYTES,
        )

    def _member(self) -> str:
        """Other topics, other members: one that comes back within its session is given the partitions it had."""
        return f"{self.instance}-{self.responses}" if self.is_copied(RESPONSES_NAME) else self.instance

    def reader(
        self,
        *,
        reset: str = "earliest",
        max_poll_records: int = 2000,
        partition_bytes: int = READER_PARTITION_BYTES,
        uncommitted: bool = False,
    ) -> AIOKafkaConsumer:
        """A consumer without a group, for reading topics as they stand. Assign it.

        It holds up to `partition_bytes` of each partition in advance. `uncommitted` has it see where a partition ends
        with whatever a transaction that is still open has written.
        """
        return AIOKafkaConsumer(
            **self.connection,
            group_id=None,
            isolation_level="read_uncommitted" if uncommitted else "read_committed",
            enable_auto_commit=False,
            auto_offset_reset=reset,
            max_poll_records=max_poll_records,
            metadata_max_age_ms=METADATA_MS,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            max_partition_fetch_bytes=partition_bytes,
        )

    def admin(self) -> AIOKafkaAdminClient:
        """A client for making and describing topics."""
        return AIOKafkaAdminClient(**self.connection)

    async def probe(self, producer: AIOKafkaProducer) -> None:
        """Whether a broker answers.

        Raises:
            Transient: if none does.
        """
        try:
            await partitions_of(producer, ())
        except KafkaError as error:
            raise Transient(f"Kafka does not answer: {type(error).__name__}") from error


async def start_client(client: AIOKafkaConsumer | AIOKafkaProducer | AIOKafkaAdminClient) -> None:
    """Starts a client, or closes it. Who is cancelled meanwhile waits for it: aiokafka would leave a connection open.

    Raises:
        KafkaError: if no broker answers.
    """
    starting = asyncio.ensure_future(client.start())
    try:
        await asyncio.shield(starting)
    except BaseException:
        await asyncio.wait([starting], timeout=START_ENDS_WITHIN_S)
        if starting.done() and not starting.cancelled():
            starting.exception()  # nobody is left to be told
        else:
            starting.cancel()
        await (client.close() if isinstance(client, AIOKafkaAdminClient) else client.stop())
        raise


async def partitions_of(
    client: AIOKafkaConsumer | AIOKafkaProducer | AIOKafkaAdminClient, topics: Iterable[str]
) -> dict[str, list[int]]:
    """The partitions of each topic that exists, by its full name, as they are at this moment.

    Asks for these topics alone, and makes none by asking: the clients' own calls hear of every topic on the cluster, of
    which there may be thousands, or keep a copy that is stale.

    Raises:
        KafkaError: if no broker answers.
    """
    connections = client.client if isinstance(client, AIOKafkaProducer) else client._client  # noqa: SLF001 see above
    request = MetadataRequest(list(topics), allow_auto_topic_creation=False)
    brokers = [broker.nodeId for broker in connections.cluster.brokers()]
    failure: KafkaError = NodeNotReadyError()
    for broker in random.sample(brokers, len(brokers)):
        try:
            answer = (await connections.send(broker, request)).to_object()
        except KafkaError as error:
            failure = error
            continue
        return {
            item["topic"]: sorted(partition["partition"] for partition in item["partitions"])
            for item in answer["topics"]
            if not item["error_code"]
        }
    raise failure


def _connection(settings: ServiceSettings) -> dict[str, Any]:
    protocol = settings.kafka_security_protocol
    connection: dict[str, Any] = {"bootstrap_servers": settings.kafka_bootstrap, "security_protocol": protocol}
    if protocol.endswith("SSL"):
        context = ssl.create_default_context(cafile=settings.kafka_ca_file and str(settings.kafka_ca_file))
        if settings.kafka_cert_file:
            context.load_cert_chain(settings.kafka_cert_file, settings.kafka_key_file)
        connection["ssl_context"] = context
    if protocol.startswith("SASL"):
        assert settings.kafka_password is not None  # the settings' own check
        connection |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_username,
            "sasl_plain_password": settings.kafka_password.get_secret_value(),
        }
    return connection
