"""Decides about one answer. The highest revision counts, whatever the order of arrival; commands are desired state.

Strange cases, each with its rule:
  a revision arrives twice              nothing happens, unless its content differs: the first stays, it is reported
  a retraction arrives first            it stands; what it retracts changes nothing when it comes
  a comment arrives before its answer   it waits for it
  a comment arrives while one waits     the wait is over: it is decided with the comment
  a comment arrives after that          it reaches the open task, or whatever rule then decides
  a mark of history on a live answer    changes nothing towards people
  a live revision of a past answer      suppressed(history): the past is never contacted
  an answer turns out to be past        closed(history), unless it was live before
  an edit after the mail has gone       no second mail; a fall to detractor still opens the one task
  a task is taken back once it is done  somebody has talked to the person: it stays a contact
  a mail is not going, says an older     a newer command is under way: the contact stays
  word about an older command
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, NamedTuple, cast

from schemas.decision import Action, Decision, Reason
from schemas.decision import Decided as Outcome
from schemas.delivery import Delivery
from schemas.message import Message, effect_id
from schemas.notice import Notice
from schemas.outreach_request import OutreachRequest
from schemas.response import Response
from schemas.task import CLOSED, Task
from services.routing.playbooks.playbook import Rule
from services.routing.playbooks.rulebook import Match, Rulebook
from services.routing.policy import GONE, MAILS, NOT_GOING, Facts, Objection, is_past, is_stale, objection

Ignored = Literal["older", "duplicate", "conflict"]

TAKEN_BACK: Final[dict[str, Reason]] = {"retracted": "retracted", "excluded": "excluded"}


class Standing(NamedTuple):
    """How one answer stands: the highest revision seen, what was decided and what is desired because of it.

    `mail_at`, `task_at` and `survey_at` say since when there is such a contact, and are none where it was taken back
    in time. `due_at` is when what waits is decided again. `told` are the rules that have told somebody.
    """

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
    received_at: datetime | None = None
    subject: str | None = None
    account: str | None = None
    channel: str | None = None
    due_at: datetime | None = None
    mail_at: datetime | None = None
    mail_gone: bool = False
    task_at: datetime | None = None
    task_closed: bool = False
    survey_at: datetime | None = None
    told: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decided:
    """A change of mind: how the answer stands now, the decision, and the commands it leads to."""

    standing: Standing
    decision: Decision
    message: Message | None = None
    outreach: OutreachRequest | None = None
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class Noted:
    """Something to remember that changes no decision."""

    standing: Standing


class Wanted(NamedTuple):
    """What a playbook and its policy want done about an answer as it stands."""

    outcome: Outcome
    action: Action = "none"
    rule: Rule | None = None
    reason: Reason | None = None
    detail: str | None = None
    until: datetime | None = None
    notices: tuple[Rule, ...] = ()


def decide(
    answer: Response, standing: Standing, facts: Facts, rulebook: Rulebook, now: datetime
) -> Decided | Noted | Ignored:
    """What to do about one revision of an answer, given how the answer stands."""
    if answer.op == "commented":
        return _comment(answer, standing, facts, rulebook, now)
    if answer.revision < standing.revision:
        return "older"
    if answer.revision == standing.revision:
        return _again(answer, standing)
    revised = revised_by(answer, standing, facts.account, now)
    return _decided(revised, wanted_after(revised, standing, facts, rulebook, now), facts, rulebook, now)


def revised_by(answer: Response, standing: Standing, account: str | None, now: datetime) -> Standing:
    """How an answer stands with a revision higher than any before, as long as nothing is decided about that."""
    return standing._replace(
        revision=answer.revision,
        digest=answer.digest,
        past=standing.past or _belongs_to_the_past(answer, standing),
        answer=answer,
        subject=answer.subject or standing.subject,
        account=account or standing.account,
        channel=answer.channel or standing.channel,
        first_decided_at=standing.first_decided_at or now,
        received_at=standing.received_at or answer.received_at,
    )


def wanted_after(revised: Standing, before: Standing, facts: Facts, rulebook: Rulebook, now: datetime) -> Wanted:
    """What is wanted once a revision has come: an answer that turns out to be past is closed."""
    assert revised.answer is not None  # it has come
    if revised.past and not before.past and not _taken_back(revised.answer):
        return Wanted("closed", reason="history")
    return wanted_for(revised, facts, rulebook, now)


def fire(standing: Standing, facts: Facts, rulebook: Rulebook, now: datetime) -> Decided | Ignored:
    """What to do about an answer that has waited for as long as it should. What is due later waits on."""
    if standing.due_at is None or standing.answer is None or standing.due_at > now:
        return "older"
    return _decided(standing, wanted_for(standing, facts, rulebook, now), facts, rulebook, now)


def heard_of_mail(delivery: Delivery, standing: Standing) -> Standing:
    """What became of a mail: one that has gone stays a contact, one that reaches nobody is none any more."""
    if delivery.state in GONE:
        kind = standing.mail if delivery.kind == "none" else delivery.kind
        return standing._replace(mail_gone=True, mail=kind, mail_at=standing.mail_at or delivery.at)
    # whatever is decided while a mail is wanted makes a command of that number
    is_newest = standing.mail in MAILS and delivery.revision == standing.number
    reaches_nobody = delivery.state in NOT_GOING and is_newest and not standing.mail_gone
    return standing._replace(mail_at=None) if reaches_nobody else standing


def heard_of_task(task: Task, standing: Standing) -> Standing:
    """What became of a task: one that is done was a contact, also if it had been taken back too late."""
    done_at = task.updated_at if task.status == "done" else None
    return standing._replace(task_closed=task.status in CLOSED, task_at=standing.task_at or done_at)


def wanted_for(standing: Standing, facts: Facts, rulebook: Rulebook, now: datetime) -> Wanted:
    """What a playbook wants done about an answer that stands so, at this moment."""
    answer = standing.answer
    assert answer is not None  # only what has arrived is decided about
    taken_back = _taken_back(answer)
    if taken_back:
        open_yet = standing.mail in MAILS or standing.task == "open" or standing.due_at is not None
        gone = "its mail had gone" if standing.mail_gone else None
        outcome: Outcome = "withdrawn" if open_yet or answer.op == "retracted" else "suppressed"
        return Wanted(outcome, reason=taken_back, detail=gone)
    if standing.past:
        return Wanted("suppressed", reason="history")
    return wanted_by(_matched(answer, facts, rulebook, now), standing, facts, rulebook, now)


def wanted_by(match: Match, standing: Standing, facts: Facts, rulebook: Rulebook, now: datetime) -> Wanted:
    """The same where the playbook has been asked already, of an answer that is neither taken back nor past."""
    rule, notices = match.rule, tuple(match.notices)
    settled_at = settles_at(standing, rule, facts.comment)
    if settled_at is not None and rule is not None and now < settled_at:
        return Wanted("held", rule.action, rule, "settling", until=settled_at)
    if rule is None or rule.action == "none":
        return Wanted("none", rule=rule, notices=notices)
    if rule.action == "notify":
        return Wanted("action", "notify", rule, notices=notices)
    return _permitted(standing, match, facts, rulebook, now)


def _permitted(standing: Standing, match: Match, facts: Facts, rulebook: Rulebook, now: datetime) -> Wanted:
    """A rule's contact, or why there is none."""
    rule, notices = match.rule, tuple(match.notices)
    assert rule is not None  # matched
    found = _objection(standing, match, facts, rulebook, now)
    if found is None:
        return Wanted("action", rule.action, rule, notices=notices)
    if found.until is not None:
        return Wanted("held", rule.action, rule, found.reason, found.evidence, found.until)
    return Wanted("suppressed", "none", rule, found.reason, found.evidence, notices=notices)


