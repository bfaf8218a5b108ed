"""Commands about forms: links for one, for many and for a mailing, and the row of numbers for a mail."""

from __future__ import annotations

import secrets
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from services.chassis.clock import SystemClock
from services.chassis.settings import load
from services.console import environment
from services.console.answers import AsJson, Tenant
from services.console.serving import Exit, business_of
from services.console.showing import fail, finish, out, show_json

if TYPE_CHECKING:
    from services.intake.forms.making import Made, Written

DEFAULT_DAYS: Final = 30
ONE_ANSWER: Final = "email"
MANY_ANSWERS: Final = "event"
ID_BYTES: Final = 16

links = typer.Typer(help="Links to the form that people answer on.", no_args_is_help=True)

Language = Annotated[str | None, typer.Option(help="en, cs, pl, fi, ru or zh; else what the browser asks for")]


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.add_typer(links, name="links")


@links.command("create")
def create_links(  # noqa: PLR0913 each is an option of the command
    *,
    tenant: Tenant = "default",
    channel: Annotated[str | None, typer.Option(help="email, or event with --many, if left out")] = None,
    touchpoint: Annotated[str | None, typer.Option(help="what the customer had just done")] = None,
    survey: Annotated[str | None, typer.Option(help="one person has one answer in it, however many links")] = None,
    language: Language = None,
    customer_id: Annotated[str | None, typer.Option(help="who is asked")] = None,
    email: Annotated[str | None, typer.Option(help="who is asked")] = None,
    phone: Annotated[str | None, typer.Option(help="who is asked")] = None,
    name: Annotated[str | None, typer.Option(help="who is asked")] = None,
    agent: Annotated[str | None, typer.Option(help="who served the customer, or enters answers")] = None,
    team: Annotated[str | None, typer.Option(help="of that agent")] = None,
    segment: Annotated[list[str] | None, typer.Option(help="key=value, may be repeated")] = None,
    days: Annotated[int, typer.Option(min=1, max=400, help="until the link expires")] = DEFAULT_DAYS,
    csv: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="a link for each row")] = None,
    into: Annotated[Path | None, typer.Option(help="where to write these rows; else beside the file")] = None,
    many: Annotated[bool, typer.Option("--many", help="takes one answer after the other")] = False,
    test: Annotated[bool, typer.Option("--test", help="a trial: counts nowhere and reaches nobody")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a link to the form, or with --csv one for each row of a file.

    Columns are named as the fields of an answer, segments as segment.<name>; others are kept and passed over.
    """
    asked: dict[str, Any] = {  # fields of a link, checked by its model
        "channel": channel or (MANY_ANSWERS if many else ONE_ANSWER),
        "touchpoint": touchpoint,
        "survey_id": survey,
        "language": language,
        "customer_id": customer_id,
        "email": email,
        "phone": phone,
        "name": name,
        "agent": {"id": agent, "team": team} if agent else None,
        "segments": dict(_pair(text) for text in segment or ()),
        "test": test,
    }
    if team and not agent:
        raise fail("--team: of which --agent?", Exit.USAGE)
    if csv and many:
        raise fail("--many: of no use with --csv, where each row has a link of its own", Exit.USAGE)
    if csv:
        target = into or csv.with_name(f"{csv.stem}.links.csv")
        _show_written(finish(_written(tenant, asked, days, (csv, target))), as_json=as_json)
        return
    _show_made(finish(_made(tenant, asked, days, many=many)), as_json=as_json)


@links.command("row")
def show_row(
    link: Annotated[str, typer.Argument(help="a link, or the placeholder that a mailing program fills in")],
    language: Annotated[str | None, typer.Option(help="en, cs, pl, fi, ru or zh; English if left out")] = None,
    brand: Annotated[str | None, typer.Option(help="what the question asks about; else it asks about us")] = None,
) -> None:
    """Print the question and its numbers as HTML to paste into any mail."""
    from services.intake.forms.making import row_html  # noqa: PLC0415 each command loads what it needs

    async def work() -> str:
        return row_html(link, brand, language)

    sys.stdout.write(finish(work()))


def _pair(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator:
        raise fail(f"--segment {text}: must be key=value", Exit.USAGE)
    return key, value


async def _made(tenant: str, asked: dict[str, Any], days: int, *, many: bool) -> Made:  # fields of a link
    from services.intake.forms.making import open_maker  # noqa: PLC0415 each command loads what it needs
    from services.intake.settings import IntakeSettings  # noqa: PLC0415

    environment.adopt()
    settings, clock = load(IntakeSettings), SystemClock()
    async with open_maker(settings, business_of(settings), clock, tenant, _chance) as maker:
        return maker.make(asked, _end(clock, days), many=many)


async def _written(tenant: str, asked: dict[str, Any], days: int, files: tuple[Path, Path]) -> Written:
    from services.intake.forms.making import open_maker  # noqa: PLC0415 each command loads what it needs
    from services.intake.settings import IntakeSettings  # noqa: PLC0415

    environment.adopt()
    settings, clock = load(IntakeSettings), SystemClock()
    async with open_maker(settings, business_of(settings), clock, tenant, _chance) as maker:
        return maker.make_all(*files, asked, _end(clock, days))


def _end(clock: SystemClock, days: int) -> datetime:
    return clock.now().replace(microsecond=0) + timedelta(days=days)


def _chance() -> str:
    return secrets.token_hex(ID_BYTES)


def _show_made(made: Made, *, as_json: bool) -> None:
    if as_json:
        show_json({"link": made.form, "row_link": made.row})
    else:
        out.print(made.form, highlight=False, markup=False)


def _show_written(written: Written, *, as_json: bool) -> None:
    """Names of columns and numbers alone: what stands in them is somebody's."""
    if as_json:
        show_json(
            {
                "file": str(written.path),
                "links": written.links,
                "used": written.used,
                "passed_over": written.passed_over,
            }
        )
        return
    out.print(f"{written.links} links: {written.path}", highlight=False, markup=False)
    out.print(f"columns used: {', '.join(written.used) or 'none'}", highlight=False, markup=False)
    if written.passed_over:
        out.print(f"columns passed over: {', '.join(written.passed_over)}", highlight=False, markup=False)
