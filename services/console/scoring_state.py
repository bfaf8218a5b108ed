"""Commands about what scoring keeps: whether its counts are right, which generations there are."""

from __future__ import annotations

import importlib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.chassis.clock import SystemClock
from services.chassis.settings import load
from services.console import environment
from services.console.answers import AsJson
from services.console.serving import Exit, business_of, settings_of
from services.console.showing import bar, finish, out, show_json, show_table

if TYPE_CHECKING:
    from services.scoring.recount import Compared
    from services.scoring.snapshots import Snapshot
    from services.scoring.verifying import Verified

scoring = typer.Typer(help="What scoring keeps.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.add_typer(scoring, name="scoring")


def _of(function: str, *arguments: Any) -> Any:  # a command of scoring's, loaded when it is asked for
    environment.adopt()
    return finish(_call(function, arguments))


async def _call(function: str, arguments: tuple[Any, ...]) -> Any:  # whatever that command returns
    commands = importlib.import_module("services.scoring.commands")
    settings = load(settings_of("scoring"))
    return await getattr(commands, function)(settings, business_of(settings), SystemClock(), *arguments)


@scoring.command("generations")
def generations(*, as_json: AsJson = False) -> None:
    """List generations of counts: how far each has been announced, which is shown, which the business file asks for."""
    found = _of("generations")
    if as_json:
        show_json([asdict(one) | {"since": one.since and one.since.isoformat()} for one in found])
        return
    rows = (
        (
            one.generation,
            one.series,
            f"{one.announced} of {one.partitions}" if one.announced else "none",
            one.counted,
            one.since and f"{one.since:%Y-%m-%d %H:%M}Z",
            "yes" if one.shown else "",
            "yes" if one.asked else "",
        )
        for one in found
    )
    show_table("generations", ("generation", "series", "announced", "counted", "since", "shown", "asked for"), rows)


@scoring.command("prune")
def prune(
    generation: Annotated[str | None, typer.Argument(help="this one alone; else all that nobody needs")] = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """End generations that are neither shown nor asked for: what was published of them is deleted."""
    names = _of("prunable", generation)
    if not names:
        out.print("no generation to end")
        return
    if not yes:
        typer.confirm(f"Delete the counts of {', '.join(names)}? To go back to them means to count anew.", abort=True)
    for name in names:
        with bar(f"ending {name}") as tell:
            number = _of("prune", name, tell)
        out.print(
            f"ended: {name}, {number} records; its folders tally/{name} and people/{name} may go", highlight=False
        )


@scoring.command("snapshot")
def snapshot(folder: Annotated[Path, typer.Argument(help="where to write it; made if need be")]) -> None:
    """Save what this replica has counted, while it stands still. A lost disk then costs the time since."""
    _tell_partitions("saved", _of("snapshot", folder))


@scoring.command("restore")
def restore(
    folder: Annotated[Path, typer.Argument(help="a snapshot")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """Put a snapshot in place of what this replica has counted. Counting goes on from its offsets."""
    if not yes:
        typer.confirm("This replaces what is counted here. Go on?", abort=True)
    _tell_partitions("restored", _of("restore", folder))


def _tell_partitions(what: str, found: Snapshot) -> None:
    for one in found.partitions:
        out.print(f"{what}: {one.folder}, counted up to offset {one.position}", highlight=False)


@scoring.command("verify")
def verify(
    segments: Annotated[int, typer.Option(min=0, max=1_000, help="how many, taken by chance")] = 10,
    segment: Annotated[list[str] | None, typer.Option(help="this one, may be repeated; none by chance then")] = None,
    tenant: Annotated[str | None, typer.Option(help="of one tenant alone")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Recount a sample of segments from the answers themselves, and compare cell by cell with what is shown."""
    from services.scoring.commands import Sample  # noqa: PLC0415 each command loads what it needs

    with bar("recounting") as tell:
        found = _of("verify", Sample(segment or (), segments, tenant), tell)
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
