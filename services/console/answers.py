"""Commands about answers: publish, tasks, trace, erase."""

from __future__ import annotations

import os
import time
from typing import Annotated, Any, Final

import typer

from schemas.topics import TASKS
from services.chassis.clock import SystemClock
from services.chassis.failures import Transient
from services.chassis.kafka import Kafka
from services.chassis.settings import ServiceSettings, load
from services.console import environment, topic_views
from services.console.serving import Exit, business_of
from services.console.showing import called, fail, finish, out, show_json, show_table

Tenant = Annotated[str, typer.Option(help="whose answers")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output")]

API_KEY: Final = "NPS_API_KEY"
INTAKE_URL: Final = "NPS_INTAKE_URL"


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    for command in (publish, tasks, trace, erase):
        app.command()(command)


def publish(  # noqa: PLR0913 each is an option of the command
    score: Annotated[int, typer.Option(min=0, max=10, help="0 to 10")],
    email: Annotated[str | None, typer.Option(help="who gave it")] = None,
    comment: Annotated[str | None, typer.Option(help="why")] = None,
    channel: Annotated[str, typer.Option(help="where it was given")] = "website",
    segment: Annotated[list[str] | None, typer.Option(help="key=value, may be repeated")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Publish one answer over HTTP, as an app would."""
    environment.adopt()
    segments = dict(_pair(text) for text in segment or ())
    body = {"score": score, "channel": channel, "source": "nps-publish", "segments": segments}
    body |= {key: value for key, value in (("email", email), ("comment", comment)) if value}
    told = finish(_post(body))
    if as_json:
        show_json(told)
    else:
        accepted = told["response_id"]
        out.print(f"accepted: {accepted}\nfollow it: {called()} trace {accepted}", highlight=False)


def _pair(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator:
        raise fail(f"--segment {text}: must be key=value", Exit.USAGE)
    return key, value


async def _post(body: dict[str, Any]) -> dict[str, Any]:  # JSON of any shape
    import aiohttp  # noqa: PLC0415 slow to load, and needed here alone

    url, key = os.environ.get(INTAKE_URL, "http://127.0.0.1:8081"), os.environ.get(API_KEY)
    if not key:
        raise fail(f"{API_KEY} is not set: make a key with `nps keys create`", Exit.CONFIGURATION)
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session,
            session.post(f"{url}/v1/responses", json=body, headers={"Authorization": f"Bearer {key}"}) as answer,
        ):
            told: dict[str, Any] = await answer.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Transient(f"intake does not answer at {url}: is it running? ({type(error).__name__})") from error
    if answer.status != 202:
        raise fail(f"refused with {answer.status}: {told.get('detail')}", Exit.REFUSED)
    return told


def tasks(
    tenant: Annotated[str | None, typer.Option(help="one tenant alone")] = None,
    status: Annotated[str | None, typer.Option(help="open, in_progress, waiting, done or cancelled")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show tasks as they stand."""
    environment.adopt()
    found = finish(
        topic_views.newest(
            Kafka(load(ServiceSettings)),
            TASKS,
            lambda task: tenant in {None, task.tenant} and status in {None, task.status},
        )
    )
    found.sort(key=lambda task: (task.due_at, str(task.task_id)))
    if as_json:
        show_json(found)
        return
    rows = ((t.task_id, t.status, t.priority, t.owner, f"{t.due_at:%Y-%m-%d %H:%M}Z", t.title) for t in found)
    show_table("tasks", ("task", "status", "priority", "owner", "due", "title"), rows)


def trace(
    response_id: Annotated[str, typer.Argument(help="the answer's id")],
    tenant: Tenant = "default",
    *,
    as_json: AsJson = False,
) -> None:
    """Show each step of one answer, with times and reasons."""
    environment.adopt()
    steps = finish(topic_views.trace(Kafka(load(ServiceSettings)), tenant, response_id))
    if not steps:
        raise fail(f"no answer {response_id} of tenant {tenant}; dead letters: nps dlq list", Exit.REFUSED)
    if as_json:
        show_json([{"at": s.at.isoformat(), "topic": s.where, "what": s.what, "trace": s.trace} for s in steps])
        return
    first = steps[0].at
    rows = (
        (f"{step.at:%Y-%m-%d %H:%M:%S}Z", f"+{(step.at - first).total_seconds():.2f} s", step.where, step.what)
        for step in steps
    )
    show_table(f"answer {response_id}", ("at", "after", "topic", "what"), rows)


def erase(
    tenant: Tenant = "default",
    customer_id: Annotated[str | None, typer.Option(help="who")] = None,
    email: Annotated[str | None, typer.Option(help="who")] = None,
    phone: Annotated[str | None, typer.Option(help="who")] = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """Forget a person: what was sealed can never be read again, and every count stays as it was."""
    from services.chassis.keyring import Identity  # noqa: PLC0415 each command loads what it needs
    from services.intake import commands  # noqa: PLC0415 each command loads what it needs
    from services.intake.settings import IntakeSettings  # noqa: PLC0415

    environment.adopt()
    if not yes:
        typer.confirm("This cannot be undone. Forget this person?", abort=True)

    async def work() -> int:
        settings = load(IntakeSettings)
        who = Identity(customer_id, email, phone)
        order = await commands.erase(settings, business_of(settings), SystemClock(), tenant, who)
        return len(order.subjects)

    started = time.monotonic()
    number = finish(work())
    out.print(f"forgotten: {number} linked identities, in {time.monotonic() - started:.1f} s", highlight=False)
