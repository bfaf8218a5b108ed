"""Playbooks in files of their own: read with the line of whatever is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import yaml
from pydantic import ValidationError

from services.routing.playbooks.playbook import Playbook, PlaybookFile

LARGEST: Final = 200_000
"""Characters of a file: some 500 rules with their comments."""


_NAMED: Final = re.compile(r"Value error, (rule|block) ([^:]+): (?:(\w+): )?")


class BadPlaybook(Exception):
    """A playbook is wrong; the message names file, line and reason, a line each."""


def parse(text: str, name: str) -> Playbook:
    """A playbook from YAML; `name` stands before each line of the message.

    Raises:
        BadPlaybook: listing everything that is wrong.
    """
    if len(text) > LARGEST:
        raise BadPlaybook(f"{name}:1: {len(text)} characters, at most {LARGEST} are read")
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        tree = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BadPlaybook(f"{name}:{line}: no YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise BadPlaybook(f"{name}:1: no YAML: {error}") from error
    if node is None or not isinstance(tree, dict):
        raise BadPlaybook(f"{name}:1: must be a mapping with rules")
    try:
        return PlaybookFile.model_validate(tree)
    except ValidationError as error:
        problems = [
            f"{name}:{line_of(node, _place(tree, path, message))}: {_dotted(path)}{_reason(message)}"
            for path, message in (
                (item["loc"], item["msg"]) for item in error.errors(include_url=False, include_input=False)
            )
        ]
        raise BadPlaybook("\n".join(problems)) from error


def line_of(node: yaml.Node, path: tuple[Any, ...]) -> int:  # keys and indexes
    """The line on which a path begins, as far as it is there."""
    line = node.start_mark.line + 1
    for part in path:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == part), None)
            if found is None:
                return line
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            return line
    return line


def _place(tree: Mapping[str, Any], path: tuple[Any, ...], message: str) -> tuple[Any, ...]:  # YAML of any shape
    """Where a mistake is: what only shows with the whole playbook in view names its rule or block itself."""
    found = _NAMED.match(message)
    if found is None:
        return path
    kind, name, field = found.groups()
    if kind == "block":
        return ("blocks", name)
    rules = tree.get("rules") or ()
    numbers = (number for number, rule in enumerate(rules) if isinstance(rule, dict) and rule.get("name") == name)
    return ("rules", next(numbers, 0), field)


def _dotted(path: tuple[Any, ...]) -> str:  # likewise
    return ".".join(map(str, path)) + ": " if path else ""


def _reason(message: str) -> str:
    reason = message.removeprefix("Value error, ")
    return reason[:1].lower() + reason[1:]
