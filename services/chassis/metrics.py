"""Prometheus metrics from closed lists: a name that is not in its list does not type-check, and does not exist.

Labels have few values: never an id, never an address.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Generic, Literal, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

M_contra = TypeVar("M_contra", bound=str, contravariant=True)
N_co = TypeVar("N_co", bound=str, covariant=True)

ChassisMetric = Literal[
    "nps_records_total",
    "nps_dead_letters_total",
    "nps_records_missed_total",
    "nps_partition_paused",
    "nps_partition_broken",
    "nps_batch_seconds",
    "nps_consumer_lag_records",
    "nps_published_total",
    "nps_outbox_rows",
    "nps_http_requests_total",
]


@dataclass(frozen=True, slots=True)
class Definition(Generic[N_co]):
    """One metric: its name, what it means and its labels."""

    name: N_co
    kind: Literal["counter", "gauge", "histogram"]
    meaning: str
    labels: tuple[str, ...] = ()


CHASSIS_METRICS: Final[tuple[Definition[ChassisMetric], ...]] = (
    Definition("nps_records_total", "counter", "records a consumer has finished with", ("group", "topic", "outcome")),
    Definition("nps_dead_letters_total", "counter", "records that became dead letters", ("group", "topic", "error")),
    Definition("nps_records_missed_total", "counter", "inbound records gone before they were read", ("group", "topic")),
    Definition("nps_partition_paused", "gauge", "partitions that wait for a dependency", ("group", "topic")),
    Definition(
        "nps_partition_broken", "gauge", "partitions stopped, half of their records being dead", ("group", "topic")
    ),
    Definition("nps_batch_seconds", "histogram", "time from fetched to durable, a batch", ("group",)),
    Definition("nps_consumer_lag_records", "gauge", "records not yet read", ("group", "topic")),
    Definition("nps_published_total", "counter", "records acknowledged by Kafka", ("topic",)),
    Definition("nps_outbox_rows", "gauge", "rows that wait to be published"),
    Definition("nps_http_requests_total", "counter", "HTTP requests answered", ("route", "status")),
)

_KINDS: Final = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}


class Metrics(Generic[M_contra]):
    """The metrics of one process, in a registry of their own."""

    def __init__(self, *definitions: Iterable[Definition[M_contra]]) -> None:
        self._registry = CollectorRegistry()
        self._metrics: dict[str, Counter | Gauge | Histogram] = {
            definition.name: _KINDS[definition.kind](
                definition.name, definition.meaning, definition.labels, registry=self._registry
            )
            for table in definitions
            for definition in table
        }
        # labels have few values, so these are few; to look one up takes a tenth of what the library takes
        self._found: dict[tuple[str, tuple[tuple[str, str], ...]], Counter | Gauge | Histogram] = {}

    def count(self, name: M_contra, by: float = 1, **labels: str) -> None:
        """Adds to a counter."""
        metric = self._labelled(name, labels)
        assert isinstance(metric, Counter), name
        metric.inc(by)

    def set(self, name: M_contra, value: float, **labels: str) -> None:
        """Sets a gauge."""
        metric = self._labelled(name, labels)
        assert isinstance(metric, Gauge), name
        metric.set(value)

    def observe(self, name: M_contra, value: float, **labels: str) -> None:
        """Adds an observation to a histogram."""
        metric = self._labelled(name, labels)
        assert isinstance(metric, Histogram), name
        metric.observe(value)

    def render(self) -> bytes:
        """The text Prometheus scrapes."""
        return generate_latest(self._registry)

    def _labelled(self, name: str, labels: dict[str, str]) -> Counter | Gauge | Histogram:
        place = name, tuple(labels.items())
        found = self._found.get(place)
        if found is None:
            metric = self._metrics[name]
            found = self._found[place] = metric.labels(**labels) if labels else metric
        return found
