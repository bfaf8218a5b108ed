"""What a body may be once it is here: how large unpacked, and how deep. A bomb is noticed before it goes off."""

from __future__ import annotations

import re
import zlib
from typing import Final

from services.chassis.failures import Malformed

DEEPEST: Final = 64
"""Levels of arrays and objects within each other."""

UNPACKED_AT_ONCE: Final = 64 * 1024
GZIP: Final = 16 + zlib.MAX_WBITS

# a string, also one that never ends; whatever the bytes, it is read once
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_ALIKE: Final = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))


class TooLarge(Exception):
    """It would unpack to more than is allowed."""


def unpacked(body: bytes, largest: int) -> bytes:
    """What gzip packed, piece by piece; members may follow each other (RFC 1952 §2.2).

    Raises:
        TooLarge: as soon as it is larger than allowed.
        Malformed: if it is not gzip, or not all of it.
    """
    content, rest = bytearray(), body
    try:
        while rest:
            member = zlib.decompressobj(GZIP)
            while not member.eof:
                piece = member.decompress(rest, UNPACKED_AT_ONCE)
                rest = member.unconsumed_tail
                content += piece
                if len(content) > largest:
                    raise TooLarge
                if not (piece or rest or member.eof):
                    raise Malformed.of("body", "gzip: ends before its end")
            rest = member.unused_data
    except zlib.error as error:
        raise Malformed.of("body", "not gzip") from error
    return bytes(content)


def check_depth(body: bytes) -> None:
    """Refuses JSON whose arrays and objects lie too deep in each other; whether it is JSON is not asked.

    Raises:
        Malformed: naming the limit.
    """
    if body.count(b"[") + body.count(b"{") <= DEEPEST or body.lstrip()[:1] not in {b"[", b"{"}:
        return
    nested = _STRING.sub(b"", body).translate(_ALIKE, _NO_BRACKETS)
    for _ in range(DEEPEST):
        # the innermost level of everything goes
        nested = nested.replace(b"[]", b"")
    if b"[" in nested:
        raise Malformed.of("body", f"more than {DEEPEST} levels deep")
