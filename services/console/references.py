"""The references that are made from code: topics from the catalogue, commands from the command line itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import typer.main

from schemas.topic import INBOUND_RETENTION, Topic, dead_letters_of
from schemas.topics import CATALOGUE
from services.console.serving import Exit

MADE: Final = "<!-- Made by `make contracts`; a change here is overwritten. -->"

_INBOUND_ROW: Final = (
    "| `responses.<channel>` | answers as apps publish them | Submission | any | apps | intake | {kept} |"
)
_CODES: Final = {
    Exit.OK: "done",
    Exit.FAILED: "failed",
    Exit.USAGE: "wrong usage",
    Exit.CONFIGURATION: "settings or business file missing or wrong",
    Exit.HALT: "stopped because going on would be wrong; the message says what to do",
    Exit.UNAVAILABLE: "a dependency is away",
    Exit.REFUSED: "something was refused or not found",
}


def topics() -> str:
    """The catalogue as people read it."""
    lines = [
        "# Topics",
        "",
        MADE,
        "",
        "CloudEvents 1.0 in binary mode, JSON. Keys are length-prefixed (`7:default4:r-17`); the partition is CRC-32",
        "of the parts in bold, modulo the number of partitions. Payloads: `schemas/jsonschema`; all as AsyncAPI:",
        "`schemas/asyncapi.yaml`. What could not be read goes to the topic's name with `.dlq` behind it, sealed where",
        "it came from strangers.",
        "",
        "| topic | what it is | payload | key | writer | readers | kept |",
        "|---|---|---|---|---|---|---|",
        _INBOUND_ROW.format(kept=_days(INBOUND_RETENTION)),
        *(_topic_row(topic) for topic in CATALOGUE),
        "",
        f"For example, what intake could not read of `responses.email` is on `{dead_letters_of('responses.email')}`.",
    ]
    return "\n".join(lines) + "\n"


def _topic_row(topic: Topic[Any]) -> str:  # payloads of any type
    keys = ", ".join(f"**{part}**" if part in (topic.meets_by or topic.key) else part for part in topic.key)
    readers = ", ".join(sorted(topic.readers))
    return (
        f"| `{topic.name}` | {topic.meaning} | {topic.payload.__name__} | {keys} | {topic.writer} | {readers} "
        f"| {_kept(topic)} |"
    )


def _kept(topic: Topic[Any]) -> str:  # payloads of any type
    if topic.compacted:
        return "newest a key, for ever"
    return _days(topic.retention) if topic.retention else "for ever"


def _days(span: timedelta) -> str:
    return f"{span.days} days"


def commands() -> str:
    """Every command with its arguments and options, and what exit codes mean."""
    from services.console.main import app  # noqa: PLC0415 the command line imports much

    lines = ["# The nps command", "", MADE, "", "| exit code | meaning |", "|---|---|"]
    lines += [f"| {int(code)} | {meaning} |" for code, meaning in _CODES.items()]
    for path, command in _walk(typer.main.get_command(app), ("nps",)):
        lines += ["", f"## {' '.join(path)}", "", (command.help or "").strip(), ""]
        lines += [f"    {' '.join(path)} {' '.join(_pieces(command))}".rstrip()]
        told = [_parameter(param) for param in command.params if param.name != "help"]
        lines += ["", "| | |", "|---|---|", *told] if told else []
    return "\n".join(lines) + "\n"


def _walk(
    command: Any, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Any]]:  # click's, or typer's copy of it
    children = getattr(command, "commands", None)
    if children is None:
        yield path, command
        return
    for name in sorted(children):
        yield from _walk(children[name], (*path, name))


def _pieces(command: Any) -> list[str]:  # click's, or typer's copy of it
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    shown = [(param.name or "").upper() for param in arguments]
    return [
        *(name if param.required else f"[{name}]" for name, param in zip(shown, arguments, strict=True)),
        "[OPTIONS]",
    ]


def _parameter(param: Any) -> str:  # click's, or typer's copy of it
    if param.param_type_name == "argument":
        return f"| `{(param.name or '').upper()}` | {param.help or ''} |"
    names = ", ".join(f"`{name}`" for name in (*param.opts, *param.secondary_opts))
    default = "" if param.default in {None, False} or callable(param.default) else f" (default {param.default})"
    return f"| {names} | {param.help or ''}{default} |"
