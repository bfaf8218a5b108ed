"""Which segments an answer belongs to, and what a change of these rules is called.

Every answer belongs to `all`, to its channel and to each `key=value` it carries; intake has bounded these. A business
may add combinations of keys, and may have each person's latest answer counted as well. All of it must be the same from
the first answer on, so rules that change are a new generation, counted beside the old one.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import chain
from typing import Final

import msgspec

from schemas.tally import ALL
from schemas.topic import RESPONSES_NAME
from services.chassis.failures import Malformed

FOLD: Final = 1
"""Counts the changes of what this program makes of an answer; each is a new generation."""

CHANNEL: Final = "channel"

_ESCAPED: Final = str.maketrans({"%": "%25", ",": "%2C"})
_decoder: Final = msgspec.json.Decoder(dict[str, str])


@dataclass(frozen=True, slots=True)
class Rules:
    """One tenant's: `combinations` name the keys that are also counted together."""

    combinations: tuple[tuple[str, ...], ...] = ()
    latest: bool = False


NO_RULES: Final = Rules()


def generation_of(rules: Mapping[str, Rules], source: str = RESPONSES_NAME) -> str:
    """The name of what these rules count, by tenant or pattern of tenants: the same rules have the same name.

    A tenant without rules matters only where a pattern would otherwise give it some. `source` is where answers lie: a
    copy has other partitions, and so other cells.
    """
    patterns = [tenant for tenant, rule in rules.items() if rule != NO_RULES]
    own = sorted(
        (tenant, rule.combinations, rule.latest)
        for tenant, rule in rules.items()
        if any(fnmatchcase(tenant, pattern) for pattern in patterns)
    )
    told = own if source == RESPONSES_NAME else [source, *own]
    return f"g{FOLD}-{zlib.crc32(json.dumps(told).encode()):08x}" if told else f"g{FOLD}"


@lru_cache(maxsize=16_384)
def parsed(segments: bytes) -> dict[str, str]:
    """Segments from JSON as an answer carries them. Most answers share theirs with others.

    Raises:
        Malformed: if they are no segments.
    """
    try:
        return _decoder.decode(segments)
    except msgspec.DecodeError as error:
        raise Malformed.of("segments", "must be text by key") from error


def names(channel: str | None, segments: Mapping[str, str], combinations: Sequence[Sequence[str]] = ()) -> list[str]:
    """Every segment an answer belongs to."""
    own = {CHANNEL: channel, **segments} if channel else segments
    single = (f"{key}={value}" for key, value in own.items())
    return [ALL, *chain(single, (_combined(keys, own) for keys in combinations if own.keys() >= set(keys)))]


def _combined(keys: Sequence[str], values: Mapping[str, str]) -> str:
    return ",".join(f"{key}={values[key].translate(_ESCAPED)}" for key in keys)
