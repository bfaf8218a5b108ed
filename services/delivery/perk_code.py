"""The code of a perk: the same for an answer whoever asks and whenever, easy to read out and to type."""

from __future__ import annotations

from typing import Final

from schemas.message import effect_id

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U
GROUPS: Final = 3
GROUP_LENGTH: Final = 4
BITS_A_CHARACTER: Final = 5


def perk_code(tenant: str, response_id: str) -> str:
    """For example `7KQM-X2RT-09VD`: the last 60 bits of the perk's effect id, none of them fixed by its version."""
    number = effect_id(tenant, response_id, "perk").int
    characters = [
        ALPHABET[number >> (BITS_A_CHARACTER * place) & 31] for place in reversed(range(GROUPS * GROUP_LENGTH))
    ]
    text = "".join(characters)
    return "-".join(text[start : start + GROUP_LENGTH] for start in range(0, len(text), GROUP_LENGTH))
