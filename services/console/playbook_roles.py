"""Commands about which playbook decides: activate, try out beside the active one, bring back, list and show."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from services.chassis.clock import SystemClock
from services.chassis.settings import load
from services.console import environment
from services.console.answers import AsJson, Tenant
from services.console.playbook_checks import refuse_unsound
from services.console.playbooks import playbook
from services.console.serving import Exit, business_of
from services.console.showing import fail, finish, out, show_json, show_table

if TYPE_CHECKING:
    from schemas.playbook_change import PlaybookChange
    from services.routing.activating import Playbooks

T = TypeVar("T")

STANDARD_INPUT: Final = Path("-")

File = Annotated[Path, typer.Argument(help="a playbook in YAML; - reads standard input", allow_dash=True)]


@playbook.command("activate")
def activate(
    file: File,
    tenant: Tenant = "default",
    *,
    force: Annotated[bool, typer.Option("--force", help="also if `nps playbook lint` refuses it")] = False,
    as_json: AsJson = False,
) -> None:
    """Have a playbook decide from now on; what waits is decided by it too. It must pass `nps playbook lint`."""
    content = read_playbook(file)
    environment.adopt()
    if not force:
        refuse_unsound(content, "playbook" if file == STANDARD_INPUT else str(file), tenant)
    _show(_done(tenant, lambda playbooks: playbooks.put_in(content, "active")), as_json=as_json)


@playbook.command("shadow")
def shadow(
    file: Annotated[Path | None, typer.Argument(help="a playbook in YAML; - reads standard input")] = None,
    tenant: Tenant = "default",
    *,
    off: Annotated[bool, typer.Option("--off", help="end the trial")] = False,
    as_json: AsJson = False,
) -> None:
    """Have a playbook decide beside the active one; only its decisions are recorded."""
    if off == (file is not None):
        raise fail("name a playbook, or --off", Exit.USAGE)
    content = "" if file is None else read_playbook(file)
    change = _done(tenant, lambda found: found.give(0, "shadow") if off else found.put_in(content, "shadow"))
    _show(change, as_json=as_json)


@playbook.command("rollback")
def roll_back(
    tenant: Tenant = "default",
    *,
    to: Annotated[str | None, typer.Option("--to", help="a version such as v3, or file; else the one before")] = None,
    as_json: AsJson = False,
) -> None:
    """Bring back the playbook that was active before."""
    if to is None:
        _show(_done(tenant, lambda playbooks: playbooks.roll_back()), as_json=as_json)
        return
    number = _version(to)
    _show(_done(tenant, lambda playbooks: playbooks.give(number, "active")), as_json=as_json)


@playbook.command("list")
def show_changes(tenant: Tenant = "default", *, as_json: AsJson = False) -> None:
    """List which playbooks have decided, the newest first."""
    changes = _done(tenant, lambda playbooks: playbooks.changes())
    if as_json:
        show_json([change.model_dump(mode="json", exclude={"content"}) for change in changes])
        return
    rows = ((f"{one.at:%Y-%m-%d %H:%M}Z", one.role, _called(one), one.name) for one in changes)
    show_table(f"playbooks of {tenant}", ("at", "role", "version", "name"), rows)


@playbook.command("show")
def show(
    version: Annotated[str, typer.Argument(help="v3, active or shadow")] = "active", tenant: Tenant = "default"
) -> None:
    """Print a playbook that was activated or is on trial, as it was written."""

    async def found(playbooks: Playbooks) -> str | None:
        roles = await playbooks.roles()
        number = {"active": roles.get("active", 0), "shadow": roles.get("shadow", 0)}.get(version)
        number = _version(version) if number is None else number
        return next((one.content for one in await playbooks.versions() if one.number == number), None)

    content = _done(tenant, found)
    if content is None:
        raise fail(f"{version}: none was activated; the business file's holds (routing.playbook)", Exit.REFUSED)
    out.file.write(content)


def _done(tenant: str, act: Callable[[Playbooks], Awaitable[T]]) -> T:
    from services.routing.activating import open_playbooks  # noqa: PLC0415 each command loads what it needs
    from services.routing.playbooks.files import BadPlaybook  # noqa: PLC0415
    from services.routing.settings import RoutingSettings  # noqa: PLC0415

    environment.adopt()

    async def work() -> T:
        settings = load(RoutingSettings)
        async with open_playbooks(settings, business_of(settings), SystemClock(), tenant) as playbooks:
            return await act(playbooks)

    try:
        return finish(work())
    except BadPlaybook as error:
        raise fail(str(error), Exit.REFUSED) from error


def read_playbook(file: Path) -> str:
    """What is written in a file, or comes in."""
    if file == STANDARD_INPUT:
        return sys.stdin.read()
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise fail(f"{file}: cannot be read: {error.strerror}", Exit.REFUSED) from error
    except UnicodeDecodeError as error:
        raise fail(f"{file}: not UTF-8", Exit.REFUSED) from error


def _version(text: str) -> int:
    if text == "file":
        return 0
    number = text.removeprefix("v")
    if not number.isdecimal():
        raise fail(f"{text}: must be a version such as v3, or file", Exit.USAGE)
    return int(number)


def _called(change: PlaybookChange) -> str:
    if change.version:
        return f"v{change.version}"
    return "the business file's" if change.role == "active" else "none"


def _show(change: PlaybookChange, *, as_json: bool) -> None:
    if as_json:
        show_json(change.model_dump(mode="json", exclude={"content"}))
        return
    out.print(f"{change.role} for {change.tenant}: {_called(change)} {change.name or ''}".rstrip(), highlight=False)
