"""Commands that run things: the whole stack on this machine, one service, the demo; and look after its state."""

from __future__ import annotations

import asyncio
import shutil
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from infra.local.stack import (
    API_KEY,
    BASE_PORT,
    ENV_FILE,
    KAFKA_FOLDER,
    KAFKA_PORT,
    Ports,
    Stack,
    StackDown,
    is_running,
    write_env,
)
from services.chassis.clock import SystemClock
from services.chassis.settings import load
from services.console import backups, environment, samples
from services.console.serving import NAMES, Exit, business_of, serve, settings_of
from services.console.showing import called, err, fail, finish, out, show_json, show_table

CHANNELS: Final = ("email", "website", "in_app", "sms", "phone", "chatbot")
KEPT: Final = ("NPS_BUSINESS_FILE", "NPS_LOG_LEVEL", "NPS_LOG_FORMAT")
SAMPLES_MADE: Final = "samples-made"
LOOK_EVERY_S: Final = 1.0


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    for command in (up, run, demo, doctor, reset, backup, restore):
        app.command()(command)


def up(
    port: Annotated[int, typer.Option(help="first of eight ports; the page is here")] = BASE_PORT,
    kafka_port: Annotated[int, typer.Option(help="port of Kafka; its controller takes the next")] = KAFKA_PORT,
    *,
    with_samples: Annotated[bool, typer.Option("--samples/--no-samples", help="let sample answers flow")] = True,
) -> None:
    """Run the whole loop on this machine: Kafka, SQLite, every service, both sandboxes. Ctrl-C stops it."""
    folder = environment.state_folder()
    try:
        stack = Stack(folder, Ports.in_a_row(kafka_port, port))
    except StackDown as error:
        raise fail(str(error), Exit.UNAVAILABLE) from error
    environment.replace(stack.env, KEPT)
    try:
        stack.start(lambda what: err.print(what, style="dim", highlight=False))
        finish(_run_up(stack, with_samples=with_samples))
    except StackDown as error:
        raise fail(str(error), Exit.UNAVAILABLE) from error
    except KeyboardInterrupt:
        pass
    finally:
        err.print("stopping", style="dim")
        stack.stop()


async def _run_up(stack: Stack, *, with_samples: bool) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    token = await _prepare(stack)
    _tell(stack, token)
    flowing = asyncio.create_task(samples.publish(stack.url("intake"), token, stop)) if with_samples else None
    if with_samples:
        await _history(stack)
    while not stop.is_set():
        stack.look_after(lambda what: err.print(what, style="yellow", highlight=False))
        try:
            await asyncio.wait_for(stop.wait(), LOOK_EVERY_S)
        except TimeoutError:
            continue
    if flowing:
        await flowing


async def _prepare(stack: Stack) -> str:
    """Inbound topics for the usual channels, and an API key that is kept with the other secrets."""
    from services.intake import commands  # noqa: PLC0415 needs the environment of the stack

    settings: Any = load(settings_of("intake"))
    await commands.create_channels(settings, SystemClock(), CHANNELS)
    token = stack.env.get(API_KEY)
    if token is None:
        _, token = await commands.create_key(settings, SystemClock(), "default", "local")
        stack.env[API_KEY] = token
        write_env(stack.folder / ENV_FILE, stack.env)
    return token


async def _history(stack: Stack) -> None:
    """Two months of made-up history, once."""
    from services.intake import commands  # noqa: PLC0415 needs the environment of the stack
    from services.intake.importing import Import  # noqa: PLC0415

    mark = stack.folder / SAMPLES_MADE
    if mark.exists():
        return
    file = stack.folder / "history.csv"
    samples.write_history(file, datetime.now(UTC), seed=1)
    settings: Any = load(settings_of("intake"))
    business = business_of(settings)
    await commands.import_file(settings, business, SystemClock(), Import(file, "default"), lambda *_: None)
    mark.touch()