def _objection(standing: Standing, match: Match, facts: Facts, rulebook: Rulebook, now: datetime) -> Objection | None:
    """Why a rule's contact must not be made. What has been made already meets no objection but erasure."""
    answer, rule = standing.answer, match.rule
    assert answer is not None  # matched
    assert rule is not None  # likewise
    if facts.person.erased:
        return Objection("erased")
    if _is_made(standing, rule.action):
        return None
    if rule.action in MAILS and standing.mail_gone:
        return Objection("already_sent", "the one mail of this answer has gone")
    if match.left and not answer.callback_requested:
        return Objection("left", "policy.left_when")
    return objection(answer, rule, facts, rulebook.policy, now)


def _is_made(standing: Standing, action: Action) -> bool:
    if action in MAILS:
        return standing.mail_gone and standing.mail == action
    return standing.task == "open" if action == "outreach" else standing.survey_at is not None


def _again(answer: Response, standing: Standing) -> Noted | Ignored:
    """The same revision once more. After a recovery what it says is not known any more, and is noted."""
    if standing.answer is None:
        past = standing.past or _belongs_to_the_past(answer, standing)
        received_at = standing.received_at or answer.received_at
        return Noted(standing._replace(answer=answer, digest=answer.digest, past=past, received_at=received_at))
    return "duplicate" if standing.digest == answer.digest else "conflict"


