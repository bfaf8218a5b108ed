"""The JSON Schemas of playbooks and their cases say what routing's models say, and what ships fits them."""

from __future__ import annotations

import json

import pytest
import yaml
from jsonschema import Draft202012Validator

from schemas.generate import CASES_FILE, HERE, PLAYBOOK_FILE
from tests.support.source import ROOT


class _AsText(yaml.SafeLoader):
    """YAML as editors read it: days and moments are text."""


_AsText.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def faults(file: str, text: str) -> list[str]:
    schema = json.loads((HERE / "jsonschema" / file).read_text())
    Draft202012Validator.check_schema(schema)
    tree = yaml.load(text, Loader=_AsText)  # noqa: S506 derived from the safe one
    return [error.message for error in Draft202012Validator(schema).iter_errors(tree)]


def test_the_playbook_and_the_cases_that_ship_fit() -> None:
    shipped = yaml.safe_load((HERE / "nps.yaml").read_text())["defaults"]["routing"]["playbook"]
    assert faults(PLAYBOOK_FILE, yaml.safe_dump(shipped)) == []
    assert faults(CASES_FILE, (HERE / "nps.cases.yaml").read_text()) == []


def test_the_guides_example_fits() -> None:
    guide = (ROOT / "docs" / "guides" / "playbooks.md").read_text()
    assert faults(PLAYBOOK_FILE, guide.split("```yaml\n")[1].split("```")[0]) == []


@pytest.mark.parametrize(
    ("file", "text", "fault"),
    [
        (PLAYBOOK_FILE, "rules: []", "should be non-empty"),
        (PLAYBOOK_FILE, "rules: [{name: a, when: 'true', action: call}]", "'call' is not one of"),
        (PLAYBOOK_FILE, "rules: [{name: a, action: none}]", "'when' is a required property"),
        (PLAYBOOK_FILE, "rules: [{name: a, when: 'true', action: none, wen: x}]", "'wen' was unexpected"),
        (PLAYBOOK_FILE, "name: a", "'rules' is a required property"),
        (CASES_FILE, "[{name: a, answer: {score: 1}}]", "'expect' is a required property"),
        (CASES_FILE, "[{name: a, answer: {score: 1}, expect: {outcome: sent}}]", "'sent' is not one of"),
        (CASES_FILE, "[{name: a, answer: {scor: 1}, expect: {outcome: none}}]", "'scor' was unexpected"),
        (CASES_FILE, "{}", "is not of type 'array'"),
    ],
)
def test_what_routing_would_refuse_the_editor_marks(file: str, text: str, fault: str) -> None:
    assert any(fault in line for line in faults(file, text))
