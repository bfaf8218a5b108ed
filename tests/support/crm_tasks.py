"""Builds tasks as outreach publishes them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from schemas.message import effect_id
from schemas.task import Customer, Task
from tests.support.answers import NOON


def task(response_id: str = "r", **given: Any) -> Task:  # fields of any type, checked by the model
    """A detractor's task, open and due in a day, unless said otherwise."""
    tenant = given.get("tenant", "default")
    fields: dict[str, Any] = {
        "task_id": effect_id(tenant, response_id, "task"),
        "tenant": tenant,
        "response_id": response_id,
        "version": 1,
        "revision": 1,
        "title": "Detractor 3/10: call back within 24 h",
        "status": "open",
        "priority": "high",
        "kind": "call",
        "due_at": NOON + timedelta(hours=24),
        "customer": Customer(name="Olga"),
        "created_at": NOON,
        "updated_at": NOON,
    }
    return Task(**fields | given)
