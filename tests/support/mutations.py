"""Nonsense that is nearly sense: bytes, JSON and headers changed at a place chosen by chance."""

from __future__ import annotations

import json
from collections.abc import Mapping
from random import Random
from typing import Any, Final

STRANGE: Final[tuple[Any, ...]] = (  # JSON values of any type
    None, True, False, 0, -1, 11, 7.5, 1e308, 10**30, "", " ", "9", "\x00", "\u202e\u0301", "\ud800", "😀" * 50,
    "x" * 5000, [], {}, [[]], {"": None}, [None], "2026-02-30T00:00:00Z", "1e400", -(2**63), "NaN",
)  # fmt: skip


def mutated_body(chance: Random, body: bytes) -> bytes:
    """A body with a value replaced, a member lost, or bytes changed."""
    kind = chance.randrange(4)
    try:
        tree = json.loads(body)
    except ValueError:
        kind = 3
    if kind == 3:
        return _bytes(chance, body)
    places = list(_places(tree))
    if not places:
        return _bytes(chance, body)
    container, key = chance.choice(places)
    if kind == 0:
        container.pop(key)
    else:
        container[key] = chance.choice(STRANGE)
    return json.dumps(tree).encode()


def mutated_headers(chance: Random, headers: Mapping[str, str]) -> dict[str, str]:
    """Headers of which one is lost, or says something else."""
    changed = dict(headers)
    name = chance.choice(sorted(changed))
    what = chance.randrange(4)
    if what == 0:
        del changed[name]
    elif what == 1:
        changed[name] = changed[name][: chance.randrange(len(changed[name]) + 1)]
    elif what == 2:
        changed[name] = chance.choice(["", "ü", "=", "A" * 8192, "sha256=", "v1,", "Basic ====", "Bearer", "\x7f"])
    else:
        changed[name] = changed[name] + chance.choice([" ", ",", "=", "x"])
    return changed


def _bytes(chance: Random, body: bytes) -> bytes:
    changed = bytearray(body or b"x")
    for _ in range(chance.randrange(1, 4)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed[: chance.randrange(len(changed) + 1)] if chance.random() < 0.3 else changed)


def _places(tree: Any) -> list[tuple[Any, Any]]:  # JSON of any shape
    """Every member and item, with what holds it."""
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    found = []
    for key, value in list(pairs):
        found.append((tree, key))
        found += _places(value)
    return found
