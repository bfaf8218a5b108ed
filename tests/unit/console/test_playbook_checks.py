"""`nps playbook lint` and `nps playbook test`: no Kafka answers here, and there is no database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from services.console.main import app
from tests.support.playbooks import SHIPPED

PLAYBOOK = """
rules:
  - {name: thank, when: answer.score >= 9, action: perk, template: perk}
  - {name: rest, when: 'true', priority: -1, action: none}
"""

BUSINESS = """
tenants:
  acme:
    routing:
      playbook:
        rules:
          - name: thank
            when: answer.score >= 11
            action: perk
            template: gold
          - {name: rest, when: 'true', priority: -1, action: none}
    delivery:
      perks: {gold: {title: Gold, text: Yours.}}
  quiet:
    routing:
      playbook:
        policy: {quiet_hours: }
"""


@pytest.fixture
def nps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nps:
    monkeypatch.setenv("NPS_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("NPS_KAFKA_BOOTSTRAP", "127.0.0.1:1")
    return Nps(tmp_path)


class Nps:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *arguments: str, expect: int = 0) -> Result:
        result = CliRunner().invoke(app, ("playbook", *arguments))
        assert result.exit_code == expect, f"{result.output}{result.stderr}{result.exception!r}"
        return result

    def file(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)


def test_what_ships_is_clean_and_passes_its_cases(nps: Nps) -> None:
    assert nps("lint").stdout == nps("lint", str(SHIPPED)).stdout == "nothing is refused\n"
    assert nps("test", str(SHIPPED)).stdout.endswith("21 cases, 0 failed\n")


def test_what_is_refused_is_a_line_each_and_exit_code_6(nps: Nps) -> None:
    file = nps.file("spring.yaml", PLAYBOOK.replace("perk}", "silver}").replace(">= 9", ">= 11"))
    lines = nps("lint", file, expect=6).stdout.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [f"{file}:3"] * 2
    assert all("mend: " in line for line in lines)


def test_findings_as_json(nps: Nps) -> None:
    file = nps.file("spring.yaml", PLAYBOOK + "policy: {caps: []}\n")
    (told,) = json.loads(nps("lint", file, "--json", expect=6).stdout)
    assert told["about"] == "policy.caps"
    assert told["place"] == f"{file}:5"
    assert set(told) == {"place", "severity", "about", "problem", "policy", "mend"}
    assert json.loads(nps("lint", "--json").stdout) == []


def test_the_playbook_of_a_tenant_is_linted_where_it_is_written(nps: Nps) -> None:
    file = nps.file("nps.yaml", BUSINESS)
    (line,) = nps("lint", file, "--tenant", "acme", expect=6).stdout.splitlines()
    assert line.startswith(f"{file}:8: rule thank: when: never holds")
    (line,) = nps("lint", file, "--tenant", "quiet", expect=6).stdout.splitlines()
    assert line.startswith(f"{file}:17: policy.quiet_hours: ")


def test_the_business_file_in_use_is_linted_without_a_file(nps: Nps, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPS_BUSINESS_FILE", nps.file("nps.yaml", BUSINESS))
    assert "never holds" in nps("lint", "--tenant", "acme", expect=6).stdout
    assert "tenant: not in the business file" in nps("lint", "--tenant", "nobody", expect=6).stderr


def test_what_is_no_playbook_is_one_line(nps: Nps) -> None:
    assert "no YAML" in nps("lint", nps.file("a.yaml", "rules: [}"), expect=6).stderr
    binary = nps.folder / "b.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    assert nps("lint", str(binary), expect=6).stderr.count("\n") == 1


def test_cases_are_looked_for_beside_the_playbook(nps: Nps) -> None:
    file = nps.file("spring.yaml", PLAYBOOK)
    assert "spring.cases.yaml: cannot be read" in nps("test", file, expect=6).stderr
    nps.file("spring.cases.yaml", "[{name: a, answer: {score: 9}, expect: {outcome: suppressed, reason: no_address}}]")
    assert nps("test", file).stdout == "1 cases, 0 failed\nno case is for: rest\n"


def test_a_case_that_fails_is_told_and_counted(nps: Nps) -> None:
    file = nps.file("spring.yaml", PLAYBOOK)
    cases = nps.file("other.yaml", "- name: odd\n  answer: {score: 3}\n  expect: {outcome: action}\n")
    first, last, _ = nps("test", file, cases, expect=6).stdout.splitlines()
    assert first == f"{cases}:3: odd: expected outcome action, got outcome none because rest decides"
    assert last == "1 cases, 1 failed"
    told = json.loads(nps("test", file, cases, "--json", expect=6).stdout)
    assert told["cases"] == 1
    assert told["failed"] == [{"place": f"{cases}:3", "case": "odd", "said": first}]
    assert told["decided_by"] == {"thank": 0, "rest": 1}


def test_a_playbook_that_the_model_refuses_is_tested_with_no_case(nps: Nps) -> None:
    file = nps.file("spring.yaml", "rules: [{name: a, when: 'answer.', action: none}]")
    cases = nps.file("spring.cases.yaml", "[{name: a, answer: {score: 9}, expect: {outcome: none}}]")
    assert "rule a: when: line 1, column " in nps("test", file, cases, expect=6).stderr