def _tell(stack: Stack, token: str) -> None:
    lines = [
        ("page", stack.url("monitor"), "live NPS and what becomes of each answer"),
        ("inbox", stack.url("sendgrid"), "every mail as rendered"),
        ("CRM", stack.url("crm"), "tasks for people"),
        ("API", stack.url("intake"), "POST /v1/responses; openapi.json"),
        ("Kafka", stack.broker.bootstrap, "responses.<channel> in, nps.* out"),
        ("API key", token, "also kept in the state folder"),
    ]
    width = max(len(where) for _, where, _ in lines)
    out.print()
    for name, where, what in lines:
        out.print(f"  {name:8} {where:{width}}  [dim]{what}[/dim]", highlight=False)
    out.print(f"\n  your first answer:  {called()} publish --score 9 --email you@example.org\n", highlight=False)


def run(
    service: Annotated[str, typer.Argument(help=f"one of {', '.join(NAMES)}")],
) -> None:
    """Run one service, with its settings from the environment."""
    if service not in NAMES:
        raise fail(f"{service}: not one of {', '.join(NAMES)}", Exit.USAGE)
    raise typer.Exit(serve(service))


def demo(
    target: Annotated[Literal["embedded", "compose"], typer.Option(help="what to run it against")] = "embedded",
    *,
    kill: Annotated[bool, typer.Option("--kill", help="SIGKILL each service once on the way")] = False,
    freeze: Annotated[bool, typer.Option("--freeze", help="SIGSTOP each service past its session")] = False,
) -> None:
    """Run the month of May through the loop and hold what comes out against what must come out."""
    from services.console import demo as play  # noqa: PLC0415 loads what nothing else needs

    result = finish(play.run(play.Play(target, kill=kill, freeze=freeze)))
    raise typer.Exit(Exit.OK if result else Exit.FAILED)


def doctor(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output")] = False,
) -> None:
    """Look at everything: settings, Kafka, topics, databases, services, lag, dead letters, memory."""
    from services.console import doctor as looking  # noqa: PLC0415 loads what nothing else needs

    environment.adopt()
    findings = finish(looking.look())
    if as_json:
        show_json([finding.as_dict() for finding in findings])
    else:
        rows = ((("ok" if x.ok else "NOT OK"), x.what, x.told) for x in findings)
        show_table("doctor", ("", "what", "found"), rows)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(Exit.FAILED)


def reset(
    *,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """Delete the state of the stack on this machine: Kafka's log, databases, keys."""
    folder = environment.state_folder()
    if not (folder / ENV_FILE).exists():
        raise fail(f"{folder} holds no state", Exit.REFUSED)
    if is_running(folder):
        raise fail("the stack is running: stop it first", Exit.REFUSED)
    if not yes:
        typer.confirm(f"Delete {folder.absolute()} with every answer in it?", abort=True)
    shutil.rmtree(folder)
    out.print(f"deleted: {folder}", highlight=False)


def backup(
    file: Annotated[Path, typer.Argument(help="where to write it, a .tar.gz")],
) -> None:
    """Save databases, keyring, master key, and the topics of a stack that stands still."""
    saved = _guarded(backups.save, environment.state_folder(), file)
    out.print(f"saved: {', '.join(saved)}", highlight=False)
    if KAFKA_FOLDER not in saved:
        err.print("Topics are not in it, since the stack runs: stop it first to save them too.", style="yellow")
    err.print(
        "This file holds the master key: whoever has it can read every answer. Without it, what is sealed is lost for "
        "good: names, addresses and comments; counts stay.",
        style="yellow",
    )


def restore(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="a backup")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """Bring back what a backup holds. Where that is not the topics, services ask for `nps recover`."""
    folder = environment.state_folder()
    if not yes:
        typer.confirm(f"Replace the databases in {folder.absolute()}?", abort=True)
    brought = _guarded(backups.load, folder, file)
    out.print(f"restored: {', '.join(brought)}", highlight=False)
    if KAFKA_FOLDER not in brought:
        out.print(f"now run: {called()} recover", highlight=False)


def _guarded(work: Any, folder: Path, file: Path) -> list[str]:  # one of two functions with the same signature
    try:
        result: list[str] = work(folder, file)
    except backups.NotPossible as error:
        raise fail(str(error), Exit.REFUSED) from error
    return result
