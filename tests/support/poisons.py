"""Records that nobody can read, of every kind that has been seen: bytes, JSON, envelopes and values."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from schemas import cloudevents

Headers = tuple[tuple[str, bytes], ...]

DEEP: Final = 10_000
LONG: Final = 900_000
"""Kafka itself takes no more than about a megabyte."""


@dataclass(frozen=True, slots=True)
class Poison:
    """One record: what is wrong with it, its value and its headers."""

    kind: str
    value: bytes | None
    headers: Headers


def envelope(event_type: str | None, event_id: str) -> Headers:
    """Headers of a CloudEvent in binary mode; none where there is no type."""
    if event_type is None:
        return (("content-type", b"application/json"),)
    event = cloudevents.Event(data=b"", id=event_id, source="/poison", type=event_type)
    return tuple(cloudevents.encode(event)[0])


def poisons(event_type: str | None, sound: dict[str, Any]) -> Iterator[Poison]:  # JSON of any shape
    """Every kind, for a topic whose events look like the sound one. Each says its kind in a header, twice."""
    values = _bytes(sound) | {f"tenant {name}": _with(sound, "tenant", value) for name, value in TENANTS.items()}
    for kind, value in values.items():
        yield Poison(kind, value, (*envelope(event_type, kind), *_marks(kind)))
    for kind, headers in _envelopes(event_type).items():
        yield Poison(
            kind, _bytes(sound)["truncated"] if event_type is None else _json(sound), (*headers, *_marks(kind))
        )


def _marks(kind: str) -> Headers:
    return (("x-kind", kind.encode()), ("x-kind", b"\xff\x00"), ("", b""))


BROKEN_ATTRIBUTES: Final = frozenset(
    {"no id", "an empty id", "an id that is not UTF-8", "another version", "a time that is none"}
)
"""Kinds of which type and value are sound."""

TENANTS: Final[dict[str, Any]] = {  # JSON values of any type
    "a number": 7,
    "true": True,
    "a list": ["default"],
    "empty": "",
    "in capitals": "Default",
    "with NUL": "de\x00fault",
    "right to left": "\u202edefault",
    "with marks": "d\u0301\u0302\u0303efault",
    "an emoji": "\U0001f600",
    "a lone surrogate": "\ud800",
    "too long": "x" * 64,
    "huge integer": 10**300,
}


def _bytes(sound: dict[str, Any]) -> dict[str, bytes | None]:  # JSON of any shape
    whole = _json(sound)
    return {
        "null value": None,
        "empty": b"",
        "not UTF-8": b"\xff\xfe" + whole,
        "UTF-16": whole.decode().encode("utf-16"),
        "truncated": whole[:-10],
        "two documents": whole + whole,
        "nested too deep": b"[" * DEEP,
        "objects nested too deep": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
        "NaN": b'{"tenant": NaN}',
        "Infinity": b'{"tenant": -Infinity}',
        "a list": b"[" + whole + b"]",
        "a text": b'"score 9"',
        "a number": b"9",
        "null": b"null",
        "Avro": b"\x00\x00\x00\x00\x01" + whole,
        "compressed": gzip.compress(whole),
        "XML": b"<answer><score>9</score></answer>",
        "long": b"x" * LONG,
        "nothing in it": b"{}" if "response_id" in sound or "subject" in sound else b"[{}]",
        "a key twice": whole[:-1] + b', "tenant": 7}',
    }


def _envelopes(event_type: str | None) -> dict[str, Headers]:
    """Envelopes that are broken, around a sound event; of a stranger's plain JSON only those that must be read."""
    sound = dict(envelope(event_type or "x", "e"))
    broken: dict[str, Headers] = {
        "no id": tuple((name, value) for name, value in sound.items() if name != "ce_id"),
        "an empty id": tuple((sound | {"ce_id": b""}).items()),
        "an id that is not UTF-8": tuple((sound | {"ce_id": b"\xff"}).items()),
        "another version": tuple((sound | {"ce_specversion": b"9.9"}).items()),
        "a time that is none": tuple((sound | {"ce_time": b"yesterday"}).items()),
        "structured, and is not": (("content-type", b"application/cloudevents+json"),),
    }
    if event_type is not None:
        broken |= {
            "another type": envelope("nps-loop.another.v1", "e"),
            "a type nobody knows": envelope("com.example.thing", "e"),
            "no headers": (),
        }
    return broken


def _json(content: object) -> bytes:
    return json.dumps(content).encode()


def _with(sound: dict[str, Any], field: str, value: object) -> bytes:  # JSON of any shape
    return _json({**sound, field: value})
