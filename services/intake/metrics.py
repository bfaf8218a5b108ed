"""What intake counts."""

from __future__ import annotations

from typing import Final, Literal

from services.chassis.metrics import ChassisMetric, Definition

IntakeMetric = Literal[
    "nps_submissions_total",
    "nps_answers_unmatched_total",
    "nps_webhook_calls_total",
    "nps_inbound_deleted_total",
    "nps_erasures_total",
    "nps_conversations_total",
    "nps_texts_total",
]

AnyMetric = IntakeMetric | ChassisMetric

INTAKE_METRICS: Final[tuple[Definition[IntakeMetric], ...]] = (
    Definition("nps_submissions_total", "counter", "answers that came in, by way and outcome", ("way", "outcome")),
    Definition("nps_answers_unmatched_total", "counter", "answers of which nobody knows whose they are", ("channel",)),
    Definition("nps_webhook_calls_total", "counter", "calls of providers and CRMs", ("source", "outcome")),
    Definition("nps_inbound_deleted_total", "counter", "raw inbound records deleted after they were in", ("topic",)),
    Definition("nps_erasures_total", "counter", "persons forgotten"),
    Definition("nps_conversations_total", "counter", "conversations by the state they came into", ("medium", "state")),
    Definition("nps_texts_total", "counter", "texts to telephones, by what became of the try", ("outcome",)),
)
