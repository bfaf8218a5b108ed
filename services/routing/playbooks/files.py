"""Playbooks in files of their own: read with the line of whatever is wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from services.routing.playbooks.playbook import Playbook, PlaybookFile

LARGEST: Final = 200_000
"""Characters of a file: some 500 rules with their comments."""

_NAMED: Final = re.compile(r"Value error, (rule|block) ([^:]+): (?:(\w+): )?")


class BadPlaybook(Exception):
    """A playbook is wrong; the message names file, line and reason, a line each."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file's text, read as YAML and not yet checked."""

    name: str
    tree: Any  # YAML of any shape, checked by a model
    node: yaml.Node

    def place(self, path: tuple[Any, ...]) -> str:  # keys and indexes
        """File and line of a path, as far as it is there."""
        return f"{self.name}:{line_of(self.node, path)}"

    def told(self, error: ValidationError) -> str:
        """What a model refuses, a line each."""
        found = [(item["loc"], item["msg"]) for item in faults_of(error)]
        return "\n".join(
            f"{self.place(_whole_path(self.tree, path, message))}: {_dotted(path)}{_reason(message)}"
            for path, message in found
        )


def parse(text: str, name: str) -> Playbook:
    """A playbook from YAML; `name` stands before each line of the message.

    Raises:
        BadPlaybook: listing everything that is wrong.
    """
    source = read(text, name)
    try:
        return PlaybookFile.model_validate(source.tree)
    except ValidationError as error:
        raise BadPlaybook(source.told(error)) from error


def read(text: str, name: str) -> Source:
    """A playbook's YAML.

    Raises:
        BadPlaybook: if it is no YAML, or no mapping.
    """
    return _read(text, name, dict, "must be a mapping with rules")


def read_list(text: str, name: str) -> Source:
    """The YAML of cases.

    Raises:
        BadPlaybook: if it is no YAML, or no list.
    """
    return _read(text, name, list, "must be a list of cases")


def _read(text: str, name: str, kind: type, otherwise: str) -> Source:
    if len(text) > LARGEST:
        raise BadPlaybook(f"{name}:1: {len(text)} characters, at most {LARGEST} are read")
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        tree = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BadPlaybook(f"{name}:{line}: no YAML: {error.problem}") from error
    except (yaml.YAMLError, ValueError) as error:  # a day such as 2026-02-30 is a ValueError
        raise BadPlaybook(f"{name}:1: no YAML: {error}") from error
    if node is None or not isinstance(tree, kind):
        raise BadPlaybook(f"{name}:1: {otherwise}")
    return Source(name, tree, node)


def faults_of(error: ValidationError) -> list[ErrorDetails]:
    """What a model refuses. That a list is too short when its items are refused says nothing more, and is left out."""
    found = error.errors(include_url=False, include_input=False)
    return [
        one
        for one in found
        if one["type"] != "too_short"
        or not any(other["loc"][: len(one["loc"])] == one["loc"] for other in found if other is not one)
    ]


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


def _whole_path(tree: Any, path: tuple[Any, ...], message: str) -> tuple[Any, ...]:  # YAML of any shape
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
