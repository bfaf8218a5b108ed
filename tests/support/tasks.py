"""Builders of requests for tasks and of what CRMs say about them: a test shows only what matters to it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

from schemas.message import effect_id
from schemas.outreach_request import OutreachRequest
from schemas.task_update import TaskUpdate
from tests.support.answers import NOON


def requested(response_id: str = "r", **given: Any) -> OutreachRequest:  # fields of any type, checked by the model
    """A request as routing makes it: a detractor's, due in a day, unless said otherwise."""
    tenant = given.get("tenant", "default")
    fields: dict[str, Any] = {
        "tenant": tenant,
        "response_id": response_id,
        "revision": 1,
        "command": "open",
        "task_id": effect_id(tenant, response_id, "task"),
        "rule": "talk-to-detractors",
        "priority": "high",
        "due_at": NOON + timedelta(hours=24),
        "score": 3,
        "channel": "website",
        "answered_at": NOON,
    }
    return OutreachRequest(**fields | given)


def withdrawn(response_id: str = "r", **given: Any) -> OutreachRequest:  # fields of any type, checked by the model
    """A request that takes a task back: the answer's second decision, unless said otherwise."""
    fields: dict[str, Any] = {"revision": 2, "command": "none", "reason": "retracted"}
    bare = dict.fromkeys(("rule", "due_at", "score", "channel", "answered_at"))
    return requested(response_id, **bare | fields | given)


def said(response_id: str = "r", *, minutes: float = 10, **given: Any) -> TaskUpdate:  # likewise
    """What a CRM said so many minutes after noon."""
    tenant = given.get("tenant", "default")
    fields: dict[str, Any] = {
        "update_id": f"msg_{uuid4()}",
        "tenant": tenant,
        "task_id": effect_id(tenant, response_id, "task"),
        "system": "crm",
        "occurred_at": NOON + timedelta(minutes=minutes),
    }
    return TaskUpdate(**fields | given)
