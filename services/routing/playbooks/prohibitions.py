"""What no playbook may do, whatever its business wants, and the policy that forbids it.

What the policies say, as far as a playbook can break them:
  Google on fake engagement (prohibited and restricted content of Maps): no incentive for a review, no discouraging of
  bad ones, and no asking of those alone who will be pleased.
  The FTC in "Soliciting and Paying for Online Reviews" (2022): do not ask those alone who you think will be positive.
  16 CFR 465.4, in force since 21 October 2024: nothing may be given for a review of a particular sentiment.
  Directive 2002/58/EC, article 13: advertising by electronic mail needs consent (1), or an address that a customer
  gave at a sale, then for similar products of one's own and with the right to object each time (2).
  47 CFR 64.1200(c)(1): no telephone solicitation before 8 in the morning or after 9 in the evening, by the clock of
  whoever is called. It is about calls and not about mail: that its hours hold for mail is a rule of our own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from datetime import time
from typing import Final

from services.routing.contact_policy import ContactPolicy
from services.routing.playbooks.findings import Finding, about_rule
from services.routing.playbooks.playbook import Playbook, Rule
from services.routing.policy import MAILS

GATING: Final = "Google's policy on fake engagement, and the FTC's guide on soliciting reviews"
PAID_REVIEWS: Final = "Google's policy on fake engagement, and 16 CFR 465.4"
NOT_BOUGHT: Final = "our own rule that answers are not bought; of public reviews also 16 CFR 465.4"
ADVERTISING: Final = "Directive 2002/58/EC, article 13"
HOURS: Final = "the hours of 47 CFR 64.1200(c)(1), which we hold for mail too"
RESTRAINT: Final = "our own rule that nobody is written to without end"
UNHAPPY_FIRST: Final = "our own rule that nobody who is unhappy goes without an answer for a comparison's sake"

FIRST_HOUR: Final = time(8)
LAST_HOUR: Final = time(21)

Catalogue = Mapping[tuple[str, str], str]
"""All that is written about each perk and offer, by action and template: title, text, link."""

_ASKS_FOR_REVIEW: Final = re.compile(
    r"\b(?:leave|leaving|write|writing|post|posting|give|giving|share|sharing|submit|submitting)\b[^.!?\n]{0,40}\b(?:reviews?|ratings?|stars)\b"
    r"|\b(?:review|rate) us\b|\breviews? (?:on|at|of us|for us)\b|\bfor (?:a|your|an honest) review\b"
    r"|writereview|\bg\.page\b|trustpilot|tripadvisor|\byelp\b|capterra"
    r"|\bbewerte(?:n|t)?\b|\bbewertung|\brezension|\brecenz|\bohodno[tť]|\bopini[ęaeią]|\boceń"
    r"|\barvostel|\barvioi meid|\bотзыв|\bоцените нас|评价|评论|點評|点评|好评|レビュー",  # noqa: RUF001 Russian
    re.IGNORECASE,
)
"""How reviews are asked for in the languages that there are forms in, and some more; not every way there is."""


def asks_for_review(rule: Rule, catalogue: Catalogue | None) -> bool:
    """Whether a rule's mail asks for a public review, by the rule's own word or in the words of the catalogue."""
    if rule.action not in MAILS:
        return False
    return rule.invites == "review" or bool(_ASKS_FOR_REVIEW.search(_words(rule, catalogue)))


def forbidden(playbook: Playbook, catalogue: Catalogue | None) -> Iterator[Finding]:
    """What a playbook does that it must not, as far as it can be read off without trying answers."""
    for index, rule in enumerate(playbook.rules):
        yield from _forbidden_rule(index, rule, catalogue)
    actions = {rule.action for rule in playbook.rules}
    yield from _groundless(playbook.policy, actions)
    if actions & (MAILS | {"survey_request"}):
        yield from _at_night(playbook.policy)
    if actions & MAILS:
        yield from _endless(playbook.policy)
    if playbook.policy.hold_out.include_detractors:
        yield Finding(
            ("policy", "hold_out", "include_detractors"),
            "policy.hold_out.include_detractors",
            "leaves detractors without an answer, to measure others against them",
            "take include_detractors out: hold-outs of promoters and passives measure as well",
            UNHAPPY_FIRST,
        )


def _forbidden_rule(index: int, rule: Rule, catalogue: Catalogue | None) -> Iterator[Finding]:
    if rule.action == "perk" and asks_for_review(rule, catalogue):
        told = rule.invites == "review"
        where = "its rule" if told else f"the catalogue's text of {rule.template}"
        yield Finding(
            ("rules", index, "invites" if told else "template"),
            about_rule(rule.name, "invites" if told else "template"),
            f"a perk is tied to a public review: {where} asks for one",
            "take the request out, or write `invites: refer`; ask for reviews in another mail that gives nothing"
            if told
            else f"take the request out of {rule.template} in the catalogue",
            PAID_REVIEWS,
        )
    if rule.promised:
        yield Finding(
            ("rules", index, "promised"),
            about_rule(rule.name, "promised"),
            f"the {rule.action} is announced before the answer",
            "take `promised` out, and announce nothing: it is given afterwards, as thanks",
            NOT_BOUGHT,
        )


def _words(rule: Rule, catalogue: Catalogue | None) -> str:
    return (catalogue or {}).get((rule.action, rule.template or ""), "")


def _groundless(policy: ContactPolicy, actions: AbstractSet[str]) -> Iterator[Finding]:
    for action in ("offer", "perk", "survey_request"):
        if action in actions and getattr(policy.grounds, action) == "none":
            told = "an offer is advertising, and nothing" if action == "offer" else "nothing"
            yield Finding(
                ("policy", "grounds", action),
                f"policy.grounds.{action}",
                f"rules make {action}s, but {told} allows it, so nobody would ever get one",
                f"write `consent` or, for customers whose address came with a sale, `existing_customer`; "
                f"or make no {action}s",
                ADVERTISING,
            )


def _at_night(policy: ContactPolicy) -> Iterator[Finding]:
    quiet = policy.quiet_hours
    if quiet is None:
        problem = "there are none, so mail goes out at night"
    elif quiet.begins > quiet.ends and quiet.begins <= LAST_HOUR and quiet.ends >= FIRST_HOUR:
        return
    else:
        problem = f"from {quiet.begins:%H:%M} to {quiet.ends:%H:%M} lets mail out between 21:00 and 08:00"
    yield Finding(
        ("policy", "quiet_hours"),
        "policy.quiet_hours",
        problem,
        "write {begins: '20:00', ends: '08:00'}, or any longer span",
        HOURS,
    )


def _endless(policy: ContactPolicy) -> Iterator[Finding]:
    if not any(cap.kind in {"mail", "any"} for cap in policy.caps):
        yield Finding(
            ("policy", "caps"),
            "policy.caps",
            "nothing limits how many mails a person gets",
            "add {kind: mail, at_most: 1, within: P7D}",
            RESTRAINT,
        )
