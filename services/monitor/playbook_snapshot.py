"""A tenant's playbook as JSON: what decides, what it has led to of late, and what the one on trial would have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.monitor.answers import Followed
from services.monitor.fates import REASONS, Place, counted
from services.monitor.playbook import Playbook, Rule, Written, parsed
from services.monitor.playbook_words import details, policy_lines
from services.monitor.rule_counts import (
    NO_RULE,
    Difference,
    Outcomes,
    by_rule,
    decided_by,
    rest,
    trial,
    version_of_file,
)
from services.monitor.snapshot import Tree, iso
from services.monitor.view import View

BUSINESS_FILE: Final = "business file"
MOST_OTHERS: Final = 20


@dataclass(frozen=True, slots=True)
class _Active:
    written: Written
    name: str
    version: str
    since: datetime | None


def playbook_tree(view: View, tenant: str, of_file: Written | None, now: datetime) -> Tree:
    """Everything there is to see of a tenant's playbook."""
    answers = [followed for followed, _ in view.answers.of(tenant)]
    active = _active(view, tenant, of_file, answers)
    return {
        "tenant": tenant,
        "now": iso(now),
        "complete": view.complete,
        "kafka_away": view.pipeline.kafka_away,
        "missing": view.pipeline.missing,
        "counted": {
            "answers": len(answers),
            "since": min((iso(one.place[0]) for one in answers if one.place), default=None),
            "decided": sum(one.decided is not None for one in answers),
            "by_active": decided_by(answers, active.version) if active else 0,
        },
        "active": _told(active, by_rule(answers)) if active else None,
        "shadow": _shadow(view, tenant, answers),
        "suppressed": _by_reason(answers, "not_contacted"),
        "held": _by_reason(answers, "waiting"),
    }


def _active(view: View, tenant: str, of_file: Written | None, answers: list[Followed]) -> _Active | None:
    """The playbook that was activated, else the business file's; none before it is known which."""
    if not view.complete:
        return None
    change = view.playbooks.active(tenant)
    if change:
        written = parsed(change.content or "")
        return _Active(written, change.name or _name(written), f"v{change.version}", change.at)
    if of_file is None:
        return None
    return _Active(of_file, _name(of_file), version_of_file(answers) or BUSINESS_FILE, None)


def _name(written: Written) -> str:
    return written.playbook.name if written.playbook else BUSINESS_FILE


def _told(active: _Active, counts: Mapping[str | None, Outcomes]) -> Tree:
    playbook = active.written.playbook
    asked = playbook.as_asked() if playbook else []
    unruled = counts.get(NO_RULE, Outcomes())
    others = rest(counts, (rule.name for rule in asked))
    return {
        "name": active.name,
        "version": active.version,
        "since": iso(active.since) if active.since else None,
        "text": None if playbook else active.written.text,
        "rules": [_rule(rule, counts.get(rule.name, Outcomes())) for rule in asked],
        **(_terms(playbook) if playbook else {"blocks": [], "keywords": [], "policy": []}),
        "no_rule_matched": unruled["none"],
        "no_rule_asked": unruled.total() - unruled["none"],
        "others": {
            "answers": sum(others.values()),
            "rules": [{"name": name, "answers": number} for name, number in list(others.items())[:MOST_OTHERS]],
        },
    }


def _terms(playbook: Playbook) -> Tree:
    return {
        "blocks": [{"name": name, "when": when} for name, when in playbook.blocks.items()],
        "keywords": [{"name": name, "words": words} for name, words in playbook.keywords.items()],
        "policy": [line._asdict() for line in policy_lines(playbook.policy)],
    }


def _rule(rule: Rule, outcomes: Outcomes) -> Tree:
    return {
        "name": rule.name,
        "when": rule.when,
        "action": rule.action,
        "then": rule.then,
        "priority": rule.priority,
        "details": details(rule),
        "counts": dict(outcomes),
    }


def _shadow(view: View, tenant: str, answers: list[Followed]) -> Tree | None:
    change = view.playbooks.shadow(tenant)
    if change is None:
        return None
    version = f"v{change.version}"
    found = trial(answers, version)
    return {
        "name": change.name,
        "version": version,
        "since": iso(change.at),
        "decided": found.decided,
        "differing": found.differing,
        "rows": [_row(difference) for difference in found.differences],
    }


def _row(difference: Difference) -> Tree:
    return {
        "from": difference.before._asdict(),
        "to": difference.after._asdict(),
        "number": difference.number,
        "response_ids": difference.response_ids,
    }


def _by_reason(answers: list[Followed], place: Place) -> list[Tree]:
    """Answers that came to nothing, or not yet, by reason; what only waits for its decision has none."""
    return [
        {"reason": count.state, "text": REASONS.get(count.state, count.text), "number": count.number}
        for count in counted(answers)
        if count.place == place and (count.state or place != "waiting")
    ]
