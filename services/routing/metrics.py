"""What routing counts."""

from __future__ import annotations

from typing import Final, Literal

from services.chassis.metrics import Definition

RoutingMetric = Literal["nps_decisions_total", "nps_routing_ignored_total"]

ROUTING_METRICS: Final[tuple[Definition[RoutingMetric], ...]] = (
    Definition("nps_decisions_total", "counter", "decisions", ("outcome", "action", "reason")),
    Definition("nps_routing_ignored_total", "counter", "revisions that changed nothing", ("cause",)),
)