def _taken_back(answer: Response) -> Reason | None:
    return TAKEN_BACK.get(answer.op) or ("test" if answer.test else None)


def _belongs_to_the_past(answer: Response, standing: Standing) -> bool:
    """Whether a revision tells that its answer is past. On an answer that was live before the mark changes nothing."""
    before = standing.answer
    was_live = before is not None and not _taken_back(before)
    return not was_live and standing.mail is None and standing.task is None and is_past(answer)


def _matched(answer: Response, facts: Facts, rulebook: Rulebook, now: datetime) -> Match:
    return rulebook.match(answer, facts.person, facts.history, facts.comment, now.date())


def settles_at(standing: Standing, rule: Rule | None, comment: str) -> datetime | None:
    """Until when to wait for a comment or an edit; none if there is nothing to wait for, or it is done already."""
    answer = standing.answer
    if rule is None or not rule.settle or comment or standing.received_at is None:
        return None
    if answer is None or answer.callback_requested or _stands(standing, rule.action):
        return None
    return standing.received_at + rule.settle


def _stands(standing: Standing, action: Action) -> bool:
    """Whether what an action asks for is what is desired already."""
    return standing.mail == action if action in MAILS else action == "outreach" and standing.task == "open"


def _decided(standing: Standing, wanted: Wanted, facts: Facts, rulebook: Rulebook, now: datetime) -> Decided:
    """The decision that follows from what is wanted, and the standing and commands that follow from it."""
    standing = standing._replace(
        number=standing.number + 1,
        rule=wanted.rule.name if wanted.rule else None,
        due_at=wanted.until if wanted.outcome == "held" else None,
    )
    message, outreach = _message(standing, wanted, facts), _outreach(standing, wanted, now)
    notices = _notices(standing, wanted, now)
    after = _after(standing, wanted, (message, outreach, notices), now)
    return Decided(after, _decision(after, wanted, notices, rulebook, now), message, outreach, notices)


def _after(
    standing: Standing,
    wanted: Wanted,
    led_to: tuple[Message | None, OutreachRequest | None, tuple[Notice, ...]],
    now: datetime,
) -> Standing:
    """The standing once its commands are out: what is desired, and since when it is a contact."""
    message, outreach, notices = led_to
    mail, mail_at = standing.mail, standing.mail_at
    if message:
        mail = cast("Action", message.command)
        mail_at = None if mail == "none" else mail_at or now
    task, task_at, closed = standing.task, standing.task_at, standing.task_closed
    if outreach:
        task = outreach.command
        task_at = (task_at if closed else None) if task == "none" else task_at or now
        closed = closed and task == standing.task
    asked = wanted.outcome == "action" and wanted.action == "survey_request"
    return standing._replace(
        mail=mail,
        mail_at=mail_at,
        task=task,
        task_at=task_at,
        task_closed=closed,
        survey_at=standing.survey_at or (now if asked else None),
        told=(*standing.told, *(one.rule for one in notices if one.rule not in standing.told)),
    )


def _decision(
    standing: Standing, wanted: Wanted, notices: tuple[Notice, ...], rulebook: Rulebook, now: datetime
) -> Decision:
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
        playbook=rulebook.playbook.name,
        playbook_version=rulebook.version,
        reason=wanted.reason,
        until=wanted.until,
        detail=wanted.detail,
        notices=tuple(one.rule for one in notices if one.rule != standing.rule),
        channel=answer.channel,
        subject=answer.subject,
        account=standing.account,
        decided_at=now,
    )


