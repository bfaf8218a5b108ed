"""`nps import`: shows what a file is taken for, asks, and takes it in with a bar that tells how far it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from schemas.malformed import Malformed
from services.chassis.clock import SystemClock
from services.chassis.settings import load
from services.console import environment
from services.console.answers import AsJson, Tenant
from services.console.serving import Exit, business_of
from services.console.showing import err, fail, finish, out, show_json, table_of

if TYPE_CHECKING:
    from services.intake.importing import Import, Report, Wishes

REASONS_SHOWN: Final = 20
LEFT_OUT: Final = "(left out)"


def register(app: typer.Typer) -> None:
    """Adds this command."""
    app.command("import")(import_file)


def import_file(  # noqa: PLR0913 each is an option of the command
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV, NDJSON, Parquet or XLSX")],
    tenant: Tenant = "default",
    *,
    fields: Annotated[
        list[str] | None, typer.Option("--map", help="column=field, or column= to leave it out; may be repeated")
    ] = None,
    segment: Annotated[list[str] | None, typer.Option(help="a column that becomes a segment")] = None,
    attribute: Annotated[list[str] | None, typer.Option(help="a column kept with the person, for templates")] = None,
    sheet: Annotated[str | None, typer.Option(help="of a workbook; else its first")] = None,
    encoding: Annotated[str | None, typer.Option(help="of a CSV that is not Unicode: windows-1250 and so on")] = None,
    date_format: Annotated[str | None, typer.Option(help="dmy, mdy, ymd or a pattern such as %d.%m.%y")] = None,
    act: Annotated[bool, typer.Option("--act", help="as live answers, which people are contacted for")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="read all of it, let nothing in, say what would be")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    as_json: AsJson = False,
) -> None:
    """Import answers: as history, which is counted and contacts nobody, or with --act as live ones.

    Columns are recognised by their names and shown before anything starts. Bad rows go to a reject file. Cut short,
    the same command goes on where it stopped.
    """
    from services.intake.importing import Import  # noqa: PLC0415 each command loads what it needs

    environment.adopt()
    _check_options(encoding, date_format)
    what = Import(
        path=file,
        tenant=tenant,
        act=act,
        wishes=_wishes(fields, segment, attribute),
        sheet=sheet,
        encoding=encoding,
        date_order=date_format,
        dry_run=dry_run,
    )
    _show_preview(what)
    if not (yes or dry_run):
        typer.confirm("Import it so?", abort=True, err=True)
    report = finish(_imported(what))
    if as_json:
        show_json(_told(report))
    else:
        _show(report, dry_run=dry_run)
    if report.rejected:
        raise typer.Exit(Exit.REFUSED)


def _check_options(encoding: str | None, date_format: str | None) -> None:
    from services.intake.importing import ENCODINGS, ORDERS  # noqa: PLC0415 each command loads what it needs

    if encoding is not None and encoding not in ENCODINGS:
        raise fail(f"--encoding {encoding}: one of {', '.join(ENCODINGS)}", Exit.USAGE)
    if date_format is not None and date_format not in ORDERS and "%" not in date_format:
        raise fail(f"--date-format {date_format}: one of {', '.join(ORDERS)}, or a pattern with %", Exit.USAGE)


def _wishes(fields: Sequence[str] | None, segments: Sequence[str] | None, attributes: Sequence[str] | None) -> Wishes:
    from services.intake.importing import Wishes  # noqa: PLC0415 each command loads what it needs

    return Wishes(dict(map(_mapped, fields or ())), tuple(segments or ()), tuple(attributes or ()))


def _mapped(text: str) -> tuple[str, str]:
    """Columns may have equals signs in their names, fields have none."""
    column, separator, name = text.rpartition("=")
    if not separator:
        raise fail(f"--map {text}: must be column=field", Exit.USAGE)
    return column, name


def _show_preview(what: Import) -> None:
    """The table stands on standard error: what a program reads is the report."""
    from services.intake.importing import preview  # noqa: PLC0415 each command loads what it needs

    try:
        seen = preview(what)
    except Malformed as error:
        raise fail(str(error), Exit.REFUSED) from error
    rows = ((one.column, one.target or LEFT_OUT, ", ".join(one.samples)) for one in seen)
    err.print(table_of(what.path.name, ("column", "is taken for", "for example"), rows))


async def _imported(what: Import) -> Report:
    from services.intake import commands  # noqa: PLC0415 each command loads what it needs
    from services.intake.settings import IntakeSettings  # noqa: PLC0415 each command loads what it needs

    settings = load(IntakeSettings)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        bar = progress.add_task("importing", total=None)

        def tell(report: Report, read: int, size: int) -> None:
            told = f"{report.rows} rows, {report.rejected} rejected"
            progress.update(bar, completed=read, total=size or None, description=told)

        return await commands.import_file(settings, business_of(settings), SystemClock(), what, tell)


def _told(report: Report) -> dict[str, object]:
    return {
        "rows": report.rows,
        "accepted": report.accepted,
        "rejected": report.rejected,
        "reject_file": str(report.rejects) if report.rejects else None,
        "resumed_at": report.resumed_at,
        "waited_s": round(report.waited.total_seconds(), 1),
        "reasons": dict(report.reasons.most_common()),
    }


def _show(report: Report, *, dry_run: bool) -> None:
    told = ("would be accepted", "would be rejected") if dry_run else ("accepted", "rejected")
    went_on = f", {report.resumed_at} of them earlier" if report.resumed_at else ""
    out.print(f"{report.rows} rows{went_on}: {report.accepted} {told[0]}, {report.rejected} {told[1]}", highlight=False)
    if report.waited:
        out.print(f"waited {report.waited.total_seconds():.0f} s for live answers", highlight=False)
    if report.reasons:
        out.print(table_of("reasons", ("rows", "reason"), _by_number(report)))
    if report.rejects:
        out.print(f"rejected rows with their reasons: {report.rejects}", highlight=False)


def _by_number(report: Report) -> list[tuple[int, str]]:
    return [(number, reason) for reason, number in report.reasons.most_common(REASONS_SHOWN)]
