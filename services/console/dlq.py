"""Commands for dead letters: list and show them, try again, give up."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from schemas.topic import dead_letters_of
from services.chassis.clock import SystemClock
from services.chassis.dead_letters import Fate, Mark
from services.chassis.kafka import Kafka
from services.chassis.metrics import CHASSIS_METRICS, Metrics
from services.chassis.publishing import Publisher, open_publisher
from services.chassis.settings import SealedSettings, load
from services.console import environment
from services.console.answers import AsJson
from services.console.dead_letters import Kept, Outcome, Sought, letters, publish_again, source_of
from services.console.serving import Exit, business_of
from services.console.showing import fail, finish, out, show_json, show_table

if TYPE_CHECKING:
    from services.chassis.dead_letters import DeadLetter

TIME_FORMS: Final = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]

dlq = typer.Typer(help="Dead letters.", no_args_is_help=True)

Ids = Annotated[list[str] | None, typer.Argument(help="ids, or their beginnings")]
OfTopic = Annotated[str | None, typer.Option("--topic", help="of one topic alone, for example responses.email")]
WithError = Annotated[str | None, typer.Option("--error", help="whose error or reason has this in it")]
FromSource = Annotated[
    str | None, typer.Option("--source", help="tenant/source of a call, or the source that an event names")
]
Since = Annotated[datetime | None, typer.Option(formats=TIME_FORMS, help="not older; UTC unless it says otherwise")]
Until = Annotated[datetime | None, typer.Option(formats=TIME_FORMS, help="older than this")]
Yes = Annotated[bool, typer.Option("--yes", help="do not ask")]


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.add_typer(dlq, name="dlq")


@dlq.command("list")
def list_letters(  # noqa: PLR0913 each is an option of the command
    topic: OfTopic = None,
    error: WithError = None,
    source: FromSource = None,
    since: Since = None,
    until: Until = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="those that were replayed or dropped as well")] = False,
    as_json: AsJson = False,
) -> None:
    """List dead letters that wait for somebody, each once."""
    found = _found(Sought((), topic, error, source, _moment(since), _moment(until), everything))
    if as_json:
        show_json([_described(kept) for kept in found])
        return
    columns = ("id", "at", "group", "record", "source", "reason", *(("became",) if everything else ()))
    show_table("dead letters", columns, [_row(kept)[: len(columns)] for kept in found])


@dlq.command("show")
def show_letter(
    letter_id: Annotated[str, typer.Argument(help="the id, or its beginning")],
    *,
    as_json: AsJson = False,
) -> None:
    """Show one dead letter byte for byte as it came."""
    fitting = _found(Sought((letter_id,), everything=True))
    if len(fitting) != 1:
        raise fail(f"{len(fitting)} dead letters have an id that begins with {letter_id}", Exit.REFUSED)
    (kept,) = fitting
    letter = kept.letter
    if as_json:
        show_json(
            _described(kept)
            | {
                "key": _base64(letter.key),
                "value": _base64(letter.value),
                "headers": [[name, _base64(content)] for name, content in letter.headers],
            }
        )
        return
    for name, value in _described(kept).items():
        out.print(f"{name}: {value}", highlight=False, markup=False)
    out.print(f"key: {letter.key!r}", highlight=False, markup=False)
    for header, content in letter.headers:
        out.print(f"header {header}: {content!r}", highlight=False, markup=False)
    out.print(f"value: {letter.value!r}", highlight=False, markup=False, soft_wrap=True)


@dlq.command("replay")
def replay_letters(  # noqa: PLR0913 each is an option of the command
    ids: Ids = None,
    *,
    topic: OfTopic = None,
    error: WithError = None,
    source: FromSource = None,
    since: Since = None,
    until: Until = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Read dead letters again, through the same door. What still cannot be read stays, with the reason now."""
    found = _meant(Sought(tuple(ids or ()), topic, error, source, _moment(since), _moment(until)))
    if found and not ids and not yes:
        typer.confirm(f"Replay {len(found)} dead letters?", abort=True)
    _tell(finish(_replayed([kept.letter for kept in found])), "replayed", as_json=as_json)


