"""A tenant's view as JSON: the whole of it, or what changed since a version.

Lists hold what changed, each with its key; any other member replaces what was told before. Numbers are unrounded.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import date, datetime
from statistics import NormalDist
from typing import Any, Final, NamedTuple

from schemas.tally import ALL
from services.monitor.answers import TAKES_BACK, Answer, Followed
from services.monitor.daily_bands import DailyBands
from services.monitor.fates import counted, steps
from services.monitor.open_tasks import NEXT, OpenTask
from services.monitor.silence import Facts, why_nothing
from services.monitor.view import Part, View

CALENDAR: Final = re.compile(r"(day|week|month|quarter|year)\.")
"""How windows are called that follow the calendar."""

LISTED: Final = 50
"""Answers in the list; the others count in what became of them."""

Tree = dict[str, Any]  # JSON of any shape


class Choice(NamedTuple):
    """What somebody looks at. With no window named, one is chosen."""

    tenant: str
    segment: str = ALL
    window: str | None = None


class _Asked(NamedTuple):
    view: View
    choice: Choice
    now: datetime
    since: int


def changes(view: View, choice: Choice, now: datetime, since: int = 0) -> Tree:
    """What changed since a version; since 0 it is everything."""
    if since < view.shrunk(choice.tenant):
        since = 0
    asked = _Asked(view, settled(view, choice), now, since)
    found: Tree = {
        "version": view.version,
        "whole": not since,
        "complete": view.complete,
        "now": iso(now),
        "choice": asked.choice._asdict(),
    }
    parts = [part for part in _PARTS if not since or view.version_of(choice.tenant, part) > since]
    for part in parts:
        found |= _PARTS[part](asked)
    found["reasons"] = [asdict(reason) for reason in why_nothing(_facts(asked))]
    return found


def settled(view: View, choice: Choice) -> Choice:
    """The same choice with a window, if there is any to choose; another one where its period has ended."""
    if choice.window and (is_there(view, choice) or not CALENDAR.match(choice.window)):
        return choice
    return choice._replace(window=view.scores.preferred(choice.tenant, choice.segment) or choice.window)


def is_there(view: View, choice: Choice) -> bool:
    """Whether what was chosen has a score."""
    return choice.window is not None and view.scores.of(choice.tenant, choice.segment, choice.window) is not None


def is_answered(view: View, choice: Choice) -> bool:
    """Whether what was chosen holds any answers."""
    shown = view.scores.of(choice.tenant, choice.segment, choice.window) if choice.window else None
    return shown is not None and shown.n > 0


def _scores(asked: _Asked) -> Tree:
    tenant, segment, window = asked.choice
    scores = asked.view.scores
    windows = [shown for shown in scores.windows(tenant, segment) if shown.changed > asked.since]
    rows = scores.segments(tenant, window, asked.since) if window else []
    return {
        "windows": [_with_margin(shown.whole()) for shown in windows],
        "segments": [
            {
                "segment": row.segment,
                "n": row.n,
                "nps": row.nps,
                "low": row.low,
                "high": row.high,
                "enough": row.enough,
            }
            for row in rows
        ],
    }


def _with_margin(score: Tree) -> Tree:
    """The score, its verdict completed by how far the difference may be off, in points: what `z` says, made visible."""
    verdict, interval = score["verdict"], score["interval"]
    if verdict and interval and verdict["delta"] and verdict["z"]:
        quantile = NormalDist().inv_cdf(0.5 + interval["level"] / 2)
        verdict["margin"] = quantile * abs(verdict["delta"] / verdict["z"])
    return score


def _days(asked: _Asked) -> Tree:
    """The bands by day of the segment, or of all answers where its days are not kept; none while they are read."""
    tenant, segment, _ = asked.choice
    if not asked.view.days_complete:
        return {"days": None}
    shown = segment if (tenant, segment) in asked.view.days else ALL
    days = list(asked.view.days.get((tenant, shown), DailyBands()).until(asked.now.date().toordinal()))
    return {
        "days": {
            "segment": shown,
            "first": date.fromordinal(days[0][0]).isoformat(),
            "promoters": [bands.promoters for _, bands in days],
            "passives": [bands.passives for _, bands in days],
            "detractors": [bands.detractors for _, bands in days],
        }
    }


def _answers(asked: _Asked) -> Tree:
    answers = asked.view.answers.of(asked.choice.tenant, asked.choice.segment)
    listed = [(followed, answer) for followed, answer in answers[:LISTED] if followed.changed > asked.since]
    return {
        "answers": [_answer(followed, answer) for followed, answer in listed],
        "became": {
            "answers": len(answers),
            "places": [asdict(count) for count in counted(followed for followed, _ in answers)],
        },
    }


def _answer(followed: Followed, answer: Answer) -> Tree:
    return {
        "id": followed.response_id,
        "place": followed.place and [iso(followed.place[0]), followed.place[1]],
        "op": answer.op,
        "metric": answer.metric,
        "score": answer.score,
        "rating": answer.rating,
        "band": answer.band,
        "channel": answer.channel,
        "touchpoint": answer.touchpoint,
        "segments": answer.segments,
        "test": answer.test,
        "history": answer.history,
        "at": iso(answer.at),
        "steps": [step._asdict() for step in steps(followed)],
    }


def _tasks(asked: _Asked) -> Tree:
    tasks = asked.view.tasks.of(asked.choice.tenant)
    by_priority = Counter(task.priority for task in tasks)
    return {
        "tasks": {
            "open": len(tasks),
            "overdue": sum(task.due_at < asked.now for task in tasks),
            "by_priority": by_priority,
            "next": [_task(task, asked.now) for task in tasks[:NEXT]],
        }
    }


def _task(task: OpenTask, now: datetime) -> Tree:
    return {**asdict(task), "due_at": iso(task.due_at), "overdue": task.due_at < now}


def _alerts(asked: _Asked) -> Tree:
    mine = [alert for (tenant, _), alert in asked.view.alerts.items() if tenant == asked.choice.tenant]
    newest_first = sorted(mine, key=lambda alert: alert.opened_at, reverse=True)
    return {
        "alerts": [
            {"segment": alert.segment, "rule": alert.rule, "text": alert.text, "opened_at": iso(alert.opened_at)}
            for alert in newest_first
        ]
    }


def _pipeline(asked: _Asked) -> Tree:
    pipeline = asked.view.pipeline
    latest = pipeline.latest
    return {
        "pipeline": {
            "kafka_away": pipeline.kafka_away,
            "groups": [
                {"group": group.group, "lag": group.records, "started": group.started} for group in pipeline.groups
            ],
            "rebuilt": pipeline.rebuilt,
            "dead_letters": pipeline.dead_letters,
            "dead": pipeline.dead,
            "latest": {"topic": latest.topic, "reason": latest.reason, "at": iso(latest.at)} if latest else None,
            "left_out": asked.view.left_out(),
        }
    }


_PARTS: Final[Mapping[Part, Callable[[_Asked], Tree]]] = {
    "scores": _scores,
    "days": _days,
    "answers": _answers,
    "tasks": _tasks,
    "alerts": _alerts,
    "pipeline": _pipeline,
}


def iso(moment: datetime) -> str:
    """A moment as JSON has it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _facts(asked: _Asked) -> Facts:
    view, (tenant, segment, window) = asked.view, asked.choice
    pipeline, latest = view.pipeline, view.pipeline.latest
    answers = [answer for _, answer in view.answers.of(tenant, segment)]
    kept = [answer for answer in answers if answer.op not in TAKES_BACK]
    shown = view.scores.of(tenant, segment, window) if window else None
    return Facts(
        kafka_away=pipeline.kafka_away,
        missing_topics=pipeline.missing,
        reading=not view.complete,
        on_topic=pipeline.answers,
        answers=len(answers),
        counting=sum(answer.counts() for answer in kept),
        tests=sum(answer.test for answer in kept),
        taken_back=len(answers) - len(kept),
        shown=shown.n if shown else None,
        all_time=max((one.n for one in view.scores.windows(tenant, segment)), default=0),
        scoring_lag=pipeline.scoring_lag,
        dead_letters=pipeline.dead_letters,
        latest_letter=f"{latest.reason} ({latest.topic})" if latest else None,
    )
