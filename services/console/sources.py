"""Commands about sources: which there are, and what becomes of what one of them sends."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from schemas.malformed import Malformed
from services.chassis.clock import SystemClock
from services.chassis.failures import Refused
from services.chassis.settings import ServiceSettings, load
from services.console import environment
from services.console.answers import INTAKE_URL, AsJson, Tenant
from services.console.serving import Exit, business_of
from services.console.showing import fail, finish, out, show_json, show_table

if TYPE_CHECKING:
    from services.intake.trying import Line, Tried

LONGEST_SHOWN: Final = 60

sources = typer.Typer(help="Programs of others that call us.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.add_typer(sources, name="sources")


@sources.command("list")
def list_sources(*, as_json: AsJson = False) -> None:
    """List sources: where each calls, and whether there is a secret to believe it by."""
    environment.adopt()
    rows = finish(_listed())
    columns = ("tenant", "name", "vendor", "address", "secret")
    if as_json:
        show_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        told = [(*row[:-1], "set" if row[-1] else "not set: nothing it sends is believed") for row in rows]
        show_table("sources", columns, told)


async def _listed() -> list[tuple[str, str, str, str, bool]]:
    from services.intake.routes import CALLED  # noqa: PLC0415 each command loads what it needs
    from services.intake.settings import IntakeSection, IntakeSettings  # noqa: PLC0415

    settings = load(IntakeSettings)
    url = os.environ.get(INTAKE_URL, "http://127.0.0.1:8081")
    return [
        (
            tenant,
            name,
            options.vendor,
            url + CALLED.format(tenant=tenant, source=name),
            bool(settings.secrets_of(tenant, name)),
        )
        for tenant, section in business_of(settings).sections("intake", IntakeSection)
        for name, options in section.sources.items()
    ]


@sources.command("test")
def try_source(
    name: Annotated[str, typer.Argument(help="the source, as the business file names it")],
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="what it sends: the body of a call")],
    tenant: Tenant = "default",
    *,
    header: Annotated[list[str] | None, typer.Option(help="a header of the call, name: value; repeatable")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a call becomes, field by field. Nothing is sent, kept or counted; no signature is asked for.

    The exit code is 0 if all of it is usable, else 1.
    """
    environment.adopt()
    headers = dict(_header(text) for text in header or ())
    found, fault = finish(_tried(name, file.read_bytes(), tenant, headers))
    if as_json:
        show_json({"usable": _is_usable(found, fault), "refused": fault, "says": [_described(one) for one in found]})
    else:
        _show(found, fault)
    if not _is_usable(found, fault):
        raise typer.Exit(Exit.FAILED)


def _header(text: str) -> tuple[str, str]:
    name, separator, value = text.partition(":")
    if not separator:
        raise fail(f"--header {text}: must be name: value", Exit.USAGE)
    return name, value


async def _tried(name: str, body: bytes, tenant: str, headers: dict[str, str]) -> tuple[list[Tried], str | None]:
    """What the call says; or, where nothing of it can be read, why."""
    from services.intake.settings import IntakeSection  # noqa: PLC0415 each command loads what it needs
    from services.intake.sources.source import Call  # noqa: PLC0415
    from services.intake.trying import tried  # noqa: PLC0415

    options = business_of(load(ServiceSettings)).sections("intake", IntakeSection).of(tenant).sources.get(name)
    if options is None:
        raise Refused(f"no source {name} of tenant {tenant} in the business file: nps sources list")
    call = Call.of({"content-type": "application/json"} | headers, body)
    try:
        return tried(tenant, options, call, SystemClock().now()), None
    except Malformed as error:
        return [], str(error)


def _is_usable(found: Sequence[Tried], fault: str | None) -> bool:
    return fault is None and not any(one.faults for one in found)


def _show(found: Sequence[Tried], fault: str | None) -> None:
    if fault is not None:
        out.print(f"refused: {fault}", highlight=False, markup=False)
    elif not found:
        out.print("says nothing: there is no answer in it", highlight=False)
    for number, one in enumerate(found, 1):
        title = one.kind if len(found) == 1 else f"{number}: {one.kind}"
        show_table(title, ("field", "where", "found", "becomes"), [_row(line) for line in one.lines])


def _row(line: Line) -> tuple[str, ...]:
    becomes = _short(line.value)
    if line.reason:
        becomes = f"{'left out' if line.left_out else 'REFUSED'}: {line.reason}"
    return line.field, line.where or "", _short(line.found), becomes


def _short(value: Any) -> str:  # JSON of any shape
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"


def _described(one: Tried) -> dict[str, Any]:  # JSON of any shape
    names = ("field", "where", "found", "value", "reason", "left_out")
    return {
        "kind": one.kind,
        "usable": not one.faults,
        "fields": [{name: getattr(line, name) for name in names} for line in one.lines],
        "errors": [{"field": field, "reason": reason} for field, reason in one.faults],
    }
