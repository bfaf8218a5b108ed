"""Which playbook decides, as the `nps` command changes it."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from services.console.main import app
from tests.integration.conftest import MASTER_KEY

SPRING = """name: spring
rules:
  - {name: call, when: answer.band == "detractor", action: outreach}
  - {name: rest, when: 'true', priority: -1, action: none}
"""
SUMMER = SPRING.replace("spring", "summer")


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
    nps("topics", "create")


def nps(*arguments: str, expect: int = 0, typed: str | None = None) -> Result:
    result = CliRunner().invoke(app, arguments, input=typed)
    assert result.exit_code == expect, f"{result.output}{result.stderr}"
    return result


def test_a_playbook_is_activated_brought_back_and_keeps_its_version() -> None:
    assert "v1 spring" in nps("playbook", "activate", "-", typed=SPRING).output
    assert "v2 summer" in nps("playbook", "activate", "-", typed=SUMMER).output
    assert "v1 spring" in nps("playbook", "rollback").output
    assert nps("playbook", "show").stdout == SPRING
    assert nps("playbook", "show", "v2").stdout == SUMMER
    assert "v2 summer" in nps("playbook", "activate", "-", typed=SUMMER).output
    nps("playbook", "rollback", "--to", "file")
    changes = json.loads(nps("playbook", "list", "--json").stdout)
    assert [(one["number"], one["version"]) for one in changes] == [(5, 0), (4, 2), (3, 1), (2, 2), (1, 1)]


def test_a_trial_begins_and_ends_beside_the_active_playbook() -> None:
    nps("playbook", "activate", "-", typed=SPRING)
    nps("playbook", "shadow", "-", typed=SUMMER)
    assert nps("playbook", "show", "shadow").stdout == SUMMER
    assert nps("playbook", "show", "active").stdout == SPRING
    nps("playbook", "shadow", "--off")
    nps("playbook", "show", "shadow", expect=6)


def test_what_the_linter_refuses_is_activated_by_force_alone() -> None:
    unhandled = SPRING.replace("'true'", 'answer.band == "passive"')
    refused = nps("playbook", "activate", "-", typed=unhandled, expect=6).stderr
    assert "promoter" in refused
    assert "mend:" in refused
    assert "v1 spring" in nps("playbook", "activate", "-", "--force", typed=unhandled).output


def test_what_is_no_playbook_or_not_there_is_refused_in_a_line() -> None:
    broken = nps("playbook", "activate", "-", typed=SPRING.replace("==", "="), expect=6)
    assert "playbook:3: " in broken.stderr
    assert "line 1, column 13" in broken.stderr
    assert "nothing to go back to" in nps("playbook", "rollback", expect=6).stderr
    assert "there is no playbook v9" in nps("playbook", "rollback", "--to", "v9", expect=6).stderr
    assert "must be a version" in nps("playbook", "show", "third", expect=2).stderr
    assert "not in the business file" in nps("playbook", "list", "--tenant", "nobody", expect=6).stderr
    nps("playbook", "shadow", expect=2)
