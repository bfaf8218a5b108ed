"""In what one playbook differs from another, as people read it."""

from __future__ import annotations

from typing import Any

from services.routing.playbooks.differing import Difference, differences
from services.routing.playbooks.playbook import Playbook
from tests.support.playbooks import shipped

CALL = {"name": "call", "when": 'answer.band == "detractor"', "action": "outreach"}
THANK = {"name": "thank", "when": 'answer.band == "promoter"', "action": "perk", "template": "perk"}
REST = {"name": "rest", "when": "true", "action": "none"}


def made(*rules: dict[str, Any], **given: Any) -> Playbook:
    return Playbook.model_validate({"rules": rules or (CALL, THANK, REST)} | given)


def told(before: Playbook, after: Playbook) -> list[tuple[Any, ...]]:
    return [(one.kind, one.what, one.name, one.field, one.before, one.after) for one in differences(before, after)]


def test_a_playbook_does_not_differ_from_itself() -> None:
    assert differences(shipped(), Playbook.model_validate(shipped().model_dump(exclude_unset=True))) == []


def test_rules_are_added_and_removed_with_what_they_say() -> None:
    assert told(made(CALL, REST), made(THANK, REST)) == [
        ("removed", "rule", "call", None, {"when": CALL["when"], "action": "outreach"}, None),
        ("added", "rule", "thank", None, None, {"when": THANK["when"], "action": "perk", "template": "perk"}),
    ]


def test_a_rule_that_is_asked_at_another_place_has_moved_and_the_others_have_not() -> None:
    assert told(made(CALL, THANK, REST), made(REST, CALL, THANK)) == [("moved", "rule", "rest", None, None, None)]


def test_priority_moves_a_rule_too() -> None:
    found = told(made(), made(CALL, THANK, REST | {"priority": 5}))
    assert ("moved", "rule", "rest", None, None, None) in found
    assert ("changed", "rule", "rest", "priority", 0, 5) in found


def test_what_changed_in_a_rule_is_told_field_by_field() -> None:
    assert told(made(), made(CALL | {"settle": "PT5M", "urgency": "high"}, THANK, REST)) == [
        ("changed", "rule", "call", "settle", "PT0S", "PT5M"),
        ("changed", "rule", "call", "urgency", "normal", "high"),
    ]


def test_blocks_keywords_and_name_are_held_against_each_other() -> None:
    before = made(blocks={"a": "true", "b": "false"}, keywords={"late": ["late"]})
    after = made(blocks={"a": "false"}, keywords={"late": ["late", "slow"]}, name="spring")
    assert told(before, after) == [
        ("changed", "playbook", "name", None, "default", "spring"),
        ("changed", "block", "a", None, "true", "false"),
        ("removed", "block", "b", None, "false", None),
        ("changed", "keyword", "late", None, ["late"], ["late", "slow"]),
    ]


def test_the_policy_is_held_against_each_other_by_path() -> None:
    caps = [{"kind": "mail", "at_most": 1, "within": "P7D"}]
    before = made(policy={"caps": caps})
    after = made(
        policy={
            "caps": [caps[0] | {"at_most": 2}],
            "budgets": [{"name": "perks", "action": "perk", "at_most": 5}],
            "quiet_hours": {"begins": "21:00"},
        }
    )
    found = {one.name: one for one in differences(before, after)}
    assert set(found) == {"quiet_hours.begins", "caps[mail per person in P7D]", "budgets[perks]"}
    assert found["quiet_hours.begins"] == Difference(
        kind="changed", what="policy", name="quiet_hours.begins", before="20:00:00", after="21:00:00"
    )
    assert found["budgets[perks]"].kind == "added"
