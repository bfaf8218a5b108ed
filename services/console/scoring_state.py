"""Commands about what scoring keeps: whether its counts are right, which generations there are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from services.chassis.clock import SystemClock
from services.chassis.settings import load
from services.console import environment
from services.console.answers import AsJson
from services.console.serving import Exit, business_of
from services.console.showing import err, finish, out, show_json, show_table

if TYPE_CHECKING:
    from services.scoring.recount import Compared
    from services.scoring.verifying import Tell, Verified

scoring = typer.Typer(help="What scoring keeps.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.add_typer(scoring, name="scoring")


@contextmanager
def bar(what: str) -> Iterator[Tell]:
    """A bar that tells how far something is, where somebody reads on a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, of: progress.update(task, completed=done, total=of)


@scoring.command("verify")
def verify(
    segments: Annotated[int, typer.Option(min=0, max=1_000, help="how many, taken by chance")] = 10,
    segment: Annotated[list[str] | None, typer.Option(help="this one, may be repeated; none by chance then")] = None,
    tenant: Annotated[str | None, typer.Option(help="of one tenant alone")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Recount a sample of segments from the answers themselves, and compare cell by cell with what is shown."""
    from services.scoring import commands  # noqa: PLC0415 each command loads what it needs
    from services.scoring.settings import ScoringSettings  # noqa: PLC0415

    environment.adopt()

    async def work() -> Verified:
        settings = load(ScoringSettings)
        sample = commands.Sample(segment or (), segments, tenant)
        with bar("recounting") as tell:
            return await commands.verify(settings, business_of(settings), SystemClock(), sample, tell)

    found = finish(work())
    if as_json:
        show_json(_as_json(found))
    else:
        _tell(found)
    if found.different:
        raise typer.Exit(Exit.FAILED)


def _tell(found: Verified) -> None:
    cells = " and ".join(f"{number} cells of series {series}" for series, number in found.cells.items())
    out.print(
        f"generation {found.generation}: {found.answers} records recounted, {cells or 'no cells'} of "
        f"{len(found.segments)} segments compared; {found.changed} changed meanwhile, {len(found.different)} differ",
        highlight=False,
    )
    if found.different:
        columns = ("series", "tenant", "segment", "day", "partition", "offset", "recounted", "published")
        show_table("cells that differ", columns, (tuple(_row(cell).values()) for cell in found.different))
    else:
        shown = ", ".join(f"{tenant}/{segment}" for tenant, segment in found.segments)
        out.print(f"right: {shown}", highlight=False, markup=False)


def _row(cell: Compared) -> dict[str, object]:
    place, published = cell.place, cell.published
    return {
        "series": place.series,
        "tenant": place.tenant,
        "segment": place.segment,
        "day": place.day,
        "partition": place.partition,
        "offset": published.offset if published else None,
        "recounted": sum(cell.recounted.values()),
        "published": sum(published.counts.values()) if published else None,
    }


def _as_json(found: Verified) -> dict[str, object]:
    return {
        "generation": found.generation,
        "segments": [{"tenant": tenant, "segment": segment} for tenant, segment in found.segments],
        "answers": found.answers,
        "cells": found.cells,
        "changed_meanwhile": found.changed,
        "different": [_row(cell) for cell in found.different],
    }
