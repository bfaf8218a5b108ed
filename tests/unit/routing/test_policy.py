"""Why somebody is not contacted: each objection with its evidence, and which of several is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

from schemas.contract import Band
from schemas.decision import Action, Reason
from schemas.response import Response
from services.routing.contact_policy import ContactPolicy
from services.routing.domain import Decided, Standing, decide
from services.routing.playbooks.situation import History, Person
from services.routing.policy import KIND_OF, Contact, Facts, Objection, Said, drawn, objection
from tests.support.answers import NOON, answered
from tests.support.playbooks import book, rule, somebody

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
AT_NIGHT = datetime(2026, 5, 20, 23, tzinfo=UTC)
MAILED = Contact("earlier", "mail", NOON - 3 * DAY)
ASK: tuple[Action, ...] = ("perk", "offer", "survey_request")
CONTACTS: tuple[Action, ...] = (*ASK, "outreach")

STRICT: dict[str, Any] = {
    "hold_out": {"share": 0.5, "name": "trial"},
    "caps": [{"kind": "mail", "at_most": 1, "within": "P7D"}],
    "budgets": [{"name": "perks", "action": "perk", "at_most": 10, "per": "month"}],
    "grounds": {"perk": "consent"},
}
HELD_OUT = next(name for name in map(str, range(99)) if drawn(f"trial/{name}") < 0.5)
CHOSEN = next(name for name in map(str, range(99)) if drawn(f"trial/{name}") >= 0.5)
OLD = answered(9, received_at=NOON - 8 * DAY)


def objects(
    facts: Facts,
    action: Action = "perk",
    answer: Response | None = None,
    now: datetime = NOON,
    **policy: Any,
) -> Objection | None:
    allowed: dict[str, Any] = {"quiet_hours": None, "caps": [], "grounds": {"offer": "existing_customer"}}
    return objection(answer or answered(9), rule(action), facts, ContactPolicy.model_validate(allowed | policy), now)


def reason(*given: Any, **policy: Any) -> Reason | None:
    found = objects(*given, **policy)
    return found.reason if found else None


def test_nothing_is_said_against_whoever_may_be_contacted() -> None:
    assert [reason(somebody(), action) for action in CONTACTS] == [None] * 4


@pytest.mark.parametrize("action", ["none", "notify"])
def test_what_reaches_nobody_outside_meets_no_objection(action: Action) -> None:
    assert action not in KIND_OF
    assert objects(Facts(said=frozenset(get_args(Said))), action, OLD, AT_NIGHT, **STRICT) is None


FAULTS: dict[Reason, dict[str, Any]] = {
    "no_address": {"data": {"email": None}},
    "opt_out": {"said": {"opt_out"}},
    "bounced": {"said": {"bounced"}},
    "consent": {"said": {"no consent"}},
    "stale": {"answer": OLD},
    "hold_out": {"drawn_as": HELD_OUT},
    "cap": {"contacts": [MAILED]},
    "budget": {"spent": {"perks": 10}},
    "quiet_hours": {"now": AT_NIGHT},
}
"""In the order in which they are told."""


def at_fault(*reasons: Reason) -> Objection | None:
    """What is objected where all of these hold."""
    faults = [FAULTS[one] for one in reasons]
    words = set().union(*(fault.get("said", ()) for fault in faults))
    said = (words - {"no consent"}) | (set() if "no consent" in words else {"allows_mail"})
    known: dict[str, Any] = {"drawn_as": CHOSEN, "answer": answered(9), "now": NOON, "said": frozenset(said)}
    known |= {name: held for fault in faults for name, held in fault.items() if name != "said"}
    answer, now = known.pop("answer"), known.pop("now")
    return objects(somebody(**known), "perk", answer, now, **STRICT, quiet_hours={"begins": "20:00", "ends": "08:00"})


@pytest.mark.parametrize("first", range(len(FAULTS)))
def test_of_several_reasons_the_one_nearest_to_the_person_is_told(first: int) -> None:
    reasons: list[Reason] = list(FAULTS)
    for number in range(first, len(reasons)):
        found = at_fault(reasons[first], *reasons[number:])
        assert found is not None
        assert found.reason == reasons[first]
    assert at_fault() is None


EVIDENCE: dict[Reason, str | None] = {
    "no_address": None,
    "opt_out": "does not want any mail",
    "bounced": None,
    "consent": "policy.grounds.perk asks for consent, and none was given",
    "stale": "received 2026-05-12, and decided more than 7 days later",
    "hold_out": "in trial, 50.0% of people",
    "cap": "policy.caps[0]: 1 of 1 mail per person in 7 d; last 2026-05-17 12:00Z for earlier",
    "budget": "perks: 10 a month are given out",
    "quiet_hours": "policy.quiet_hours, by the person's own clock",
}


@pytest.mark.parametrize("why", EVIDENCE)
def test_each_objection_has_its_evidence(why: Reason) -> None:
    found = at_fault(why)
    assert found is not None
    assert (found.reason, found.evidence) == (why, EVIDENCE[why])
    assert found.until == (datetime(2026, 5, 21, 8, tzinfo=UTC) if why == "quiet_hours" else None)


def test_evidence_is_no_longer_than_a_decision_holds_and_tells_nothing_that_is_sealed() -> None:
    response_id, zone = "r" * 200, "wherever ada@example.org lives"
    capped = objects(somebody(contacts=[Contact(response_id, "mail", NOON)]), **STRICT | {"grounds": {}})
    assert capped is not None
    assert len(capped.evidence or "") == 200
    quiet = objects(somebody(data={"timezone": zone}), now=AT_NIGHT, quiet_hours={"begins": "20:00", "ends": "08:00"})
    assert quiet is not None
    assert zone not in (quiet.evidence or "")


@pytest.mark.parametrize(
    ("said", "denied"),
    [
        ("opt_out", {"perk", "offer", "survey_request"}),
        ("bounced", {"perk", "offer", "survey_request"}),
        ("no_survey", {"survey_request"}),
        ("no_call", {"outreach"}),
        ("allows_mail", set()),
        ("allows_survey", set()),
    ],
)
def test_a_word_counts_for_its_purpose(said: Said, denied: set[Action]) -> None:
    assert {action for action in CONTACTS if reason(somebody(said=frozenset({said})), action)} == denied


@pytest.mark.parametrize("action", ASK)
@pytest.mark.parametrize(
    ("ground", "said", "allowed"),
    [
        ("none", set(), False),
        ("none", {"allows_mail", "allows_survey"}, False),
        ("existing_customer", set(), True),
        ("consent", set(), False),
        ("consent", {"allows_mail", "allows_survey"}, True),
    ],
)
def test_there_is_no_contact_without_a_ground(action: Action, ground: str, said: set[Said], *, allowed: bool) -> None:
    found = reason(somebody(said=frozenset(said)), action, grounds={action: ground})
    assert found == (None if allowed else "consent")


def test_consent_to_one_purpose_is_none_to_another() -> None:
    mail, survey = somebody(said=frozenset({"allows_mail"})), somebody(said=frozenset({"allows_survey"}))
    grounds = {"perk": "consent", "survey_request": "consent"}
    assert (reason(mail, "perk", grounds=grounds), reason(mail, "survey_request", grounds=grounds)) == (None, "consent")
    assert (reason(survey, "perk", grounds=grounds), reason(survey, "survey_request", grounds=grounds)) == (
        "consent",
        None,
    )


def test_an_offer_has_no_ground_unless_the_business_states_one() -> None:
    assert objection(answered(7), rule("offer"), somebody(), ContactPolicy(quiet_hours=None), NOON) == Objection(
        "consent", "policy.grounds.offer states none"
    )


def test_a_task_waits_for_no_hour_no_address_and_no_lost_week() -> None:
    night = {"quiet_hours": {"begins": "20:00", "ends": "08:00"}}
    assert objects(Facts(said=frozenset({"opt_out", "bounced"})), "outreach", OLD, AT_NIGHT, **night) is None


CAP = {"kind": "mail", "at_most": 2, "within": "P7D"}


@pytest.mark.parametrize(
    ("contacts", "capped"),
    [
        ([], False),
        ([Contact("a", "mail", NOON)], False),
        ([Contact("a", "mail", NOON), Contact("b", "mail", NOON - 7 * DAY + timedelta(seconds=1))], True),
        ([Contact("a", "mail", NOON), Contact("b", "mail", NOON - 7 * DAY)], False),
        ([Contact("a", "mail", NOON), Contact("b", "task", NOON)], False),
        ([Contact("a", "mail", NOON), Contact("b", "mail", NOON, own=False)], False),
    ],
)
def test_a_cap_counts_contacts_of_its_kind_with_the_person_within_its_span(
    contacts: list[Contact], *, capped: bool
) -> None:
    assert (reason(somebody(contacts=contacts), caps=[CAP]) == "cap") == capped


@pytest.mark.parametrize("kind", ["mail", "task", "survey"])
def test_a_cap_on_any_counts_and_stops_every_kind(kind: Any) -> None:
    facts = somebody(contacts=[Contact("a", kind, NOON)])
    cap = {"kind": "any", "at_most": 1, "within": "P1D"}
    assert [reason(facts, action, caps=[cap]) for action in CONTACTS] == ["cap"] * 4


def test_a_cap_per_account_counts_colleagues_too_and_is_told_apart() -> None:
    colleagues = [Contact(f"c{n}", "mail", NOON - n * HOUR, own=False) for n in range(2)]
    caps = [CAP | {"at_most": 1}, CAP | {"per": "account"}]
    assert reason(somebody(contacts=colleagues[:1]), caps=caps) is None
    found = objects(somebody(contacts=colleagues), caps=caps)
    assert found is not None
    assert found.evidence == "policy.caps[1]: 2 of 2 mail per account in 7 d; last 2026-05-20 12:00Z for c0"


def test_a_cap_on_one_kind_stops_no_other() -> None:
    facts = somebody(contacts=[Contact("a", kind, NOON) for kind in ("mail", "task", "survey")])
    caps = [{"kind": "task", "at_most": 1, "within": "PT36H"}]
    assert [reason(facts, action, caps=caps) for action in CONTACTS] == [None, None, None, "cap"]


@pytest.mark.parametrize(
    ("budget", "channel", "stopped"),
    [
        ({"action": "perk"}, "website", True),
        ({"action": "offer"}, "website", False),
        ({"action": "perk", "channel": "sms"}, "website", False),
        ({"action": "perk", "channel": "sms"}, "sms", True),
        ({"action": "perk", "at_most": 0}, "website", True),
        ({"action": "perk", "at_most": 6}, "website", False),
    ],
)
def test_a_budget_is_of_an_action_and_a_channel(budget: dict[str, Any], channel: str, *, stopped: bool) -> None:
    budgets = [{"name": "b", "at_most": 5} | budget]
    found = reason(somebody(spent={"b": 5}), "perk", answered(9, channel=channel), budgets=budgets)
    assert (found == "budget") == stopped


@pytest.mark.parametrize("share", [0.05, 0.1, 0.25, 0.5])
def test_the_share_that_is_held_out_is_met(share: float) -> None:
    names, hold_out = range(10_000), {"share": share, "name": "trial"}
    held = sum(reason(somebody(drawn_as=f"default/{name:032x}"), hold_out=hold_out) == "hold_out" for name in names)
    assert held / len(names) == pytest.approx(share, abs=0.015)  # three standard deviations


def test_another_name_of_a_trial_draws_others_and_the_same_draws_the_same() -> None:
    def held(trial: str) -> set[int]:
        return {n for n in range(2_000) if drawn(f"{trial}/{n}") < 0.5}

    assert held("spring") == held("spring")
    assert len(held("spring") & held("autumn")) == pytest.approx(500, abs=100)


BANDS: dict[Band, int] = {"promoter": 9, "passive": 7, "detractor": 3}


@pytest.mark.parametrize("include", [False, True])
@pytest.mark.parametrize("band", BANDS)
@pytest.mark.parametrize("action", CONTACTS)
def test_unhappy_customers_are_held_out_only_if_the_policy_says_so(
    action: Action, band: Band, *, include: bool
) -> None:
    hold_out = {"share": 0.5, "name": "trial", "actions": list(CONTACTS), "include_detractors": include}
    found = reason(somebody(drawn_as=HELD_OUT), action, answered(BANDS[band]), hold_out=hold_out)
    assert found == ("hold_out" if band != "detractor" or include else None)


def test_nobody_is_held_out_of_what_is_not_tried_or_without_a_name() -> None:
    assert reason(somebody(drawn_as=HELD_OUT), "survey_request", hold_out={"share": 0.5, "name": "trial"}) is None
    assert reason(somebody(), "perk", hold_out={"share": 0.5, "name": "trial"}) is None


LIMITS: dict[str, dict[str, Any]] = {
    "cap": {"caps": [{"kind": "task", "at_most": 1, "within": "P7D"}]},
    "hold_out": {"hold_out": {"share": 0.5, "name": "trial", "actions": ["outreach"], "include_detractors": True}},
    "budget": {"budgets": [{"name": "calls", "action": "outreach", "at_most": 1, "per": "day"}]},
}


@pytest.mark.parametrize("limit", LIMITS)
def test_a_call_that_is_asked_for_meets_no_limit_unless_somebody_is_at_it(limit: str) -> None:
    called: dict[str, Any] = {
        "contacts": [Contact("earlier", "task", NOON - DAY)],
        "drawn_as": HELD_OUT,
        "spent": {"calls": 1},
    }
    wish, policy = answered(3, callback_requested=True), LIMITS[limit]
    assert reason(somebody(**called), "outreach", answered(3), **policy) == limit
    assert reason(somebody(**called), "outreach", wish, **policy) is None
    assert reason(somebody(**called, history=History(open_task=True)), "outreach", wish, **policy) == limit
    assert reason(somebody(**called, said={"no_call"}), "outreach", wish, **policy) == "opt_out"


def test_who_asks_to_be_called_is_no_more_willing_to_be_mailed() -> None:
    wish = answered(3, callback_requested=True)
    assert reason(somebody(contacts=[MAILED]), "perk", wish, **STRICT | {"grounds": {}}) == "cap"


LEFT = book(
    {"name": "call-back", "when": "answer.callback_requested", "action": "outreach", "priority": 9},
    {"name": "talk", "when": 'answer.band == "detractor"', "action": "outreach"},
    {"name": "thank", "when": 'answer.band == "promoter"', "action": "perk", "template": "perk"},
    policy={"left_when": '"status" in person.attributes && person.attributes["status"] == "left"'},
)


def decided(answer: Response, facts: Facts) -> Decided:
    outcome = decide(answer, Standing(answer.tenant, answer.response_id), facts, LEFT, NOON)
    assert isinstance(outcome, Decided)
    return outcome


@pytest.mark.parametrize("score", [9, 3])
def test_whoever_has_left_is_left_alone(score: int) -> None:
    gone = somebody(data={"attributes": {"status": "left"}})
    decision = decided(answered(score), gone).decision
    assert (decision.outcome, decision.reason, decision.detail) == ("suppressed", "left", "policy.left_when")
    assert decided(answered(score), somebody(data={"attributes": {"status": "new"}})).decision.outcome == "action"


def test_whoever_has_left_is_called_back_if_that_is_their_wish() -> None:
    gone = somebody(data={"attributes": {"status": "left"}})
    wish = decided(answered(9, callback_requested=True), gone)
    assert (wish.decision.rule, wish.decision.outcome) == ("call-back", "action")
    assert wish.outreach is not None
    assert wish.outreach.callback_requested


def test_whoever_is_erased_gets_nothing_before_all_other_reasons() -> None:
    facts = Facts(Person(erased=True), said=frozenset({"opt_out"}), contacts=[MAILED])
    assert decided(answered(9, callback_requested=True), facts).decision.reason == "erased"