def _message(standing: Standing, wanted: Wanted, facts: Facts) -> Message | None:
    """The mail that is wanted, or the withdrawal of one that was; none once it has gone."""
    answer = standing.answer
    assert answer is not None  # decided on
    if standing.mail_gone:
        return None
    message = Message(
        tenant=standing.tenant,
        response_id=standing.response_id,
        revision=standing.number,
        command="none",
        message_id=effect_id(standing.tenant, standing.response_id, "mail"),
        subject=answer.subject,
        reason=_taken_back_because(wanted),
    )
    if wanted.outcome == "action" and wanted.action in MAILS and wanted.rule:
        return message.model_copy(
            update={
                "command": wanted.action,
                "template": wanted.rule.template,
                "language": answer.language or facts.person.data.locale,
                "channel": answer.channel,
                "reason": None,
                "sealed": answer.sealed,
            }
        )
    return message if standing.mail in MAILS else None


def _taken_back_because(wanted: Wanted) -> Reason:
    return wanted.reason if wanted.reason and wanted.outcome != "held" else "changed"


def _outreach(standing: Standing, wanted: Wanted, now: datetime) -> OutreachRequest | None:
    """The task that is wanted, or the withdrawal of one that was."""
    if wanted.outcome == "action" and wanted.action == "outreach" and wanted.rule:
        return _open_task(standing, wanted.rule, now)
    if standing.task != "open":
        return None
    return OutreachRequest(
        tenant=standing.tenant,
        response_id=standing.response_id,
        revision=standing.number,
        command="none",
        task_id=effect_id(standing.tenant, standing.response_id, "task"),
        reason=_taken_back_because(wanted),
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
        priority=rule.urgency,
        owner=rule.owner,
        due_at=(standing.task_at or now) + rule.due_in,
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


def _notices(standing: Standing, wanted: Wanted, now: datetime) -> tuple[Notice, ...]:
    """What is told to whom: of each rule once, and not while the answer still settles."""
    if wanted.outcome == "held":
        return ()
    rules = list(wanted.notices)
    if wanted.outcome == "action" and wanted.action in {"notify", "survey_request"} and wanted.rule:
        rules.append(wanted.rule)
    asked = standing.survey_at is not None
    return tuple(
        _notice(standing, rule, now)
        for rule in rules
        if rule.name not in standing.told and not (rule.action == "survey_request" and asked)
    )


def _notice(standing: Standing, rule: Rule, now: datetime) -> Notice:
    answer = standing.answer
    assert answer is not None  # decided on
    asks = rule.action == "survey_request"
    return Notice(
        notice_id=effect_id(standing.tenant, standing.response_id, "survey" if asks else f"notice/{rule.name}"),
        tenant=standing.tenant,
        response_id=standing.response_id,
        kind="survey_request" if asks else "notify",
        rule=rule.name,
        to=rule.to,
        not_before=now + rule.ask_after if asks else None,
        metric=answer.metric,
        score=answer.score,
        rating=answer.rating,
        band=answer.band(),
        channel=answer.channel,
        touchpoint=answer.touchpoint,
        segments=answer.segments,
        answered_at=answer.answered_at,
        subject=answer.subject,
        sealed=answer.sealed,
    )


def _comment(
    comment: Response, standing: Standing, facts: Facts, rulebook: Rulebook, now: datetime
) -> Decided | Noted | Ignored:
    """A late comment ends a wait, reaches an open task, or has another rule decide; else it is only kept."""
    if standing.comment and comment.revision <= standing.comment.revision:
        return "duplicate" if comment.digest == standing.comment.digest else "older"
    noted = standing._replace(comment=comment)
    answer = standing.answer
    if answer is None or standing.past or _taken_back(answer):
        return Noted(noted)
    if standing.due_at is None and standing.task != "open" and not _says_more(standing, facts, rulebook, now):
        return Noted(noted)
    return _decided(noted, wanted_for(noted, facts, rulebook, now), facts, rulebook, now)


def _says_more(standing: Standing, facts: Facts, rulebook: Rulebook, now: datetime) -> bool:
    """Whether a late comment has another rule decide, or somebody told who has not been."""
    assert standing.answer is not None  # decided on
    match = _matched(standing.answer, facts, rulebook, now)
    untold = [rule for rule in match.notices if rule.name not in standing.told]
    return bool(untold) or (match.rule.name if match.rule else None) != standing.rule
