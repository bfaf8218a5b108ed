"""Decides about one answer. The highest revision counts, whatever the order of arrival; commands are desired state.

Strange cases, each with its rule:
  a revision arrives twice              nothing happens, unless its content differs: the first stays, it is reported
  a retraction arrives first            it stands; what it retracts changes nothing when it comes
  a comment arrives before its answer   it waits for it
  a mark of history on a live answer    changes nothing towards people
  a live revision of a past answer      suppressed(history): the past is never contacted
  an answer turns out to be past        closed(history), unless it was live before
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from schemas.decision import Action, Decision, Reason
from schemas.message import Message, effect_id
from schemas.outreach_request import OutreachRequest
from schemas.response import Response
from services.routing.playbooks.playbook import Playbook, Rule
from services.routing.policy import MAILS, Contact, is_past, is_stale, objection

Ignored = Literal["older", "duplicate", "conflict"]

TAKEN_BACK: Final[dict[str, Reason]] = {"retracted": "retracted", "excluded": "excluded"}


@dataclass(frozen=True, slots=True)
class Standing:
    """How one answer stands: the highest revision seen, what was decided and what is desired because of it."""

    tenant: str
    response_id: str
    revision: int = 0
    digest: str | None = None
    number: int = 0
    past: bool = False
    answer: Response | None = None
    comment: Response | None = None
    mail: Action | None = None
    task: Literal["open", "none"] | None = None
    rule: str | None = None
    first_decided_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """A change of mind: how the answer stands now, the decision, and the commands it leads to."""

    standing: Standing
    decision: Decision
    message: Message | None = None
    outreach: OutreachRequest | None = None


@dataclass(frozen=True, slots=True)
class Noted:
    """Something to remember that changes no decision."""

    standing: Standing


@dataclass(frozen=True, slots=True)
class _Wanted:
    outcome: Literal["action", "none", "suppressed", "withdrawn", "closed"]
    action: Action = "none"
    rule: Rule | None = None
    reason: Reason | None = None


def decide(
    answer: Response, standing: Standing, contact: Contact, playbook: Playbook, now: datetime
) -> Decided | Noted | Ignored:
    """What to do about one revision of an answer, given how the answer stands."""
    if answer.op == "commented":
        return _comment(answer, standing, playbook, now)
    if answer.revision < standing.revision:
        return "older"
    if answer.revision == standing.revision:
        return _again(answer, standing)
    wanted = _wanted(answer, standing, contact, playbook, now)
    decided = replace(
        standing,
        revision=answer.revision,
        digest=answer.digest,
        number=standing.number + 1,
        past=standing.past or _belongs_to_the_past(answer, standing),
        answer=answer,
        rule=wanted.rule.name if wanted.rule else None,
        first_decided_at=standing.first_decided_at or now,
    )
    return _decided(decided, wanted, contact, playbook, now)


def _again(answer: Response, standing: Standing) -> Noted | Ignored:
    """The same revision once more. After a recovery what it says is not known any more, and is noted."""
    if standing.answer is None:
        past = standing.past or _belongs_to_the_past(answer, standing)
        return Noted(replace(standing, answer=answer, digest=answer.digest, past=past))
    return "duplicate" if standing.digest == answer.digest else "conflict"


def _wanted(answer: Response, standing: Standing, contact: Contact, playbook: Playbook, now: datetime) -> _Wanted:
    taken_back = TAKEN_BACK.get(answer.op) or ("test" if answer.test else None)
    if taken_back:
        withdrawn = standing.mail in MAILS or standing.task == "open" or answer.op == "retracted"
        return _Wanted("withdrawn" if withdrawn else "suppressed", reason=taken_back)
    if standing.past:
        return _Wanted("suppressed", reason="history")
    if _belongs_to_the_past(answer, standing):
        return _Wanted("closed", reason="history")
    rule = playbook.rule_for(answer)
    if rule is None or rule.action == "none":
        return _Wanted("none", rule=rule)
    reason = objection(rule.action, contact, stale=is_stale(answer, now))
    if reason:
        return _Wanted("suppressed", rule=rule, reason=reason)
    return _Wanted("action", rule.action, rule)


def _belongs_to_the_past(answer: Response, standing: Standing) -> bool:
    """Whether a revision tells that its answer is past. On an answer that was live before the mark changes nothing."""
    before = standing.answer
    was_live = before is not None and not (TAKEN_BACK.get(before.op) or before.test)
    return not was_live and standing.mail is None and standing.task is None and is_past(answer)


def _decided(standing: Standing, wanted: _Wanted, contact: Contact, playbook: Playbook, now: datetime) -> Decided:
    message = _message(standing, wanted, contact)
    outreach = _outreach(standing, wanted, now)
    standing = replace(
        standing,
        mail=_mail_command(message) if message else standing.mail,
        task=outreach.command if outreach else standing.task,
    )
    return Decided(standing, _decision(standing, wanted, playbook, now), message, outreach)


def _mail_command(message: Message) -> Action:
    return message.command


def _decision(standing: Standing, wanted: _Wanted, playbook: Playbook, now: datetime) -> Decision:
    answer = standing.answer
    assert answer is not None  # decided on
    return Decision(
        tenant=standing.tenant,
        response_id=standing.response_id,
        number=standing.number,
        response_revision=standing.revision,
        outcome=wanted.outcome,
        action=wanted.action,
        band=answer.band(),
        rule=standing.rule,
        playbook=playbook.name,
        reason=wanted.reason,
        channel=answer.channel,
        subject=answer.subject,
        decided_at=now,
    )


def _message(standing: Standing, wanted: _Wanted, contact: Contact) -> Message | None:
    """The mail that is wanted, or the withdrawal of one that was."""
    answer = standing.answer
    assert answer is not None  # decided on
    message = Message(
        tenant=standing.tenant,
        response_id=standing.response_id,
        revision=standing.number,
        command="none",
        message_id=effect_id(standing.tenant, standing.response_id, "mail"),
        subject=answer.subject,
        reason=wanted.reason or "changed",
    )
    if wanted.action in MAILS and wanted.rule:
        return message.model_copy(
            update={
                "command": wanted.action,
                "template": wanted.rule.template,
                "language": answer.language or contact.language,
                "channel": answer.channel,
                "reason": None,
                "sealed": answer.sealed,
            }
        )
    return message if standing.mail in MAILS else None


def _outreach(standing: Standing, wanted: _Wanted, now: datetime) -> OutreachRequest | None:
    """The task that is wanted, or the withdrawal of one that was."""
    if wanted.action == "outreach" and wanted.rule:
        return _open_task(standing, wanted.rule, now)
    if standing.task != "open":
        return None
    return OutreachRequest(
        tenant=standing.tenant,
        response_id=standing.response_id,
        revision=standing.number,
        command="none",
        task_id=effect_id(standing.tenant, standing.response_id, "task"),
        reason=wanted.reason or "changed",
    )


def _open_task(standing: Standing, rule: Rule, now: datetime) -> OutreachRequest:
    answer = standing.answer
    assert answer is not None  # decided on
    return OutreachRequest(
        tenant=standing.tenant,
        response_id=standing.response_id,
        revision=standing.number,
        command="open",
        task_id=effect_id(standing.tenant, standing.response_id, "task"),
        rule=rule.name,
        priority=rule.priority,
        due_at=(standing.first_decided_at or now) + rule.due_in,
        metric=answer.metric,
        score=answer.score,
        rating=answer.rating,
        channel=answer.channel,
        touchpoint=answer.touchpoint,
        segments=answer.segments,
        callback_requested=answer.callback_requested,
        late=is_stale(answer, now),
        answered_at=answer.answered_at,
        subject=answer.subject,
        sealed=answer.sealed,
        sealed_comment=standing.comment.sealed if standing.comment else None,
    )


def _comment(comment: Response, standing: Standing, playbook: Playbook, now: datetime) -> Decided | Noted | Ignored:
    """A late comment reaches the open task; otherwise it is kept for when the answer comes."""
    if standing.comment and comment.revision <= standing.comment.revision:
        return "duplicate" if comment.digest == standing.comment.digest else "older"
    noted = replace(standing, comment=comment)
    rule = next((rule for rule in playbook.rules if rule.name == standing.rule), None)
    if standing.task != "open" or rule is None or standing.answer is None:
        return Noted(noted)
    return _decided(
        replace(noted, number=noted.number + 1), _Wanted("action", "outreach", rule), Contact(), playbook, now
    )
