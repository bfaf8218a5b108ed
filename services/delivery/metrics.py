"""What delivery counts."""

from __future__ import annotations

from typing import Final, Literal

from services.chassis.metrics import Definition

DeliveryMetric = Literal[
    "nps_delivery_changes_total",
    "nps_delivery_ignored_total",
    "nps_delivery_open",
    "nps_delivery_unknown",
    "nps_mail_requests_total",
    "nps_mail_request_seconds",
    "nps_mail_braked",
]

DELIVERY_METRICS: Final[tuple[Definition[DeliveryMetric], ...]] = (
    Definition("nps_delivery_changes_total", "counter", "changes in how mails stand", ("state", "reason")),
    Definition(
        "nps_delivery_ignored_total",
        "counter",
        "commands, answers and events that changed nothing",
        ("source", "cause"),
    ),
    Definition("nps_delivery_open", "gauge", "mails that have not ended, and unknown ones", ("state",)),
    Definition("nps_delivery_unknown", "gauge", "mails held: unknown for 15 minutes, and no event has settled them"),
    Definition("nps_mail_requests_total", "counter", "tries to send, by how they ended", ("provider", "outcome")),
    Definition("nps_mail_request_seconds", "histogram", "time a try took", ("provider",)),
    Definition("nps_mail_braked", "gauge", "1 while nothing may be sent: a quota is used up or the provider is down"),
)
