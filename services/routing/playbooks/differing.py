"""How one playbook differs from another: rules by name and in the order they are asked, all else field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from services.routing.playbooks.playbook import Playbook, Rule

Kind = Literal["added", "removed", "moved", "changed"]

NAMED_BY: Final = "name"
LISTS: Final = frozenset({"caps", "budgets"})
"""Of a policy, what is a list of mappings."""


class Difference(BaseModel):
    """One thing that differs. `before` and `after` are none where there is nothing, or where only the order differs."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    what: Literal["playbook", "rule", "block", "keyword", "policy"]
    name: str
    field: str | None = None
    before: Any = None  # a value as it stands in YAML
    after: Any = None  # likewise


def differences(before: Playbook, after: Playbook) -> list[Difference]:
    """Everything in which a playbook differs from another; none if both decide alike."""
    found = []
    if before.name != after.name:
        found.append(Difference(kind="changed", what="playbook", name="name", before=before.name, after=after.name))
    found += _rules(before, after)
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    found += _entries("block", old["blocks"], new["blocks"])
    found += _entries("keyword", old["keywords"], new["keywords"])
    found += _entries("policy", dict(_flat(old["policy"])), dict(_flat(new["policy"])))
    return found


def _rules(before: Playbook, after: Playbook) -> Iterator[Difference]:
    old, new = _in_order(before), _in_order(after)
    for name in old:
        if name not in new:
            yield Difference(kind="removed", what="rule", name=name, before=_said(old[name]))
    stay = _in_place([name for name in old if name in new], [name for name in new if name in old])
    for name, rule in new.items():
        if name not in old:
            yield Difference(kind="added", what="rule", name=name, after=_said(rule))
            continue
        if name not in stay:
            yield Difference(kind="moved", what="rule", name=name)
        was, now = old[name].model_dump(mode="json"), rule.model_dump(mode="json")
        for field in was:
            if was[field] != now[field]:
                yield Difference(
                    kind="changed", what="rule", name=name, field=field, before=was[field], after=now[field]
                )


def _in_order(playbook: Playbook) -> dict[str, Rule]:
    """By name, in the order in which they are asked."""
    return {rule.name: rule for rule in sorted(playbook.rules, key=lambda rule: -rule.priority)}


def _in_place(before: list[str], after: list[str]) -> set[str]:
    """Names that need not move to get from one order to the other."""
    blocks = SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
    return {name for block in blocks for name in before[block.a : block.a + block.size]}


def _said(rule: Rule) -> dict[str, Any]:  # values as in YAML
    return rule.model_dump(mode="json", exclude_defaults=True, exclude={NAMED_BY})


def _entries(
    what: Literal["block", "keyword", "policy"], before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[Difference]:
    for name in dict.fromkeys((*before, *after)):
        was, now = before.get(name), after.get(name)
        if was == now:
            continue
        kind: Kind = "changed"
        if was is None or now is None:
            kind = "added" if was is None else "removed"
        yield Difference(kind=kind, what=what, name=name, before=was, after=now)


def _flat(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:  # as in YAML
    """Every value by its path; what a list holds goes by its name, else by what it says."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _flat(value, f"{path}.{key}" if path else key)
    elif path in LISTS:
        for one in tree:
            named = one.get(NAMED_BY) or f"{one.get('kind')} per {one.get('per')} in {one.get('within')}"
            yield f"{path}[{named}]", {key: value for key, value in one.items() if key != NAMED_BY}
    else:
        yield path, sorted(tree) if isinstance(tree, list) else tree
