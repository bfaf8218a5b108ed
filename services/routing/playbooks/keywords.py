"""Finds a business's keywords in a comment, in any language that is written in it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final

PREFIX: Final = "*"
_UNSPACED: Final = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
"""Thai, Japanese, Chinese: scripts that put no spaces between words."""


class Keywords:
    """Names, each found by any of its words; a word that ends with `*` stands for all that begin so."""

    def __init__(self, words: Mapping[str, Sequence[str]]) -> None:
        self._patterns = {
            name: re.compile(_any_of([_plain(word) for word in listed])) for name, listed in words.items()
        }

    def found_in(self, comment: str) -> list[str]:
        """The names of which a word is in the comment, in the order of the playbook; case does not matter."""
        text = _plain(comment)
        return [name for name, pattern in self._patterns.items() if pattern.search(text)]


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _any_of(words: Sequence[str]) -> str:
    """One look for where a word begins, and not one for each word."""
    spaced = [_pattern(word) for word in words if not _UNSPACED.match(word)]
    unspaced = [_pattern(word) for word in words if _UNSPACED.match(word)]
    return "|".join([*([rf"\b(?:{'|'.join(spaced)})"] if spaced else []), *unspaced])


def _pattern(word: str) -> str:
    stem = word.removesuffix(PREFIX)
    ends = r"" if word.endswith(PREFIX) or _UNSPACED.search(stem[-1:]) else r"\b"
    return re.escape(stem).replace(r"\ ", r"\s+") + ends
