"""The JSON Schema of nps.yaml says what the services' models say, and the file that ships fits it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from schemas.generate import HERE
from services.console import contracts


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = json.loads((HERE / "jsonschema" / "nps.yaml.json").read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def _faults(validator: Draft202012Validator, text: str) -> list[str]:
    return [error.message for error in validator.iter_errors(yaml.safe_load(text))]


def test_the_file_that_ships_fits(validator: Draft202012Validator) -> None:
    assert _faults(validator, (HERE / "nps.yaml").read_text()) == []


def test_a_tenant_may_say_only_what_differs(validator: Draft202012Validator) -> None:
    assert _faults(validator, "tenants: {acme: {routing: {playbook: {name: acme-1}}}, 'demo-*': }") == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("tenant: {}", "'tenant' was unexpected"),
        ("tenants: {acme: {rooting: {}}}", "'rooting' was unexpected"),
        ("tenants: {acme: {routing: {playbok: {}}}}", "'playbok' was unexpected"),
        ("tenants: {Acme Inc: {}}", "does not match"),
        (
            "tenants: {acme: {routing: {playbook: {rules: [{name: a, when: 'true', action: call}]}}}}",
            "'call' is not one of",
        ),
        ("tenants: {acme: {routing: {playbook: {rules: [{name: a}]}}}}", "'when' is a required property"),
    ],
)
def test_what_the_service_would_refuse_the_editor_marks(validator: Draft202012Validator, text: str, fault: str) -> None:
    assert any(fault in line for line in _faults(validator, text))


def test_every_setting_and_section_has_a_meaning() -> None:
    text = (contracts.ROOT / "docs" / "reference" / "settings.md").read_text()
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| `NPS_")]
    assert [row[1].strip() for row in rows if not row[3].strip(" .")] == []


def test_a_secret_may_lie_in_a_file() -> None:
    text = (contracts.ROOT / "docs" / "reference" / "settings.md").read_text()
    assert "`NPS_MASTER_KEY_FILE`" in text
    assert "`NPS_KAFKA_BOOTSTRAP_FILE`" not in text


def test_a_service_that_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contracts, "SERVICES", (*contracts.SERVICES, "unwritten"))
    assert contracts.business_schema() == json.loads((HERE / "jsonschema" / "nps.yaml.json").read_text())


def test_stale_files_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(contracts, "ROOT", tmp_path)
    assert contracts.main([]) == 0
    assert contracts.main(["--check"]) == 0
    (tmp_path / ".env.example").write_text("NPS_GUESS=1\n")
    assert contracts.main(["--check"]) == 1
    assert ".env.example: stale" in capsys.readouterr().err
