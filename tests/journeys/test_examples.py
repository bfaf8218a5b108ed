"""The examples in docs/examples, run as they stand."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.running_loop import Loop, Tenant, until

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.fixture
def env(loop: Loop) -> dict[str, str]:
    token = loop.told("keys", "create", "--tenant", "default")["key"]
    return {**os.environ, **loop.stack.env, "NPS_API_KEY": token}


@pytest.mark.parametrize(
    ("command", "response_id"),
    [(["sh", "publish_over_http.sh"], "order-4712"), ([sys.executable, "publish_to_kafka.py"], "order-4711")],
    ids=["http", "kafka"],
)
def test_what_is_published_as_shown_goes_through(
    loop: Loop, env: dict[str, str], command: list[str], response_id: str
) -> None:
    loop.nps("topics", "create", "email")
    subprocess.run(command, cwd=EXAMPLES, env=env, check=True, capture_output=True)
    default = Tenant(loop, "default")
    until(lambda: default.steps(response_id), lambda steps: any(where == "nps.decisions" for where, _ in steps))


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
