"""Each service says what it reads and writes, and the catalogue says the same."""

from __future__ import annotations

import importlib
from collections import Counter
from typing import Any, get_args

import pytest

from schemas.topic import Service, Topic
from schemas.topics import CATALOGUE, read_by, written_by
from tests.support.source import ROOT, short

SERVICES: tuple[Service, ...] = tuple(name for name in get_args(Service) if name != "outside")


def _said(service: Service, what: str) -> set[str]:
    topics: tuple[Topic[Any], ...] = getattr(importlib.import_module(f"services.{service}"), what)
    return {topic.name for topic in topics}


@pytest.mark.parametrize("service", SERVICES)
def test_what_a_service_says_it_reads_is_what_the_catalogue_says(service: Service) -> None:
    assert _said(service, "READS") == {topic.name for topic in read_by(service)}


@pytest.mark.parametrize("service", SERVICES)
def test_what_a_service_says_it_writes_is_what_the_catalogue_says(service: Service) -> None:
    assert _said(service, "WRITES") == {topic.name for topic in written_by(service)}


def test_every_topic_has_one_writer() -> None:
    writers = Counter(name for service in SERVICES for name in _said(service, "WRITES"))
    assert writers == {topic.name: 1 for topic in CATALOGUE}


def test_every_topic_is_read_by_somebody() -> None:
    assert [topic.name for topic in CATALOGUE if not topic.readers] == []


def test_no_two_topics_share_a_name_or_a_payload() -> None:
    assert len({topic.name for topic in CATALOGUE}) == len(CATALOGUE)
    assert len({topic.event_type for topic in CATALOGUE}) == len(CATALOGUE)


def test_every_domain_has_unit_tests() -> None:
    untested = [
        short(domain)
        for domain in sorted((ROOT / "services").glob("*/domain.py"))
        if not _is_tested(domain.parent.name)
    ]
    assert untested == []


def _is_tested(service: str) -> bool:
    tests = (ROOT / "tests" / "unit" / service).glob("test_*.py")
    return any(f"services.{service}.domain" in test.read_text() for test in tests)


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_integration_tests(service: Service) -> None:
    assert list((ROOT / "tests" / "integration" / service).glob("test_*.py"))
