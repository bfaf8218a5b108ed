"""Commands that try a playbook before it decides: simulated on the answers there are, and held against another."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from services.chassis.clock import SystemClock
from services.chassis.failures import Refused
from services.chassis.settings import load
from services.console import environment
from services.console.answers import AsJson, Tenant
from services.console.playbook_roles import read_playbook
from services.console.playbooks import playbook
from services.console.serving import Exit, business_of
from services.console.showing import bar, fail, finish, out, show_json, table_of

if TYPE_CHECKING:
    from services.chassis.business import Business
    from services.routing.playbooks.differing import Difference
    from services.routing.playbooks.playbook import Playbook
    from services.routing.settings import RoutingSettings
    from services.routing.simulating import Line, Side, Simulation

SINCE: Final = "30d"
UNITS: Final = {"d": timedelta(days=1), "h": timedelta(hours=1)}
MARKS: Final = {"added": "+", "removed": "-", "moved": ">", "changed": "~"}

Which = Annotated[str, typer.Argument(help="a file, v3, active, shadow, or file for the business file's")]


@playbook.command("simulate")
def simulate_playbook(
    which: Annotated[str, typer.Argument(metavar="[FILE]", help="a playbook in YAML, v3, or shadow")] = "shadow",
    tenant: Tenant = "default",
    *,
    since: Annotated[str, typer.Option(help="30d, 12h or a date: answers received from then on")] = SINCE,
    changed: Annotated[Path | None, typer.Option("--csv", help="where to write a row for each changed answer")] = None,
    as_json: AsJson = False,
) -> None:
    """Decide about the answers there are by a playbook and by today's, and show who would get what.

    Nothing is published or written. Without a file it is the playbook on trial.
    """
    environment.adopt()
    now = SystemClock().now()
    found = finish(_simulated(which, tenant, _moment(since, now), changed))
    if as_json:
        show_json(found)
    else:
        _show(found)
        if changed:
            out.print(f"changed answers: {changed}", highlight=False, markup=False)


@playbook.command("diff")
def show_differences(
    before: Which,
    after: Which,
    tenant: Tenant = "default",
    *,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="exit with 6 if they differ")] = False,
    as_json: AsJson = False,
) -> None:
    """Show in what one playbook differs from another."""
    from services.routing.playbooks.differing import differences  # noqa: PLC0415 each command loads what it needs

    environment.adopt()
    found = differences(*finish(_both(before, after, tenant)))
    if as_json:
        show_json([one.model_dump(mode="json", exclude_none=True) for one in found])
    else:
        for line in _told(found):
            out.print(line, highlight=False, markup=False)
    if found and exit_code:
        raise typer.Exit(Exit.REFUSED)


def _moment(text: str, now: datetime) -> datetime:
    span = re.fullmatch(r"(\d{1,4})([dh])", text)
    if span:
        return now - int(span[1]) * UNITS[span[2]]
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise fail(f"--since {text}: must be 30d, 12h or a date such as 2026-05-01", Exit.USAGE) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


async def _simulated(which: str, tenant: str, since: datetime, changed: Path | None) -> Simulation:
    from services.routing.settings import RoutingSettings  # noqa: PLC0415 each command loads what it needs
    from services.routing.simulating import Trial, simulate  # noqa: PLC0415

    settings = load(RoutingSettings)
    business = business_of(settings)
    candidate, version = await _playbook(which, tenant, settings, business)
    trial = Trial(tenant, since, candidate, version, changed)
    with bar("answers") as tell:
        return await simulate(settings, business, SystemClock(), trial, tell)


async def _both(before: str, after: str, tenant: str) -> tuple[Playbook, Playbook]:
    from services.routing.settings import RoutingSettings  # noqa: PLC0415 each command loads what it needs

    settings = load(RoutingSettings)
    business = business_of(settings)
    old, _ = await _playbook(before, tenant, settings, business)
    new, _ = await _playbook(after, tenant, settings, business)
    return old, new


async def _playbook(
    which: str, tenant: str, settings: RoutingSettings, business: Business
) -> tuple[Playbook, str | None]:
    """A playbook by file, version or role, and its version if it has one.

    Raises:
        Refused: if there is no such playbook, or it is none.
    """
    from services.routing.activating import open_playbooks  # noqa: PLC0415 each command loads what it needs
    from services.routing.playbooks.files import BadPlaybook, parse  # noqa: PLC0415

    is_version = re.fullmatch(r"v\d+|active|shadow|file", which)
    try:
        if not is_version:
            return parse(read_playbook(Path(which)), which), None
        async with open_playbooks(settings, business, SystemClock(), tenant) as playbooks:
            return await playbooks.named(which)
    except BadPlaybook as error:
        raise Refused(str(error)) from error


def _show(found: Simulation) -> None:
    today, candidate = found.today, found.candidate
    out.print(
        f"{found.answers} answers of {found.tenant} since {found.since:%Y-%m-%d %H:%M}Z: {found.changed} would come to "
        f"something else by {_called(candidate)} than by {_called(today)}",
        highlight=False,
        markup=False,
    )
    if found.left_out:
        out.print(f"left out: {found.left_out} later words about answers from before", highlight=False)
    columns = ("", "today", "candidate", "difference")
    out.print(table_of("work", columns, _work(today, candidate)))
    rows = [(f"{one.rule or 'no rule'}: {one.what}", *_counts(one)) for one in found.rules]
    out.print(table_of("answers by rule", columns, rows))
    if found.suppressed:
        out.print(table_of("nothing done", columns, [(one.what, *_counts(one)) for one in found.suppressed]))
    if found.examples:
        examples = [(one.response_id, one.band, one.today, one.candidate) for one in found.examples]
        out.print(table_of("for example", ("answer", "band", "today", "candidate"), examples))


def _called(side: Side) -> str:
    return f"{side.playbook} ({side.version})"


def _work(today: Side, candidate: Side) -> Iterator[tuple[object, ...]]:
    named = {
        "mails": "mails",
        "tasks": "tasks",
        "tasks a day": "tasks_per_day",
        "tasks on the busiest day": "tasks_on_busiest_day",
        "survey requests": "surveys",
        "notices": "notices",
        "cost": "cost",
    }
    for name, field in named.items():
        before, after = getattr(today, field), getattr(candidate, field)
        yield name, before, after, _signed(after - before)
    yield "busiest day", today.busiest_day, candidate.busiest_day, None


def _counts(line: Line) -> tuple[int, int, str]:
    return line.today, line.candidate, _signed(line.difference)


def _signed(number: float) -> str:
    return f"{number:+.10g}" if number else "0"


def _told(found: Sequence[Difference]) -> Iterator[str]:
    if not found:
        yield "no difference"
    for one in found:
        place = f"{one.what} {one.name}" + (f".{one.field}" if one.field else "")
        if one.kind == "moved":
            yield f"{MARKS[one.kind]} {place}: is asked at another place"
        elif one.kind == "changed":
            yield f"{MARKS[one.kind]} {place}: {_plain(one.before)} -> {_plain(one.after)}"
        else:
            yield f"{MARKS[one.kind]} {place}: {_plain(one.after if one.kind == 'added' else one.before)}"


def _plain(value: Any) -> str:  # a value as it stands in YAML
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_plain(one)}" for name, one in value.items())
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
