"""How many answers intake takes in over HTTP, one by one and in batches, each from a person nobody knew.

single_per_s   answers a second, each a request of its own, on the cores there are, load generator and Kafka included
single_p99_ms  99 of 100 of these requests are answered within so many milliseconds
single_ratio   single_per_s against a bare Starlette route on a plain uvicorn that produces to the same Kafka
batch_per_s    answers a second in batches of 500

Both run as processes of their own. They are measured in turn, several times, and each figure is the median of its
rounds. The load is closed: a connection sends its next request once it has the answer to the last. Who is not accepted
fails the measurement.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import logging
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Final

import uvicorn
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.local.kafka_broker import running_broker
from services.chassis import logs
from services.chassis.clock import SystemClock
from services.chassis.kafka import Kafka
from services.chassis.lifecycle import Assembly, bind, serve, tune_interpreter
from services.console.serving import business_of
from services.intake import commands
from services.intake.api import MOST_IN_BATCH, ONE
from services.intake.app import intake
from services.intake.settings import IntakeSettings

CONNECTIONS: Final = 32
BATCH_CONNECTIONS: Final = 4
ROUNDS: Final = 3
WARMING_S: Final = 2.0
ROUND_S: Final = 8.0
PARTITIONS: Final = 4
BARE: Final = "bare"
ENDS_WITHIN_S: Final = 20
ACCEPTED: Final = 202
MASTER_KEY: Final = base64.b64encode(bytes(32)).decode()


@dataclass
class Load:
    """One round of requests."""

    ends_at: float
    latencies: list[float] = field(default_factory=list)

    def note(self, status: int, seconds: float) -> None:
        """One request that was answered."""
        if status != ACCEPTED:
            raise SystemExit(f"answered with {status}: what is refused is not measured")
        self.latencies.append(seconds)


class _Connection(asyncio.Protocol):
    """Sends one request after the other until the time is up."""

    def __init__(self, load: Load, requests: Iterator[bytes]) -> None:
        self._load = load
        self._requests = requests
        self._received = b""
        self._sent_at = 0.0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator or len(body) < _length(head):
            return
        self._received = b""
        now = time.perf_counter()
        self._load.note(int(head[9:12]), now - self._sent_at)
        if now < self._load.ends_at:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.ended.set_result(None)

    def _send(self) -> None:
        self._sent_at = time.perf_counter()
        self._transport.write(next(self._requests))


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])


async def pour(port: int, requests: Iterator[bytes], seconds: float, connections: int) -> tuple[float, Load]:
    """Sends requests for so long; returns how many a second were answered, and after what time each."""
    begun = time.perf_counter()
    load = Load(begun + seconds)
    loop = asyncio.get_running_loop()
    opened = [
        (await loop.create_connection(lambda: _Connection(load, requests), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(one.ended for one in opened))
    return len(load.latencies) / (time.perf_counter() - begun), load


def _answer(number: int) -> bytes:
    answer = {
        "score": number % 11,
        "channel": "website",
        "customer_id": f"customer-{number}",
        "email": f"person-{number}@example.org",
        "segments": {"country": ("FI", "SE", "CZ", "PL")[number % 4], "plan": ("free", "pro")[number % 2]},
        "comment": "It came a day late, but all of it was there.",
    }
    return json.dumps(answer).encode()


def singles(token: str, numbers: Iterator[int]) -> Iterator[bytes]:
    """Requests with one answer each."""
    for number in numbers:
        yield _request(ONE, token, _answer(number))


def batches(token: str, numbers: Iterator[int]) -> Iterator[bytes]:
    """Requests with as many answers as a batch may hold."""
    while True:
        items = b",".join(_answer(next(numbers)) for _ in range(MOST_IN_BATCH))
        yield _request(f"{ONE}:batch", token, b"[" + items + b"]")


def _request(path: str, token: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: intake\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def measure(rounds: int = ROUNDS, seconds: float = ROUND_S) -> dict[str, float]:
    """All figures, on a broker of their own."""
    with tempfile.TemporaryDirectory(prefix="nps-bench-") as folder, ExitStack() as stack:
        broker = stack.enter_context(running_broker(Path(folder) / "kafka"))
        settings = _settings(broker.bootstrap, Path(folder) / "state")
        _, token = asyncio.run(commands.create_key(settings, SystemClock(), "default", "bench"))
        intake_port = stack.enter_context(_running("intake", settings))
        bare_port = stack.enter_context(_running(BARE, settings))
        numbers = count()
        loads: dict[str, Callable[[float], tuple[float, Load]]] = {
            BARE: lambda s: asyncio.run(pour(bare_port, singles(token, numbers), s, CONNECTIONS)),
            "single": lambda s: asyncio.run(pour(intake_port, singles(token, numbers), s, CONNECTIONS)),
            "batch": lambda s: asyncio.run(pour(intake_port, batches(token, numbers), s, BATCH_CONNECTIONS)),
        }
        for load in loads.values():
            load(WARMING_S)
        found = [{name: load(seconds) for name, load in loads.items()} for _ in range(rounds)]
    return _figures(found)


def _figures(rounds: list[dict[str, tuple[float, Load]]]) -> dict[str, float]:
    per_s = {name: statistics.median(one[name][0] for one in rounds) for name in rounds[0]}
    latencies = sorted(seconds for one in rounds for seconds in one["single"][1].latencies)
    return {
        "single_per_s": round(per_s["single"], 1),
        "single_p99_ms": round(1000 * latencies[int(len(latencies) * 0.99)], 1),
        "single_ratio": round(statistics.median(one["single"][0] / one[BARE][0] for one in rounds), 3),
        "batch_per_s": round(per_s["batch"] * MOST_IN_BATCH, 1),
        "bare_per_s": round(per_s[BARE], 1),
    }


def _settings(bootstrap: str, folder: Path) -> IntakeSettings:
    return IntakeSettings(
        kafka_bootstrap=bootstrap,
        partitions=PARTITIONS,
        instance="bench",
        state_dir=folder,
        http_port=0,
        master_key=MASTER_KEY,
        # counted as always, and never reached
        rate_limit_per_key=1_000_000,
        rate_limit_per_address=1_000_000,
    )


@contextmanager
def _running(what: str, settings: IntakeSettings) -> Iterator[int]:
    """One of the two services in a process of its own; yields its port."""
    command = [sys.executable, "-m", "tests.bench.single", what, settings.kafka_bootstrap, str(settings.state_dir)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(ENDS_WITHIN_S)


async def serve_intake(settings: IntakeSettings) -> None:
    """Intake as its process runs it."""
    async with intake(settings, business_of(settings), SystemClock()) as assembly:
        await _serve(settings, assembly)


async def serve_bare(settings: IntakeSettings) -> None:
    """A route that produces what it is sent and answers once that is acknowledged."""
    producer = Kafka(settings).producer()

    async def take(request: Request) -> Response:
        await producer.send_and_wait(BARE, await request.body())
        return JSONResponse({"status": "accepted"}, ACCEPTED)

    await _make_topic(settings.kafka_bootstrap)
    await producer.start()
    try:
        app = Starlette(routes=[Route(ONE, take, methods=["POST"])])
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none"))
        with bind(settings) as listening:
            _tell_port(listening)
            await server.serve(sockets=[listening])
    finally:
        await producer.stop()


async def _make_topic(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(BARE, PARTITIONS, 1)])
    finally:
        await admin.close()


async def _serve(settings: IntakeSettings, assembly: Assembly) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    with bind(settings) as listening:
        _tell_port(listening)
        await serve(assembly, listening, stop)


def _tell_port(listening: socket.socket) -> None:
    sys.stdout.write(f"{listening.getsockname()[1]}\n")
    sys.stdout.flush()


def main() -> None:
    """Serves what the arguments say, or measures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("serve", nargs="?", choices=("intake", BARE))
    parser.add_argument("bootstrap", nargs="?", default="")
    parser.add_argument("folder", nargs="?", type=Path, default=Path())
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    logs.configure("console", "CRITICAL", "bench")
    if given.serve is None:
        sys.stdout.write(json.dumps(measure()) + "\n")
        return
    tune_interpreter()  # as every service of ours does
    settings = _settings(given.bootstrap, given.folder)
    asyncio.run(serve_intake(settings) if given.serve == "intake" else serve_bare(settings))


if __name__ == "__main__":
    main()