@dlq.command("drop")
def drop_letters(  # noqa: PLR0913 each is an option of the command
    ids: Ids = None,
    *,
    topic: OfTopic = None,
    error: WithError = None,
    source: FromSource = None,
    since: Since = None,
    until: Until = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Give dead letters up for good: what strangers sent can never be read again."""
    found = _meant(Sought(tuple(ids or ()), topic, error, source, _moment(since), _moment(until)))
    if found and not yes:
        typer.confirm(f"This cannot be undone. Drop {len(found)} dead letters?", abort=True)
    _tell(finish(_dropped([kept.letter for kept in found])), "dropped", as_json=as_json)


def _moment(given: datetime | None) -> datetime | None:
    return given if given is None or given.tzinfo else given.replace(tzinfo=UTC)


def _meant(sought: Sought) -> list[Kept]:
    """The letters to do something with: said by id, or by what they have in common."""
    if not sought.is_narrow:
        raise fail("say which: ids, or one of --topic, --error, --source, --since and --until", Exit.USAGE)
    found = _found(sought)
    for one in sought.ids:
        number = sum(str(kept.letter.letter_id).startswith(one) for kept in found)
        if number != 1:
            raise fail(f"{number} dead letters that wait have an id that begins with {one}", Exit.REFUSED)
    return found


def _found(sought: Sought) -> list[Kept]:
    from services.chassis.keyring import open_keyring  # noqa: PLC0415 each command loads what it needs

    environment.adopt()

    async def work() -> list[Kept]:
        settings = load(SealedSettings)
        async with open_keyring(settings, SystemClock()) as keyring:
            return await letters(Kafka(settings), keyring, sought)

    return finish(work())


async def _replayed(some: Sequence[DeadLetter]) -> list[Outcome]:
    clock, outcomes = SystemClock(), []
    async with open_publisher(Kafka(load(SealedSettings)), Metrics(CHASSIS_METRICS)) as publisher:
        async for outcome in _tried_again(publisher, some):
            if outcome.reason is None:
                await _mark(publisher, outcome.letter, "replayed", clock.now())
            outcomes.append(outcome)
    return outcomes


async def _tried_again(publisher: Publisher, some: Sequence[DeadLetter]) -> AsyncIterator[Outcome]:
    """Each letter once more, by whoever can: intake what strangers sent, everybody else from the topic."""
    from services.intake import commands  # noqa: PLC0415 each command loads what it needs
    from services.intake.replaying import is_ours  # noqa: PLC0415
    from services.intake.settings import IntakeSettings  # noqa: PLC0415

    erased = [letter for letter in some if letter.erased]
    whole = [letter for letter in some if not letter.erased]
    for letter in erased:
        yield Outcome(letter, "erased: there is nothing left to read")
    strangers = [letter for letter in whole if is_ours(letter.topic)]
    if strangers:
        settings = load(IntakeSettings)
        async for letter, faults in commands.replay(settings, business_of(settings), SystemClock(), strangers):
            yield Outcome(letter, "; ".join(f"{field}: {reason}" for field, reason in faults) or None)
    async for outcome in publish_again(publisher, [letter for letter in whole if not is_ours(letter.topic)]):
        yield outcome


async def _dropped(some: Sequence[DeadLetter]) -> list[Outcome]:
    """Destroys first and marks then: cut short in between, the letter is listed as erased and can be dropped again."""
    from services.chassis.keyring import open_keyring  # noqa: PLC0415 each command loads what it needs

    settings, clock = load(SealedSettings), SystemClock()
    async with (
        open_keyring(settings, clock) as keyring,
        open_publisher(Kafka(settings), Metrics(CHASSIS_METRICS)) as publisher,
    ):
        for letter in some:
            await keyring.erase_letter(letter.letter_id)
            await _mark(publisher, letter, "dropped", clock.now())
    return [Outcome(letter) for letter in some]


async def _mark(publisher: Publisher, letter: DeadLetter, fate: Fate, now: datetime) -> None:
    await publisher.publish([Mark(letter.letter_id, fate, now).record(letter.topic)])


def _tell(outcomes: Sequence[Outcome], done: Fate, *, as_json: bool) -> None:
    """What became of each; the exit code says whether any stays."""
    staying = [outcome for outcome in outcomes if outcome.reason]
    if as_json:
        told = [(str(each.letter.letter_id), "stays" if each.reason else done, each.reason) for each in outcomes]
        show_json([dict(zip(("id", "outcome", "reason"), row, strict=True)) for row in told])
    else:
        out.print(f"{done}: {len(outcomes) - len(staying)}", highlight=False)
        if staying:
            rows = [(each.letter.letter_id, _place(each.letter), each.reason) for each in staying]
            show_table("still dead", ("id", "record", "reason now"), rows)
    if staying:
        raise typer.Exit(Exit.REFUSED)


def _row(kept: Kept) -> tuple[object, ...]:
    letter = kept.letter
    at = f"{letter.failed_at:%Y-%m-%d %H:%M:%S}Z"
    reason = "erased" if letter.erased else letter.message
    return letter.letter_id, at, letter.group, _place(letter), source_of(letter), reason, kept.fate


def _place(letter: DeadLetter) -> str:
    return f"{letter.topic}[{letter.partition}]@{letter.offset}"


def _described(kept: Kept) -> dict[str, object]:
    letter = kept.letter
    return {
        "id": str(letter.letter_id),
        "failed_at": letter.failed_at.isoformat(),
        "group": letter.group,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "at": letter.at.isoformat(),
        "source": source_of(letter),
        "dead_letter_topic": dead_letters_of(letter.topic),
        "error": letter.error,
        "reason": letter.message,
        "attempts": letter.attempts,
        "erased": letter.erased,
        "fate": kept.fate,
    }


def _base64(content: bytes | None) -> str | None:
    return None if content is None else base64.b64encode(content).decode()
