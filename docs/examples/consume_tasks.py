"""Prints every task as it stands, and each change from then on: what a CRM's connector begins with."""

import asyncio
import json
import os

from aiokafka import AIOKafkaConsumer


async def main() -> None:
    consumer = AIOKafkaConsumer(
        "nps.tasks",
        bootstrap_servers=os.environ.get("NPS_KAFKA_BOOTSTRAP", "127.0.0.1:9092"),
        auto_offset_reset="earliest",
        isolation_level="read_committed",  # tasks are written in transactions
    )
    await consumer.start()
    try:
        async for record in consumer:
            if record.value is None:
                print("erased", record.key.decode(), flush=True)  # a person was forgotten: delete the task
                continue
            task = json.loads(record.value)
            print(task["task_id"], task["version"], task["status"], task["title"], flush=True)
    finally:
        await consumer.stop()


asyncio.run(main())
