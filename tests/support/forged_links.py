"""Tokens of links that we never wrote, each wrong in its own way."""

from __future__ import annotations

import base64
from typing import Final

NAMES: Final = (
    "cut off",
    "longer",
    "padded",
    "spare bits",
    "a bit of the seal",
    "a bit of the content",
    "other tenant",
    "tenant nobody knows",
    "no tenant",
    "no dot",
    "two dots",
    "no seal",
    "seal too short",
    "not base64",
    "white space",
    "not ASCII",
    "much too long",
)


def forgeries(token: str) -> dict[str, str]:
    """The table, for one good token."""
    tenant, _, text = token.partition(".")
    content = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    texts = (
        token[:-1],
        token + "A",
        token + "=",
        _with_spare_bits(token),
        f"{tenant}.{_flipped(content, 0)}",
        f"{tenant}.{_flipped(content, len(content) - 1)}",
        f"demo-1.{text}",
        f"nobody.{text}",
        f".{text}",
        text,
        f"{tenant}..{text}",
        f"{tenant}.",
        f"{tenant}.AAAA",
        f"{tenant}.!!!!",
        f"{tenant}. {text}",
        "ä.ä",
        f"{tenant}.{'A' * 5_000}",
    )
    return dict(zip(NAMES, texts, strict=True))


def _flipped(content: bytes, place: int) -> str:
    changed = bytearray(content)
    changed[place] ^= 1
    return base64.urlsafe_b64encode(bytes(changed)).decode().rstrip("=")


def _with_spare_bits(token: str) -> str:
    """The same bytes under another name: base64 may have bits to spare behind the last byte; else another byte."""
    return token[:-1] + chr(ord(token[-1]) + 1)
