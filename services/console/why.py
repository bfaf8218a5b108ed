"""Why an answer got what it got, in one paragraph: what routing decided, on what evidence, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import typer

from schemas.decision import Decision
from schemas.delivery import Delivery
from schemas.response import Response
from schemas.task import Task
from services.chassis.kafka import Kafka
from services.chassis.settings import ServiceSettings, load
from services.console import environment, topic_views
from services.console.answers import AsJson, Tenant
from services.console.serving import Exit
from services.console.showing import fail, finish, out, show_json
from services.console.topic_views import Told

REASONS: Final[Mapping[str, str]] = {
    "consent": "there is no ground to write to them",
    "opt_out": "they do not want to be contacted so",
    "bounced": "mail to them bounces",
    "cap": "they were contacted often enough lately",
    "quiet_hours": "it is a quiet hour where they are",
    "budget": "the budget for it is spent",
    "hold_out": "they are in the group that gets nothing, for comparison",
    "no_address": "there is no address to write to",
    "paused": "delivery was paused",
    "allow_list": "their address is not on the allow-list",
    "test": "the answer is a test",
    "excluded": "the answer was excluded",
    "retracted": "the answer was taken back",
    "changed": "the answer was changed",
    "history": "the answer belongs to the past, which is never contacted",
    "stale": "routing came to it too late to write",
    "erased": "the person was erased",
    "left": "they are no customer any more",
    "already_sent": "the one mail of this answer has gone already",
    "too_late": "it had gone before the answer was changed",
    "settling": "a comment or an edit may follow",
}

ACTIONS: Final[Mapping[str, str]] = {
    "perk": "a perk by mail",
    "offer": "an offer by mail",
    "outreach": "a task",
    "survey_request": "a survey request",
    "notify": "a notice",
    "none": "nothing",
}

MAILS: Final[Mapping[str, str]] = {
    "planned": "waits to be sent",
    "sending": "is being sent",
    "accepted": "was taken by the provider",
    "delivered": "was delivered",
    "bounced": "bounced",
    "dropped": "was dropped by the provider",
    "spam": "was marked as spam",
    "unsubscribed": "was delivered, and they unsubscribed",
    "unknown": "may or may not have gone out: only a person sends it again",
    "refused": "was refused by the provider",
    "suppressed": "was not sent",
    "withdrawn": "was withdrawn before it went",
}


def register(app: typer.Typer) -> None:
    """Adds this command."""
    app.command()(why)


def why(
    response_id: Annotated[str, typer.Argument(help="the answer's id")],
    tenant: Tenant = "default",
    *,
    as_json: AsJson = False,
) -> None:
    """Say in one paragraph why an answer got what it got."""
    environment.adopt()
    told = finish(topic_views.told_about(Kafka(load(ServiceSettings)), tenant, response_id))
    if not told:
        raise fail(f"no answer {response_id} of tenant {tenant}; dead letters: nps dlq list", Exit.REFUSED)
    paragraph = explained(response_id, told)
    if as_json:
        show_json({"response_id": response_id, "why": paragraph})
    else:
        out.print(paragraph, highlight=False, soft_wrap=False)


def explained(response_id: str, told: Sequence[Told]) -> str:
    """The paragraph, from everything that was published about an answer, in any order."""
    payloads = [one.payload for one in told]
    answers = [one for one in payloads if isinstance(one, Response) and one.op != "commented"]
    decisions = sorted((one for one in payloads if isinstance(one, Decision)), key=lambda one: one.number)
    sentences = [_answered(response_id, answers)]
    sentences += [_decided(one) for one in decisions] or ["Nothing has been decided about it yet."]
    mail = max((one for one in payloads if isinstance(one, Delivery)), key=lambda one: one.version, default=None)
    if mail:
        because = f", as {REASONS.get(mail.reason, mail.reason)}" if mail.reason else ""
        sentences.append(f"The mail {MAILS[mail.state]} ({mail.at:%Y-%m-%d %H:%M}Z){because}.")
    task = max((one for one in payloads if isinstance(one, Task)), key=lambda one: one.version, default=None)
    if task:
        sentences.append(_task(task))
    return " ".join(sentences)


def _answered(response_id: str, answers: Sequence[Response]) -> str:
    if not answers:
        return f"{response_id} is known by what followed alone."
    newest = max(answers, key=lambda one: one.revision)
    given = f"score {newest.score}" if newest.score is not None else newest.metric
    if newest.rating is not None:
        given = f"{newest.metric} {newest.rating:g}"
    band = f", a {newest.band()}'s answer" if newest.band() else ""
    number = f" in {len(answers)} revisions" if len(answers) > 1 else ""
    by = f" by {newest.channel}" if newest.channel else ""
    return f"{response_id} ({given}{band}) came{by}{number}, given {newest.answered_at:%Y-%m-%d %H:%M}Z."


def _decided(decision: Decision) -> str:
    version = f" {decision.playbook_version}" if decision.playbook_version else ""
    rule = f"rule {decision.rule}" if decision.rule else "no rule"
    who = f"{decision.decided_at:%Y-%m-%d %H:%M}Z: {rule} of playbook {decision.playbook}{version}"
    because = f", as {REASONS[decision.reason]}" if decision.reason else ""
    evidence = f" ({decision.detail})" if decision.detail else ""
    notices = f"; {', '.join(decision.notices)} told somebody" if decision.notices else ""
    match decision.outcome:
        case "action":
            what = f"asked for {ACTIONS[decision.action]}"
        case "held":
            until = f" until {decision.until:%Y-%m-%d %H:%M}Z" if decision.until else ""
            what = f"holds {ACTIONS[decision.action]}{until}"
        case "none":
            what = "asked for nothing"
        case "withdrawn":
            who, what = f"{decision.decided_at:%Y-%m-%d %H:%M}Z: routing", "took back what had not gone out"
        case _:
            what = "was not followed" if decision.rule else "decided nothing"
    return f"{who} {what}{because}{evidence}{notices}."


def _task(task: Task) -> str:
    owner = f" with {task.owner}" if task.owner else ""
    because = f", as {REASONS[task.reason]}" if task.reason else ""
    outcome = f", {task.outcome.replace('_', ' ')}" if task.outcome else ""
    return (
        f"The task{owner}, {task.priority}, due {task.due_at:%Y-%m-%d %H:%M}Z, "
        f"is {task.status.replace('_', ' ')}{outcome}{because}."
    )
