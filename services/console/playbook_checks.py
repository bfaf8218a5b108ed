"""Commands that check a playbook before it runs: lint and test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from services.chassis.business import DEFAULTS, TENANTS, Business, Place
from services.chassis.clock import SystemClock
from services.chassis.failures import Refused
from services.chassis.settings import ServiceSettings, load
from services.console import environment
from services.console.answers import AsJson
from services.console.playbooks import playbook
from services.console.serving import NAMES, SHIPPED, Exit, business_of
from services.console.showing import fail, finish, out, show_json

if TYPE_CHECKING:
    from services.routing.playbooks.cases import Failure
    from services.routing.playbooks.findings import Finding
    from services.routing.playbooks.findings import Path as Path_
    from services.routing.playbooks.playbook import Playbook

Tenant = Annotated[str, typer.Option(help="whose playbook; and whose catalogue its mails are in")]
KINDS: Final = ("perk", "offer")


@dataclass(frozen=True, slots=True)
class _Found:
    """A playbook as it is written, and the catalogue that goes with it."""

    tree: dict[str, Any]  # YAML of any shape, checked by the model
    place: Callable[[Path_], str]
    catalogue: dict[tuple[str, str], str]
    is_own: Callable[[Path_], bool] = lambda _: True


@playbook.command("lint")
def lint_playbook(
    file: Annotated[
        Path | None,
        typer.Argument(exists=True, dir_okay=False, help="a playbook or a business file; the one in use if left out"),
    ] = None,
    tenant: Tenant = "default",
    *,
    as_json: AsJson = False,
) -> None:
    """Say what a playbook must not do or does not mean, and how to mend it.

    The exit code is 0 if nothing is refused, else 6.
    """
    environment.adopt()
    findings = finish(_linted(file, tenant))
    if as_json:
        show_json([_described(place, one) for place, one in findings])
    elif findings:
        for place, one in findings:
            out.print(f"{place}: {one}", highlight=False, markup=False)
    else:
        out.print("nothing is refused", highlight=False)
    if findings:
        raise typer.Exit(Exit.REFUSED)


@playbook.command("test")
def run_cases(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="a playbook or a business file")],
    cases: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, help="else what lies beside it, as nps.cases.yaml")
    ] = None,
    tenant: Tenant = "default",
    *,
    as_json: AsJson = False,
) -> None:
    """Run the cases beside a playbook through what decides. Nothing is sent, kept or counted.

    The exit code is 0 if each comes out as expected, else 6.
    """
    environment.adopt()
    failures, counts, number = finish(_tested(file, cases or file.with_name(f"{file.stem}.cases.yaml"), tenant))
    if as_json:
        told = [{"place": one.place, "case": one.case, "said": str(one)} for one in failures]
        show_json({"cases": number, "failed": told, "decided_by": counts})
    else:
        for one in failures:
            out.print(str(one), highlight=False, markup=False)
        _count(number, len(failures), [name for name, times in counts.items() if not times])
    if failures:
        raise typer.Exit(Exit.REFUSED)


def refuse_unsound(content: str, name: str, tenant: str) -> None:
    """Ends a command whose playbook must not run, with a line for each reason."""
    from services.routing.playbooks.linter import lint_text  # noqa: PLC0415 each command loads what it needs

    async def found() -> list[str]:
        catalogue = _catalogue(business_of(load(ServiceSettings)), tenant)
        return lint_text(content, name, _noon().date(), catalogue)

    reasons = finish(found())
    if reasons:
        raise fail("\n".join(reasons), Exit.REFUSED)


async def _linted(file: Path | None, tenant: str) -> list[tuple[str, Finding]]:
    from services.routing.playbooks.linter import lint  # noqa: PLC0415 each command loads what it needs

    found = _found(file, tenant)
    return [(found.place(one.path), one) for one in lint(found.tree, _noon().date(), found.catalogue, found.is_own)]


async def _tested(file: Path, cases: Path, tenant: str) -> tuple[list[Failure], dict[str, int], int]:
    from services.routing.playbooks.cases import covered, parse_cases  # noqa: PLC0415 each command loads what it needs
    from services.routing.playbooks.files import BadPlaybook  # noqa: PLC0415

    rules, now = _playbook(file, tenant), _noon()
    try:
        read = parse_cases(_text(cases), str(cases))
    except BadPlaybook as error:
        raise Refused(str(error)) from error
    return list(read.failures(rules, now)), dict(covered(read, rules, now)), len(read.cases)


def _found(file: Path | None, tenant: str) -> _Found:
    """The playbook of a file; or the one of the tenant in the business file, if that is what it is."""
    from services.routing.playbooks.files import BadPlaybook, read  # noqa: PLC0415 each command loads what it needs

    if file is None:
        return _of_business(business_of(load(ServiceSettings)), tenant)
    try:
        source = read(_text(file), str(file))
    except BadPlaybook as error:
        raise Refused(str(error)) from error
    if source.tree.keys() & {DEFAULTS, TENANTS}:
        return _of_business(Business.load(SHIPPED, file, frozenset(NAMES)), tenant)
    return _Found(source.tree, source.place, _catalogue(business_of(load(ServiceSettings)), tenant))


def _of_business(business: Business, tenant: str) -> _Found:
    def place(path: Path_) -> Place:
        return business.place("routing", tenant, ("playbook", *path))

    def is_own(path: Path_) -> bool:
        one, rules = place(path), place(("rules",))
        return (one.file, one.whose) == (rules.file, rules.whose)

    tree = business.tree("routing", tenant).get("playbook")
    catalogue = _catalogue(business, tenant)
    return _Found(tree if isinstance(tree, dict) else {}, lambda path: str(place(path)), catalogue, is_own)


def _catalogue(business: Business, tenant: str) -> dict[tuple[str, str], str]:
    """All that is written about each perk and offer."""
    from services.delivery.settings import DeliverySection  # noqa: PLC0415 each command loads what it needs

    section = business.sections("delivery", DeliverySection).of(tenant)
    return {
        (kind, name): " ".join(filter(None, (item.title, item.text, item.link)))
        for kind, items in zip(KINDS, (section.perks, section.offers), strict=True)
        for name, item in items.items()
    }


def _playbook(file: Path, tenant: str) -> Playbook:
    from services.routing.playbooks.refusals import refused  # noqa: PLC0415 each command loads what it needs

    found = _found(file, tenant)
    playbook, findings = refused(found.tree)
    if playbook is None:
        raise Refused("\n".join(f"{found.place(one.path)}: {one}" for one in findings))
    return playbook


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise Refused(f"{file}: cannot be read: {reason}") from error


def _noon() -> datetime:
    return SystemClock().now().replace(hour=12, minute=0, second=0, microsecond=0)


def _described(place: str, one: Finding) -> dict[str, str | None]:
    return {
        "place": place,
        "severity": one.severity,
        "about": one.about,
        "problem": one.problem,
        "policy": one.policy,
        "mend": one.mend,
    }


def _count(cases: int, failed: int, unreached: list[str]) -> None:
    out.print(f"{cases} cases, {failed} failed", highlight=False)
    if unreached:
        out.print(f"no case is for: {', '.join(unreached)}", highlight=False, markup=False)
