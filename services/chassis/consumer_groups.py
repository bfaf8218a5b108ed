"""Who consumes in a group at present, as Kafka knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError, NotCoordinatorForGroupError

from services.chassis.failures import Transient
from services.chassis.kafka import start_client

if TYPE_CHECKING:
    from aiokafka.admin import AIOKafkaAdminClient

    from services.chassis.kafka import Kafka


async def members(admin: AIOKafkaAdminClient, group: str) -> int:
    """How many consume in a group, by its full name. One that was killed counts until its session is over.

    Raises:
        KafkaError: if Kafka does not answer.
    """
    try:
        (response,) = await admin.describe_consumer_groups([group])
    except (GroupCoordinatorNotAvailableError, NotCoordinatorForGroupError):
        return 0  # a cluster on which nobody has ever joined a group
    return sum(len(members) for *_, members in response.groups)


async def members_of(kafka: Kafka, group: str) -> int:
    """The same, of a group by our own name for it.

    Raises:
        Transient: if Kafka does not answer.
    """
    admin = kafka.admin()
    try:
        await start_client(admin)
        return await members(admin, kafka.topic(group))
    except (KafkaError, TimeoutError) as error:
        raise Transient(f"Kafka: {type(error).__name__}") from error
    finally:
        await admin.close()
