"""What is told of a playbook: which decides, what its rules did, why nothing was done, and what a trial has shown."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from services.monitor import answers as answers_module
from services.monitor import playbook_roles, rule_counts
from services.monitor.playbook import Written, of_file
from services.monitor.playbook_snapshot import playbook_tree
from services.monitor.view import Payload, View
from tests.support.answers import NOON, answered
from tests.support.events import activated, decided, delivered, shadowed

SPRING = """
name: spring
keywords: {damage: [broken, damag*]}
blocks: {glad: answer.band == "promoter"}
rules:
  - {name: other-answers, when: 'true', priority: -100, action: none}
  - {name: thank-promoters, when: blocks.glad, action: perk, template: perk}
  - {name: tell-managers, when: account.known, priority: 5, action: notify, to: managers, then: continue}
"""


def seen(*payloads: Payload) -> View:
    view = View()
    for payload in payloads:
        view.apply(payload)
    view.complete = True
    return view


def told(view: View, file: Written | None = None, tenant: str = "default") -> dict[str, Any]:  # JSON
    found: dict[str, Any] = json.loads(json.dumps(playbook_tree(view, tenant, file, NOON)))
    return found


def counts(tree: dict[str, Any]) -> dict[str, Any]:
    return {rule["name"]: rule["counts"] for rule in tree["active"]["rules"]}


def held(response_id: str, reason: str) -> Payload:
    return decided(response_id, outcome="held", reason=reason, until=NOON + timedelta(hours=1))


def test_each_rule_tells_what_came_of_its_answers() -> None:
    view = seen(
        activated(SPRING),
        *(answered(response_id=name) for name in "abcde"),
        decided("a", notices=("tell-managers",)),
        decided("b"),
        decided("c", outcome="suppressed", action="none", reason="cap"),
        held("d", "quiet_hours"),
    )
    tree = told(view)
    assert counts(tree) == {
        "tell-managers": {"told": 1},
        "thank-promoters": {"action": 2, "suppressed": 1, "held": 1},
        "other-answers": {},
    }
    assert tree["counted"] == {"answers": 5, "since": "2026-05-20T12:00:00.000Z", "decided": 4, "by_active": 0}


def test_an_answer_counts_by_its_newest_decision_alone() -> None:
    view = seen(
        activated(SPRING), answered(response_id="r"), decided("r", number=2, outcome="suppressed"), decided("r")
    )
    assert counts(told(view))["thank-promoters"] == {"suppressed": 1}


def test_rules_that_the_active_playbook_does_not_have_are_told_together() -> None:
    view = seen(
        activated(SPRING, version=3),
        *(answered(response_id=name) for name in "abcd"),
        decided("a", playbook_version="v3"),
        decided("b", playbook_version="v2"),
        *(decided(name, rule="win-passives", playbook_version="v2") for name in "cd"),
    )
    tree = told(view)
    assert counts(tree)["thank-promoters"] == {"action": 2}
    assert tree["active"]["others"] == {"answers": 2, "rules": [{"name": "win-passives", "answers": 2}]}
    assert tree["counted"]["by_active"] == 1


def test_answers_no_rule_matched_are_told_apart_from_those_no_rule_was_asked_about() -> None:
    view = seen(
        activated(SPRING),
        *(answered(response_id=name) for name in "abc"),
        decided("a", rule=None, outcome="none", action="none"),
        decided("b", rule=None, outcome="closed", action="none", reason="history"),
        decided("c", rule=None, outcome="withdrawn", action="none", reason="retracted"),
    )
    active = told(view)["active"]
    assert (active["no_rule_matched"], active["no_rule_asked"]) == (1, 2)


def test_reasons_come_in_words_the_larger_number_first() -> None:
    view = seen(
        *(answered(response_id=name) for name in "abcdefg"),
        *(decided(name, outcome="suppressed", action="none", reason="opt_out") for name in "ab"),
        decided("c", outcome="suppressed", action="none", reason="cap"),
        decided("d"),
        delivered("d", state="suppressed", reason="opt_out"),
        held("e", "settling"),
        decided("f"),
    )
    tree = told(view)
    assert tree["suppressed"] == [
        {"reason": "opt_out", "text": "opted out", "number": 3},
        {"reason": "cap", "text": "written to lately", "number": 1},
    ]
    assert tree["held"] == [{"reason": "settling", "text": "for a comment or an edit", "number": 1}]


def test_the_newest_change_of_a_role_holds_whatever_the_order() -> None:
    view = seen(
        activated(SPRING, number=3, version=2, at=NOON + timedelta(days=1)),
        activated("rules: []", number=1, version=1),
        activated(SPRING, number=2, role="shadow", version=3, name="summer"),
    )
    tree = told(view)
    assert (tree["active"]["name"], tree["active"]["version"], tree["active"]["since"]) == (
        "spring",
        "v2",
        "2026-05-21T12:00:00.000Z",
    )
    assert (tree["shadow"]["name"], tree["shadow"]["version"]) == ("summer", "v3")


def test_where_none_was_activated_the_business_file_decides_by_the_version_of_its_last_decision() -> None:
    file = of_file({"name": "default", "rules": [{"name": "thank-promoters", "when": "true", "action": "none"}]})
    view = seen(answered(response_id="a"), answered(response_id="b"))
    assert told(view, file)["active"]["version"] == "business file"
    view.apply(decided("a", playbook_version="file-bbb", decided_at=NOON + timedelta(hours=1)))
    view.apply(decided("b", playbook_version="file-aaa"))
    active = told(view, file)["active"]
    assert (active["name"], active["version"], active["since"]) == ("default", "file-bbb", None)


def test_a_playbook_that_was_rolled_back_gives_way_to_the_business_file() -> None:
    view = seen(activated(SPRING), activated(None, number=2, version=0, name=None))
    assert told(view)["active"] is None
    assert told(view, of_file({"name": "default", "rules": []}))["active"]["name"] == "default"


def test_a_playbook_nobody_can_read_is_shown_as_it_was_written_with_what_its_rules_did() -> None:
    view = seen(activated("rules: ["), answered(response_id="r"), decided("r"))
    active = told(view)["active"]
    assert (active["text"], active["rules"], active["policy"]) == ("rules: [", [], [])
    assert active["others"]["rules"] == [{"name": "thank-promoters", "answers": 1}]


def test_a_trial_is_compared_with_the_decision_of_the_same_number() -> None:
    view = seen(
        activated(SPRING, role="shadow", version=2, name="summer"),
        *(answered(response_id=name) for name in "abcdef"),
        *(decided(name) for name in "abcde"),
        decided("f", number=2),
        shadowed("a"),
        *(shadowed(name, rule="win-back", action="offer", differs=True) for name in "bc"),
        shadowed("d", rule=None, outcome="none", action="none", differs=True),
        shadowed("e", playbook_version="v1", differs=True),
        shadowed("f", differs=True),
    )
    shadow = told(view)["shadow"]
    assert (shadow["decided"], shadow["differing"]) == (4, 3)
    thanked = {"rule": "thank-promoters", "action": "perk", "outcome": "action"}
    offered = {"rule": "win-back", "action": "offer", "outcome": "action"}
    assert shadow["rows"] == [
        {"from": thanked, "to": offered, "number": 2, "response_ids": ["c", "b"]},
        {
            "from": thanked,
            "to": {"rule": None, "action": "none", "outcome": "none"},
            "number": 1,
            "response_ids": ["d"],
        },
    ]


def test_a_trial_that_ended_is_not_told_of() -> None:
    view = seen(activated(SPRING, role="shadow"), activated(None, role="shadow", number=2, version=0))
    assert told(view)["shadow"] is None


def test_of_each_difference_a_few_answers_are_named_and_of_many_the_most_frequent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rule_counts, "MOST_ROWS", 1)
    names = [f"r{number}" for number in range(6)]
    view = seen(
        activated(SPRING, role="shadow", version=2),
        *(answered(response_id=name) for name in names),
        *(decided(name) for name in names),
        *(shadowed(name, rule="win-back", differs=True) for name in names[:5]),
        shadowed(names[5], rule="other", differs=True),
    )
    shadow = told(view)["shadow"]
    assert shadow["differing"] == 6
    assert [(row["number"], row["response_ids"]) for row in shadow["rows"]] == [(5, ["r4", "r3", "r2"])]


def test_what_was_decided_in_the_shadow_waits_for_its_answer_and_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers_module, "EARLY", 2)
    view = seen(
        activated(SPRING, role="shadow", version=2),
        *(shadowed(name) for name in "abc"),
        *(decided(name) for name in "bc"),
        *(answered(response_id=name) for name in "bca"),
    )
    assert told(view)["shadow"]["decided"] == 2


def test_an_older_word_of_the_trial_changes_nothing() -> None:
    view = seen(
        activated(SPRING, role="shadow", version=2),
        answered(response_id="r"),
        decided("r", number=2),
        shadowed("r", number=2),
        shadowed("r", number=1, differs=True),
    )
    assert told(view)["shadow"]["differing"] == 0


def test_playbooks_of_more_tenants_than_there_is_room_for_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playbook_roles, "TENANTS_KEPT", 1)
    view = seen(activated(SPRING), activated(SPRING, tenant="other"), activated(SPRING, number=2, version=2))
    assert told(view)["active"]["version"] == "v2"
    assert told(view, tenant="other")["active"] is None
    assert view.left_out() == {"playbooks": 1}


def test_tenants_do_not_see_each_others_playbooks() -> None:
    view = seen(activated(SPRING), answered(response_id="r"), decided("r"))
    tree = told(view, tenant="other")
    assert (tree["active"], tree["shadow"], tree["counted"]["answers"]) == (None, None, 0)


def test_a_word_about_playbooks_moves_no_version_of_the_live_page() -> None:
    view = seen(answered(response_id="r"))
    before = view.version
    assert view.apply(activated(SPRING)) == ()
    assert view.apply(shadowed("r")) == ()
    assert view.version == before


def test_conditions_come_with_their_blocks_and_keywords() -> None:
    active = told(seen(activated(SPRING)))["active"]
    assert active["blocks"] == [{"name": "glad", "when": 'answer.band == "promoter"'}]
    assert active["keywords"] == [{"name": "damage", "words": ["broken", "damag*"]}]


def test_before_everything_is_read_nobody_says_which_playbook_decides() -> None:
    view = seen(activated(SPRING))
    view.complete = False
    tree = told(view, of_file({"name": "default", "rules": []}))
    assert (tree["complete"], tree["active"]) == (False, None)
