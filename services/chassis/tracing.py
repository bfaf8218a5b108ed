"""W3C Trace Context, level 1: one trace from the way in to the mail that goes out, carried in `traceparent` headers."""

from __future__ import annotations

import re
from functools import lru_cache
from random import getrandbits
from typing import Final

HEADER: Final = "traceparent"

_FORM: Final = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})")
_SAMPLED: Final = "01"


def child_of(parent: str | None) -> str:
    """A new span in the parent's trace, or in a trace of its own if there is no valid parent."""
    trace, flags = _parts(parent) if parent else (None, _SAMPLED)
    return f"00-{trace or f'{getrandbits(128) or 1:032x}'}-{getrandbits(64) or 1:016x}-{flags}"


@lru_cache(maxsize=1_000)
def _parts(parent: str) -> tuple[str | None, str]:
    """Trace and flags. Many records have one parent."""
    match = _FORM.fullmatch(parent)
    return (match[1], match[2]) if match else (None, _SAMPLED)


def trace_id(traceparent: str | None) -> str | None:
    """The trace a header belongs to; none if it is no valid header."""
    match = _FORM.fullmatch(traceparent or "")
    return match.group(1) if match else None
