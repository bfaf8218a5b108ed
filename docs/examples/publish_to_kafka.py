"""Publishes one answer to its channel's topic, as an app does that has Kafka at hand."""

import asyncio
import json
import os

from aiokafka import AIOKafkaProducer


async def main() -> None:
    producer = AIOKafkaProducer(bootstrap_servers=os.environ.get("NPS_KAFKA_BOOTSTRAP", "127.0.0.1:9092"), acks="all")
    await producer.start()
    try:
        answer = {
            "response_id": "order-4711",  # your own id: sent twice, it is counted once
            "score": 9,
            "email": "you@example.org",
            "comment": "Quick and friendly.",
            "segments": {"country": "FI"},
        }
        await producer.send_and_wait("responses.email", json.dumps(answer).encode())
    finally:
        await producer.stop()


asyncio.run(main())
