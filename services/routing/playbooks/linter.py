"""Refuses playbooks that do what is forbidden, or not what they say; each finding names its place and how to mend it.

Three steps, each only where the one before found nothing that would make it guess: what the model refuses (shape,
CEL); what conditions mean and what policies forbid; how the rules stand to each other. For the last the linter tries
made-up answers (`trials`, which states the limit of that): it may miss what only a rare value would show, and is silent
rather than refuse a playbook that may be right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any

from services.routing.playbooks.conditions import written_out
from services.routing.playbooks.conflicts import Conflicts
from services.routing.playbooks.files import BadPlaybook, read
from services.routing.playbooks.findings import Finding, Path, about_rule
from services.routing.playbooks.keywords import Keywords
from services.routing.playbooks.meanings import misread, senseless, unused
from services.routing.playbooks.playbook import Playbook
from services.routing.playbooks.prohibitions import Catalogue, forbidden
from services.routing.playbooks.refusals import refused
from services.routing.playbooks.trials import Trials
from services.routing.playbooks.witnesses import Scene
from services.routing.policy import MAILS


def _always(path: Path) -> bool:
    del path
    return True


def lint(
    tree: Mapping[str, Any],
    today: date,
    catalogue: Catalogue | None = None,
    is_own: Callable[[Path], bool] = _always,
) -> list[Finding]:
    """Everything for which a playbook is refused, in the order of its places.

    Without a catalogue none is asked for. `is_own` says which parts its author has written: where others were laid
    under them, these may remain unused.
    """
    playbook, findings = refused(tree)
    if playbook is not None:
        findings = [*forbidden(playbook, catalogue), *_astray(playbook, today, catalogue)]
        findings += [finding for finding in unused(playbook) if is_own(finding.path)]
        misnamed = list(misread(playbook))
        findings += misnamed or _tried(playbook, today, catalogue)
    return sorted(dict.fromkeys(findings), key=lambda one: _order(tree, one.path))


def lint_text(text: str, name: str, today: date, catalogue: Catalogue | None = None) -> list[str]:
    """A line for each finding in a playbook's text, with file and line before it."""
    try:
        source = read(text, name)
    except BadPlaybook as error:
        return [f"{error}; mend: write YAML as docs/guides/playbooks.md shows"]
    return [f"{source.place(finding.path)}: {finding}" for finding in lint(source.tree, today, catalogue)]


def _astray(playbook: Playbook, today: date, catalogue: Catalogue | None) -> Iterator[Finding]:
    """Rules that are over, and mails that nobody has written."""
    for index, rule in enumerate(playbook.rules):
        if rule.holds_until and rule.holds_until < today:
            yield Finding(
                ("rules", index, "holds_until"),
                about_rule(rule.name, "holds_until"),
                f"{rule.holds_until} is past",
                "take the rule out, or let it hold for longer",
            )
        if catalogue is not None and rule.action in MAILS and (rule.action, rule.template) not in catalogue:
            there = ", ".join(sorted(name for action, name in catalogue if action == rule.action)) or "none"
            yield Finding(
                ("rules", index, "template"),
                about_rule(rule.name, "template"),
                f"no {rule.action} is called {rule.template}; there are: {there}",
                f"add it under delivery.{rule.action}s in the business file, or write the name of another",
            )


def _tried(playbook: Playbook, today: date, catalogue: Catalogue | None) -> list[Finding]:
    """What shows when conditions are tried; conflicts only once every condition can be answered."""
    blocks = playbook.plain_blocks()
    plain: dict[Path, str] = {
        ("rules", index, "when"): written_out(rule.when, blocks) for index, rule in enumerate(playbook.rules)
    }
    if playbook.policy.left_when:
        plain["policy", "left_when"] = written_out(playbook.policy.left_when, blocks)
    trials = Trials(Scene(playbook.keywords, Keywords(playbook.keywords)), list(plain.values()))
    found = list(senseless(playbook, trials, plain))
    if found:
        return found
    texts = {int(path[1]): text for path, text in plain.items() if path[0] == "rules"}
    return list(Conflicts(playbook, texts, trials, today).found(catalogue))


def _order(tree: Mapping[str, Any], path: Path) -> tuple[int, ...]:
    """Where a path stands among the others, by the order in which the tree has them."""
    order: list[int] = []
    node: Any = tree
    for part in path:
        if isinstance(node, Mapping):
            keys = list(node)
            order.append(keys.index(part) if part in keys else len(keys))
            node = node.get(part)
        elif isinstance(node, list) and isinstance(part, int) and part < len(node):
            order.append(part)
            node = node[part]
        else:
            break
    return tuple(order)
