"""Playbooks tried before they decide, as the `nps` command does it, on a real Kafka."""

from __future__ import annotations

import asyncio
import csv
import json
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from schemas.response import Response
from schemas.topics import RESPONSES
from services.chassis.clock import SystemClock
from services.chassis.frame import open_frame
from services.chassis.keyring import open_keyring
from services.chassis.metrics import CHASSIS_METRICS, Metrics
from services.chassis.records import Cause, outgoing
from services.chassis.sql import open_database
from services.chassis.sql_service import database_url, wanted_topics
from services.console.main import app
from services.routing import READS, WRITES
from services.routing.domain import Standing
from services.routing.settings import RoutingSettings
from services.routing.sql_standings import save
from tests.integration.conftest import MASTER_KEY
from tests.support.answers import answered
from tests.support.sealing import sealed

THEN = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=5)
CANDIDATE = """
name: spring
rules:
  - {name: talk, when: answer.score <= 3, action: outreach}
  - {name: thank, when: answer.band == "promoter", action: perk, template: perk, invites: refer, cost: 5}
  - {name: rest, when: 'true', action: none}
policy:
  quiet_hours: null
  caps:
    - {kind: mail, at_most: 1, within: P7D}
    - {kind: task, at_most: 1, within: P7D}
"""


@pytest.fixture(autouse=True)
def environment(bootstrap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "KAFKA_BOOTSTRAP": bootstrap,
        "TOPIC_PREFIX": f"t{secrets.token_hex(4)}.",
        "PARTITIONS": "2",
        "STATE_DIR": str(tmp_path / "state"),
        "MASTER_KEY": MASTER_KEY,
    }.items():
        monkeypatch.setenv(f"NPS_{name}", value)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spring.yaml").write_text(CANDIDATE)
    nps("topics", "create")


def nps(*arguments: str, expect: int = 0, typed: str | None = None) -> Result:
    result = CliRunner().invoke(app, arguments, input=typed)
    assert result.exit_code == expect, f"{result.output}{result.stderr}"
    return result


def at(minutes: float, score: int, name: str, **given: Any) -> Response:
    moment = THEN + timedelta(minutes=minutes)
    return answered(score, response_id=name, answered_at=moment, received_at=moment, **given)


def publish(answers: Sequence[tuple[Response, dict[str, str]]]) -> None:
    """Answers and who gave them."""

    async def work() -> None:
        settings, clock = RoutingSettings(), SystemClock()
        topics = wanted_topics(READS, WRITES, settings.partitions)
        async with (
            open_keyring(settings, clock) as keyring,
            open_frame("test", settings, clock, Metrics(CHASSIS_METRICS), topics) as frame,
        ):
            records = [await sealed(keyring, answer, **who) for answer, who in answers]
            cause = Cause("intake", clock.now())
            await frame.publisher.publish(
                [outgoing(RESPONSES, one, f"{one.response_id}/{one.revision}", cause) for one in records]
            )

    asyncio.run(work())


