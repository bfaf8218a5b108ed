"""What the monitor shows to Prometheus, so that one scrape shows the whole line."""

from __future__ import annotations

from typing import Final, Literal

from services.chassis.metrics import ChassisMetric, Definition

MonitorMetric = Literal[
    "nps_score",
    "nps_group_lag_records",
    "nps_dead_letters_kept",
    "nps_monitor_unreadable_total",
    "nps_monitor_viewers",
]
AnyMetric = ChassisMetric | MonitorMetric

MONITOR_METRICS: Final[tuple[Definition[MonitorMetric], ...]] = (
    Definition("nps_score", "gauge", "NPS of all answers; not a number where there are none", ("tenant", "window")),
    Definition("nps_group_lag_records", "gauge", "records a group has not read, running or not", ("group", "topic")),
    Definition(
        "nps_dead_letters_kept",
        "gauge",
        "records of dead letters kept, all topics together, and of what became of them",
    ),
    Definition("nps_monitor_unreadable_total", "counter", "records the monitor could not read", ("topic",)),
    Definition("nps_monitor_viewers", "gauge", "pages open at the moment"),
)
