"""`nps answers unmatched`: recent answers that count like any other, and of which nobody knows whose they are."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from schemas.response import WHOLE, Response
from schemas.topics import RESPONSES
from services.chassis.kafka import Kafka
from services.chassis.reading import open_reader
from services.chassis.settings import ServiceSettings, load
from services.console import environment
from services.console.answers import AsJson, Tenant
from services.console.showing import finish, show_json, show_table

COLUMNS: Final = ("response_id", "answered_at", "channel", "source", "metric", "score")

answers = typer.Typer(help="Answers as they were let in.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.add_typer(answers, name="answers")


@answers.command("unmatched")
def unmatched(
    tenant: Tenant = "default",
    last: Annotated[int, typer.Option(min=1, help="how many records of each partition to look at")] = 10_000,
    *,
    as_json: AsJson = False,
) -> None:
    """List answers without customer id, e-mail or telephone number, the latest first."""
    environment.adopt()
    found = finish(_unmatched(Kafka(load(ServiceSettings)), tenant, last))
    rows = [
        (one.response_id, one.answered_at.isoformat(), one.channel, one.source, one.metric, _value(one))
        for one in found
    ]
    if as_json:
        show_json([dict(zip(COLUMNS, row, strict=True)) for row in rows])
    else:
        show_table("unmatched answers", COLUMNS, rows)


async def _unmatched(kafka: Kafka, tenant: str, last: int) -> list[Response]:
    """Of each answer the highest revision that was seen decides: a later one may have said whose it is."""
    highest: dict[str, Response] = {}
    async with open_reader(kafka) as reader:
        await reader.assign([RESPONSES.name], tail=last)
        async for raw in reader.to_end():
            one = RESPONSES.decode(raw.headers, raw.value)
            known = highest.get(one.response_id)
            if one.tenant == tenant and one.op != "commented" and (known is None or known.revision < one.revision):
                highest[one.response_id] = one
    nobody = [one for one in highest.values() if one.subject is None and one.op in WHOLE]
    return sorted(nobody, key=lambda one: one.answered_at, reverse=True)


def _value(answer: Response) -> float | None:
    return answer.rating if answer.score is None else answer.score
