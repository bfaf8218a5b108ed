"""Clients of Kafka: what remains of one that was given up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka.conn import AIOKafkaConnection

from services.chassis.kafka import Kafka, start_client
from services.chassis.settings import ServiceSettings


class Connections:
    """The connections a test has made, and what was asked over them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[AIOKafkaConnection] = []
        self.asked = asyncio.Semaphore(0)
        make, send = AIOKafkaConnection.__init__, AIOKafkaConnection.send

        def making(connection: AIOKafkaConnection, *arguments: Any, **options: Any) -> None:
            make(connection, *arguments, **options)
            self.made.append(connection)

        def sending(connection: AIOKafkaConnection, *arguments: Any, **options: Any) -> Any:
            self.asked.release()
            return send(connection, *arguments, **options)

        monkeypatch.setattr(AIOKafkaConnection, "__init__", making)
        monkeypatch.setattr(AIOKafkaConnection, "send", sending)


@pytest.mark.parametrize("requests", [1, 2])  # the first asks for versions, the second for brokers
@pytest.mark.parametrize(
    "client",
    [Kafka.admin, Kafka.producer, Kafka.reader, lambda kafka: kafka.consumer("group")],
    ids=["admin", "producer", "reader", "consumer"],
)
async def test_a_start_that_is_cancelled_leaves_no_connection_open(
    settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch, client: Callable[[Kafka], Any], requests: int
) -> None:
    connections = Connections(monkeypatch)
    one = client(Kafka(settings))
    starting = asyncio.create_task(start_client(one))
    for _ in range(requests):
        await connections.asked.acquire()
    starting.cancel()
    await asyncio.wait([starting])
    assert starting.cancelled()
    assert connections.made
    assert [connection for connection in connections.made if connection.connected()] == []
