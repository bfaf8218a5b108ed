"""What Prometheus and Grafana are told holds: metrics exist, alerts lead to a page of the runbook."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from services.chassis.metrics import CHASSIS_METRICS
from services.delivery.metrics import DELIVERY_METRICS
from services.intake.metrics import INTAKE_METRICS
from services.monitor.metrics import MONITOR_METRICS
from services.outreach.metrics import OUTREACH_METRICS
from services.routing.metrics import ROUTING_METRICS
from services.scoring.metrics import SCORING_METRICS
from tests.support.needing import program

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "infra" / "prometheus" / "alerts.yml"
DASHBOARD = ROOT / "infra" / "grafana" / "dashboards" / "nps-loop.json"
OWN = (INTAKE_METRICS, SCORING_METRICS, ROUTING_METRICS, DELIVERY_METRICS, OUTREACH_METRICS, MONITOR_METRICS)


def names() -> list[str]:
    return [definition.name for table in (CHASSIS_METRICS, *OWN) for definition in table]


def test_a_metric_has_one_owner() -> None:
    assert sorted(names()) == sorted(set(names()))


@pytest.mark.parametrize("path", [ALERTS, DASHBOARD], ids=lambda path: path.name)
def test_every_metric_that_is_named_exists(path: Path) -> None:
    named = set(re.findall(r"\bnps_\w+", path.read_text()))
    assert named
    assert named <= set(names())


def test_the_runbook_has_what_alerts_point_to() -> None:
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line[3:].lower()).replace(" ", "-")
        for line in (ROOT / "docs" / "runbook.md").read_text().splitlines()
        if line.startswith("## ")
    }
    assert set(re.findall(r"docs/runbook\.md#(\S+)", ALERTS.read_text())) <= headings


def test_prometheus_takes_the_rules() -> None:
    promtool = program("promtool")
    done = subprocess.run([promtool, "check", "rules", str(ALERTS)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
