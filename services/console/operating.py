"""Commands for those who run it: topics, keys, pause and resume, recovery."""

from __future__ import annotations

import importlib
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any, Final, Literal

import typer

from infra.local.kafka_broker import KafkaDown
from infra.local.stack import stopped_kafka
from schemas.topics import CATALOGUE, RESPONSES
from services.chassis.clock import SystemClock
from services.chassis.copying import Copying, Route
from services.chassis.failures import Refused
from services.chassis.kafka import Kafka
from services.chassis.settings import SealedSettings, ServiceSettings, load
from services.chassis.topic_admin import open_topic_admin, wanted_dead_letters, wanted_topic
from services.console import environment
from services.console.answers import AsJson, Tenant
from services.console.serving import PAUSABLE, Exit, business_of, settings_of
from services.console.showing import bar, fail, finish, out, show_json, show_table

RECOVERABLE: Final = ("intake", "routing", "delivery", "outreach")

keys = typer.Typer(help="API keys of senders.", no_args_is_help=True)
topics = typer.Typer(help="Kafka topics.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.add_typer(keys, name="keys")
    app.add_typer(topics, name="topics")
    for command in (pause, resume, resend, recover):
        app.command()(command)


def _of(service: str, function: str, *arguments: Any) -> Any:  # a service's own command, loaded when it is asked for
    environment.adopt()
    command = getattr(importlib.import_module(f"services.{service}.commands"), function)
    return finish(_call(command, service, arguments))


async def _call(command: Any, service: str, arguments: tuple[Any, ...]) -> Any:  # whatever that command returns
    result: Coroutine[Any, Any, Any] = command(load(settings_of(service)), SystemClock(), *arguments)
    return await result


@keys.command("create")
def create_key(
    tenant: Tenant = "default",
    name: Annotated[str, typer.Option(help="what it is for")] = "unnamed",
    scope: Annotated[
        list[str] | None,
        typer.Option(help="one of responses:write, responses:history, consents:write, conversations:write"),
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, max=3650, help="how long it holds; else until revoked")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Make a key. It is shown once and stored as a hash. Without --scope it may do all of it."""
    from services.intake.sql_keys import SCOPES, Terms  # noqa: PLC0415 each command loads what it needs

    terms = Terms(scope or SCOPES, timedelta(days=days) if days else None)
    key, token = _of("intake", "create_key", tenant, name, terms)
    if as_json:
        show_json(_key_told(key) | {"key": token})
        return
    until = f" until {key.expires_at:%Y-%m-%d %H:%M}Z" if key.expires_at else ""
    out.print(token, highlight=False)
    out.print(
        f"key {key.key_id} of tenant {key.tenant} for {', '.join(key.scopes)}{until}; it is shown this once",
        highlight=False,
    )


def _key_told(key: Any) -> dict[str, Any]:  # intake's own type, which is loaded when it is asked for
    moments = {name: getattr(key, name) for name in ("created_at", "expires_at", "revoked_at")}
    return {
        "key_id": key.key_id,
        "tenant": key.tenant,
        "name": key.name,
        "scopes": list(key.scopes),
        **{name: moment and moment.isoformat() for name, moment in moments.items()},
    }


@keys.command("revoke")
def revoke_key(key_id: Annotated[str, typer.Argument(help="the key's id, not the key")]) -> None:
    """Revoke a key; it is refused within five seconds."""
    if not _of("intake", "revoke_key", key_id):
        raise fail(f"no key {key_id} that holds", Exit.REFUSED)
    out.print(f"revoked: {key_id}", highlight=False)


@keys.command("list")
def list_keys(*, as_json: AsJson = False) -> None:
    """List keys, without their secrets."""
    found = [_key_told(key) for key in _of("intake", "list_keys")]
    if as_json:
        show_json(found)
        return
    rows = [[", ".join(value) if isinstance(value, list) else value for value in key.values()] for key in found]
    show_table("keys", ("key_id", "tenant", "name", "scopes", "created_at", "expires_at", "revoked_at"), rows)


@topics.command("create")
def create_topics(
    channels: Annotated[list[str] | None, typer.Argument(help="channels to make inbound topics for")] = None,
) -> None:
    """Make the topics of the catalogue, and inbound topics for channels."""
    environment.adopt()
    made = finish(_create_catalogue())
    if channels:
        made += _of("intake", "create_channels", channels)
    out.print(f"made: {', '.join(made)}" if made else "everything is there", highlight=False)


async def _create_catalogue() -> list[str]:
    settings = load(ServiceSettings)
    async with open_topic_admin(Kafka(settings), settings.replication) as admin:
        return await admin.ensure([wanted for topic in CATALOGUE for wanted in _both(topic, settings.partitions)])


def _both(topic: Any, partitions: int) -> tuple[Any, Any]:  # a topic of any payload, and what it needs
    return wanted_topic(topic, partitions), wanted_dead_letters(topic.name)


@topics.command("check")
def check_topics(*, as_json: AsJson = False) -> None:
    """Hold the topics on the cluster against the catalogue."""
    environment.adopt()

    async def work() -> list[str]:
        settings = load(ServiceSettings)
        async with open_topic_admin(Kafka(settings), settings.replication) as admin:
            there = set(await admin.names())
            missing = [
                f"  {settings.topic_prefix}{topic.name}: missing" for topic in CATALOGUE if topic.name not in there
            ]
            known = [wanted_topic(topic, settings.partitions) for topic in CATALOGUE if topic.name in there]
            return missing + await admin.problems(known)

    problems = finish(work())
    if as_json:
        show_json({"problems": [problem.strip() for problem in problems]})
    else:
        out.print("\n".join(problems) if problems else "every topic is as it must be", highlight=False)
    if problems:
        raise typer.Exit(Exit.FAILED)


@topics.command("copy")
def copy_topic(
    source: Annotated[str, typer.Argument(help="the topic of answers, as it is called now")],
    partitions: Annotated[int, typer.Option(min=2, max=1_000, help="how many the copy has, if it is to be made")],
    to: Annotated[str | None, typer.Option(help="what it is called; else the source's name and the number")] = None,
    *,
    follow: Annotated[bool, typer.Option("--follow", help="go on with what comes, until Ctrl-C")] = False,
) -> None:
    """Copy the answers into a topic with more partitions. Cut short, the same command goes on where it stopped."""
    environment.adopt()
    route = Route(source, to or f"{source}-{partitions}")

    async def work() -> int:
        settings = load(ServiceSettings)
        if source != settings.responses_topic:
            raise Refused(f"answers lie in {settings.responses_topic}: no other topic is copied")
        kafka = Kafka(settings)
        async with open_topic_admin(kafka, settings.replication) as admin:
            there = await admin.names()
            if kafka.short(settings.topic_prefix + route.target) not in there:
                await admin.make([replace(wanted_topic(RESPONSES, partitions), name=route.target)])
        with bar("copying") as tell:
            return await Copying(kafka, route, tell).run(follow=follow)

    out.print(f"{route.target} holds all {finish(work())} records of {source}", highlight=False)


What = Annotated[Literal["mail", "tasks"], typer.Argument(help="mail or tasks")]
OfTenant = Annotated[str | None, typer.Option(help="of one tenant alone")]


def pause(what: What, tenant: OfTenant = None) -> None:
    """Hold mail or tasks back: everything else goes on, and nothing is lost."""
    if tenant and not business_of(load(ServiceSettings)).knows(tenant):
        raise fail(f"no tenant {tenant} in the business file", Exit.REFUSED)
    _of(PAUSABLE[what], "pause", tenant)
    out.print(f"paused: {what} of {tenant or 'every tenant'}", highlight=False)


def resume(what: What, tenant: OfTenant = None) -> None:
    """Let mail or tasks go again, what was held back first."""
    if not _of(PAUSABLE[what], "resume", tenant):
        raise fail(f"{what} of {tenant or 'every tenant'}: no such pause; nps doctor shows them", Exit.REFUSED)
    out.print(f"resumed: {what} of {tenant or 'every tenant'}", highlight=False)


def resend(
    response_id: Annotated[str, typer.Argument(help="the answer whose mail has an unknown outcome")],
    tenant: Tenant = "default",
    *,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """Send a mail again of which nobody knows whether it went. Look at the provider first: no machine does this."""
    if not yes:
        typer.confirm("Have you seen at the provider that it did not arrive?", abort=True)
    if not _of("delivery", "resend", tenant, response_id):
        raise fail("the outcome of this mail is not unknown", Exit.REFUSED)
    out.print(f"planned again: {response_id}", highlight=False)


def recover(
    service: Annotated[str, typer.Argument(help=f"one of {', '.join(RECOVERABLE)}, or all")] = "all",
    *,
    lost_keys: Annotated[bool, typer.Option("--lost-keys", help="give up keys that are gone for good")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """Start again after a database was lost or restored: replays what was published. Stop the services first."""
    if service not in {*RECOVERABLE, "all"}:
        raise fail(f"{service}: not one of {', '.join(RECOVERABLE)} or all", Exit.USAGE)
    if not yes:
        typer.confirm("Every replica of the service must be stopped. Are they?", abort=True)
    environment.adopt()
    with _kafka_of_the_stack():
        if lost_keys:  # first: what cannot be opened would stop a recovery
            out.print(f"keys given up: {finish(_give_up_keys())}", highlight=False)
        for name in RECOVERABLE if service == "all" else (service,):
            out.print(f"{name}: {finish(_recover(name))}", highlight=False)


@contextmanager
def _kafka_of_the_stack() -> Iterator[None]:
    """Starts the embedded Kafka for as long as the block lasts, if there is one and the stack does not run."""
    folder = environment.state_folder()
    try:
        with stopped_kafka(folder):
            yield
    except KafkaDown as error:
        raise fail(str(error), Exit.UNAVAILABLE) from error


async def _recover(name: str) -> str:
    settings = load(settings_of(name))
    command = importlib.import_module(f"services.{name}.commands").recover
    return str(await command(settings, business_of(settings), SystemClock()))


async def _give_up_keys() -> int:
    from services.console.lost_keys import give_up  # noqa: PLC0415 rarely needed

    settings = load(SealedSettings)
    return await give_up(settings, SystemClock())
