"""What scoring counts."""

from __future__ import annotations

from typing import Final, Literal

from services.chassis.metrics import ChassisMetric, Definition

ScoringMetric = Literal[
    "nps_answers_counted_total",
    "nps_answers_ignored_total",
    "nps_tallies_waiting",
    "nps_scores_published_total",
    "nps_score_as_of_seconds",
    "nps_alerts_open",
]

AnyMetric = ScoringMetric | ChassisMetric

SCORING_METRICS: Final[tuple[Definition[ScoringMetric], ...]] = (
    Definition("nps_answers_counted_total", "counter", "revisions that the tally took in"),
    Definition("nps_answers_ignored_total", "counter", "revisions that changed no count", ("cause",)),
    Definition("nps_tallies_waiting", "gauge", "cells that are not yet published"),
    Definition("nps_scores_published_total", "counter", "scores published"),
    Definition("nps_score_as_of_seconds", "gauge", "Unix time up to which a score counts", ("tenant", "window")),
    Definition("nps_alerts_open", "gauge", "alerts about the score that are open", ("tenant", "rule")),
)
