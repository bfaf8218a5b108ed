"""What outreach counts."""

from __future__ import annotations

from typing import Final, Literal

from services.chassis.metrics import Definition

OutreachMetric = Literal[
    "nps_tasks_open", "nps_tasks_overdue", "nps_tasks_held", "nps_task_requests_total", "nps_task_updates_total"
]

OUTREACH_METRICS: Final[tuple[Definition[OutreachMetric], ...]] = (
    Definition("nps_tasks_open", "gauge", "tasks that are not closed", ("priority",)),
    Definition("nps_tasks_overdue", "gauge", "of these, tasks that are past their due time", ("priority",)),
    Definition("nps_tasks_held", "gauge", "tasks that CRMs have not been told of as they stand"),
    Definition("nps_task_requests_total", "counter", "requests, by what they led to", ("outcome",)),
    Definition("nps_task_updates_total", "counter", "words of CRMs, by what they led to", ("outcome",)),
)
