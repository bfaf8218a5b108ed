"""Metrics: a closed list in a registry of its own."""

from __future__ import annotations

from typing import Literal

import pytest

from services.chassis.metrics import CHASSIS_METRICS, ChassisMetric, Definition, Metrics

Own = Literal["own_total", "own_rows", "own_seconds"]

OWN: tuple[Definition[Own], ...] = (
    Definition("own_total", "counter", "things done", ("kind",)),
    Definition("own_rows", "gauge", "rows that wait"),
    Definition("own_seconds", "histogram", "time taken"),
)


@pytest.fixture
def metrics() -> Metrics[ChassisMetric | Own]:
    return Metrics(CHASSIS_METRICS, OWN)


def test_what_is_counted_set_and_observed_is_rendered(metrics: Metrics[ChassisMetric | Own]) -> None:
    metrics.count("own_total", 2, kind="a")
    metrics.count("own_total", kind="a")
    metrics.set("own_rows", 7)
    metrics.observe("own_seconds", 0.2)
    lines = metrics.render().decode().splitlines()
    assert 'own_total{kind="a"} 3.0' in lines
    assert "own_rows 7.0" in lines
    assert "own_seconds_count 1.0" in lines
    assert "# HELP own_rows rows that wait" in lines


def test_a_name_that_is_not_in_the_list_does_not_exist(metrics: Metrics[ChassisMetric | Own]) -> None:
    with pytest.raises(KeyError):
        metrics.count("guess_total")  # type: ignore[arg-type]  # what it is about


def test_a_metric_is_used_as_what_it_is(metrics: Metrics[ChassisMetric | Own]) -> None:
    with pytest.raises(AssertionError):
        metrics.set("own_total", 1, kind="a")


def test_labels_are_those_of_the_list(metrics: Metrics[ChassisMetric | Own]) -> None:
    with pytest.raises(ValueError, match="label"):
        metrics.count("own_total", response_id="r-1")


def test_two_processes_in_one_share_nothing() -> None:
    one, other = Metrics(OWN), Metrics(OWN)
    one.set("own_rows", 7)
    assert "own_rows 0.0" in other.render().decode().splitlines()


def test_a_name_stands_in_one_list_alone() -> None:
    with pytest.raises(ValueError, match="Duplicated"):
        Metrics(OWN, OWN)


def test_every_metric_of_the_chassis_has_a_prefix_a_meaning_and_few_labels() -> None:
    for definition in CHASSIS_METRICS:
        assert definition.name.startswith("nps_")
        assert definition.meaning
        assert set(definition.labels) <= {"group", "topic", "outcome", "error", "route", "status"}
        assert definition.name.endswith("_total") == (definition.kind == "counter")
