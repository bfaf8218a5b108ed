"""The command that shows scores: as a table, as JSON, and as they change."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Annotated, Final, Literal

import typer
from rich.live import Live

from schemas.score import Score
from schemas.tally import ALL
from schemas.topics import SCORES
from services.chassis.clock import SystemClock
from services.chassis.kafka import Kafka
from services.chassis.settings import ServiceSettings, load
from services.console import environment, topic_views, trends
from services.console.showing import finish, out, show_json, show_table, table_of

COLUMNS: Final = ("tenant", "segment", "window", "n", "NPS", "interval", "change", "as of")
TRENDS_EVERY: Final = timedelta(minutes=1)
TREND: Final = f"{trends.DAYS} days"

Wanted = Callable[[Score], bool]
Key = tuple[str, str, str]
"""Tenant, segment and window."""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(scores)


def scores(  # noqa: PLR0913 each is an option of the command
    tenant: Annotated[str | None, typer.Option(help="one tenant alone")] = None,
    segment: Annotated[str | None, typer.Option(help="one segment alone, for example all or channel=email")] = None,
    window: Annotated[str | None, typer.Option(help="one window alone, for example 30d or month.2026-05")] = None,
    series: Annotated[
        Literal["all", "latest"] | None, typer.Option(help="every answer, or each subject's latest alone")
    ] = None,
    *,
    closed: Annotated[bool, typer.Option("--closed", help="also calendar windows whose period is over")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="go on as scores change, until Ctrl-C")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output; a line each with --watch")] = False,
) -> None:
    """Show scores as they were last published, with the last thirty days of each segment where scoring answers."""
    environment.adopt()

    def fits(score: Score) -> bool:
        has = (score.tenant, score.segment, score.window.name, score.series)
        return all(given in {None, one} for given, one in zip((tenant, segment, window, series), has, strict=True))

    def wanted(score: Score) -> bool:
        return fits(score) and (score.window.state == "open" or closed or window is not None)

    kafka = Kafka(load(ServiceSettings))
    if watch and out.is_terminal and not as_json:
        finish(_redraw(kafka, fits, wanted))
    elif watch:
        finish(_follow(kafka, wanted, said=Score.model_dump_json if as_json else line))
    elif as_json:
        show_json(sorted(finish(topic_views.newest(kafka, SCORES, wanted)), key=_order))
    else:
        found, lines = finish(_shown(kafka, wanted))
        show_table("scores", _columns(lines), _rows(found, lines))


async def _shown(kafka: Kafka, wanted: Wanted) -> tuple[list[Score], Mapping[trends.Of, str]]:
    found = sorted(await topic_views.newest(kafka, SCORES, wanted), key=_order)
    return found, await trends.trends(map(_of, found), SystemClock().now())


async def _follow(kafka: Kafka, wanted: Wanted, said: Callable[[Score], str]) -> None:
    async for changed in topic_views.changes(kafka, SCORES, wanted):
        for score in sorted(changed, key=_order):
            sys.stdout.write(said(score) + "\n")
        sys.stdout.flush()


async def _redraw(kafka: Kafka, fits: Wanted, wanted: Wanted) -> None:
    """Draws anew as scores change; days are asked for once a minute."""
    standing: dict[Key, Score] = {}
    clock, lines, due = SystemClock(), dict[trends.Of, str](), None
    with Live(console=out, auto_refresh=False, vertical_overflow="ellipsis") as live:
        async for changed in topic_views.changes(kafka, SCORES, fits):
            standing |= {(score.tenant, score.segment, score.window.name): score for score in changed}
            found = sorted(filter(wanted, standing.values()), key=_order)
            if due is None or clock.now() >= due:
                lines = dict(await trends.trends(map(_of, found), clock.now()))
                due = clock.now() + TRENDS_EVERY
            live.update(table_of("scores", _columns(lines), _rows(found, lines)), refresh=True)


def line(score: Score) -> str:
    """A score on one line, where nobody reads on a terminal."""
    return "  ".join(str(cell) for cell in _row(score) if cell != "")


def _columns(lines: Mapping[trends.Of, str]) -> tuple[str, ...]:
    return (*COLUMNS, TREND) if lines else COLUMNS


def _rows(found: Iterable[Score], lines: Mapping[trends.Of, str]) -> Iterable[tuple[object, ...]]:
    for score in found:
        yield (*_row(score), lines.get(_of(score), "")) if lines else _row(score)


def _of(score: Score) -> trends.Of:
    return score.tenant, score.segment, score.series


def _order(score: Score) -> tuple[object, ...]:
    """By tenant, all answers before segments, the shortest window first; calendar windows last."""
    span = score.window.end - score.window.start if score.window.start else None
    calendar = score.window.kind == "calendar"
    seconds = span.total_seconds() if span else float("inf")
    return score.tenant, score.segment != ALL, score.segment, calendar, seconds, score.window.name


def _row(score: Score) -> tuple[object, ...]:
    interval = f"{round(score.interval.low)} to {round(score.interval.high)}" if score.interval else ""
    verdict = ""
    if score.verdict and score.verdict.delta is not None:
        verdict = f"{score.verdict.direction.replace('_', ' ')} ({score.verdict.delta:+.0f})"
    points = "" if score.nps is None else str(round(score.nps))
    state = "" if score.window.state == "open" else f" ({score.window.state})"
    at = f"{score.as_of:%Y-%m-%d %H:%M}Z"
    return score.tenant, score.segment, score.window.name + state, score.n, points, interval, verdict, at