def simulated(*options: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(nps("playbook", "simulate", "spring.yaml", "--json", *options).stdout)
    return found


def rows(found: dict[str, Any], of: str) -> dict[tuple[str | None, str], tuple[int, int]]:
    return {(one["rule"], one["what"]): (one["today"], one["candidate"]) for one in found[of]}


def test_answers_are_decided_about_by_both_playbooks_and_nothing_is_written(tmp_path: Path) -> None:
    ada, bob = {"customer_id": "ada", "email": "ada@example.org"}, {"email": "bob@example.org"}
    publish(
        [
            (at(0, 9, "r-0"), ada),
            (at(1, 5, "r-1"), bob),
            (at(2, 2, "r-2"), {"email": "cy@example.org"}),
            (at(3, 2, "r-2", revision=2, op="updated", digest="1" * 32), {"email": "cy@example.org"}),
            (at(4, 9, "r-3"), {"email": "ada@example.org"}),  # the same person by another name: capped
            (at(5, 10, "r-4"), {"phone": "+358401234567"}),
            (at(6, 9, "r-5", test=True), bob),
            (at(-60 * 24 * 40, 9, "long ago"), {"email": "dan@example.org"}),
        ]
    )
    found = simulated("--csv", "changed.csv")
    assert (found["answers"], found["changed"]) == (6, 2)
    assert rows(found, "rules") == {
        ("thank-promoters", "perk"): (1, 0),
        ("thank", "perk"): (0, 1),
        ("talk-to-detractors", "outreach"): (2, 0),
        ("talk", "outreach"): (0, 1),
        ("rest", "none"): (0, 1),
    }
    assert rows(found, "suppressed") == {(None, "cap"): (1, 1), (None, "no_address"): (1, 1), (None, "test"): (1, 1)}
    assert (found["today"]["tasks"], found["candidate"]["tasks"]) == (2, 1)
    assert (found["candidate"]["mails"], found["candidate"]["cost"]) == (1, 5.0)
    with (tmp_path / "changed.csv").open() as file:
        changed = {row["response_id"]: row for row in csv.DictReader(file)}
    assert set(changed) == {"r-1", "r-2"}  # the task of the other is less urgent
    assert (changed["r-1"]["today"], changed["r-1"]["candidate"]) == ("outreach", "none")
    assert {one["response_id"] for one in found["examples"]} == {"r-1", "r-2"}
    assert "example.org" not in json.dumps(found)


def test_the_result_is_shown_as_tables() -> None:
    publish([(at(0, 5, "r-1"), {"email": "bob@example.org"})])
    told = nps("playbook", "simulate", "spring.yaml").stdout
    assert "1 answers of default" in told
    assert "talk-to-detractors: outreach" in told
    assert "outreach by talk-to-detractors" in told


def test_who_was_contacted_before_is_remembered_and_answers_from_before_are_left_out() -> None:
    ada = {"email": "ada@example.org"}
    before = at(-60 * 24 * 2, 9, "before")

    async def contacted() -> None:
        settings, clock = RoutingSettings(), SystemClock()
        async with open_keyring(settings, clock) as keyring:
            known = await sealed(keyring, before, **ada)
        at = known.received_at
        perk = Standing("default", "before", 1, known.digest, 1, answer=known, subject=known.subject, mail="perk")
        async with (
            open_database(database_url(settings, "routing")) as database,
            database.begin() as transaction,
        ):
            await save(transaction, [perk._replace(received_at=at, mail_at=at, mail_gone=True)])

    since = (THEN - timedelta(days=1)).isoformat()
    publish([(at(0, 9, "r-1"), ada), (at(1, 3, "before", revision=2, digest="2" * 32), ada)])
    assert rows(simulated("--since", since), "rules")["thank", "perk"] == (0, 1)
    asyncio.run(contacted())
    found = simulated("--since", since)
    assert (found["answers"], found["left_out"]) == (1, 1)
    assert rows(found, "suppressed") == {(None, "cap"): (1, 1)}


def test_a_budget_is_given_out_once_however_many_people_answer() -> None:
    budget = "  budgets:\n    - {name: perks, action: perk, at_most: 3, per: month}\n"
    Path("spring.yaml").write_text(CANDIDATE + budget)
    publish([(at(number, 9, f"r-{number}"), {"email": f"p{number}@example.org"}) for number in range(8)])
    found = simulated()
    assert found["candidate"]["mails"] == 3
    assert rows(found, "suppressed")[None, "budget"] == (0, 5)


def test_without_a_file_it_is_the_playbook_on_trial() -> None:
    publish([(at(0, 5, "r-1"), {"email": "bob@example.org"})])
    assert "shadow: there is no such playbook" in nps("playbook", "simulate", expect=6).stderr
    nps("playbook", "shadow", "spring.yaml")
    assert json.loads(nps("playbook", "simulate", "--json").stdout)["candidate"]["version"] == "v1"


def test_what_cannot_be_simulated_is_told_in_a_line() -> None:
    assert "--since" in nps("playbook", "simulate", "spring.yaml", "--since", "soon", expect=2).stderr
    assert "cannot be read" in nps("playbook", "simulate", "nothing.yaml", expect=6).stderr
    assert "not in the business file" in nps("playbook", "simulate", "spring.yaml", "--tenant", "x", expect=6).stderr
    Path("spring.yaml").write_text(CANDIDATE.replace("==", "="))
    assert "spring.yaml:5: " in nps("playbook", "simulate", "spring.yaml", expect=6).stderr


def test_playbooks_are_held_against_each_other() -> None:
    nps("playbook", "activate", "spring.yaml", "--force")
    Path("summer.yaml").write_text(CANDIDATE.replace("spring", "summer").replace("cost: 5", "cost: 4"))
    told = nps("playbook", "diff", "v1", "summer.yaml").stdout
    assert told == "~ playbook name: spring -> summer\n~ rule thank.cost: 5.0 -> 4.0\n"
    assert nps("playbook", "diff", "active", "spring.yaml", "--exit-code").stdout == "no difference\n"
    found = json.loads(nps("playbook", "diff", "file", "active", "--json", "--exit-code", expect=6).stdout)
    assert {"kind": "removed", "what": "rule", "name": "call-back"}.items() <= found[1].items()
    assert "v7: there is no such playbook" in nps("playbook", "diff", "v7", "active", expect=6).stderr
