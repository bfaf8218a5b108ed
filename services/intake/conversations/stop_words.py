"""Words by which people ask to be asked no more: each a whole message, since "stop by any time" is no such thing. Pure.

Those of English hold in every language, and are what Twilio takes for an opt-out by itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Final

from services.intake.conversations.number_words import folded

STOP_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "en": ("stop", "stop all", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout", "opt out"),
    "cs": (
        "stop prosím",
        "konec",
        "dost",
        "přestaňte",
        "odhlásit",
        "odhlásit se",
        "odhlaste mě",
        "zrušit",
        "zrušte",
        "ukončit",
        "nechci",
        "už nechci",
        "nepište mi",
        "už mi nepište",
    ),
    "pl": (
        "stop proszę",
        "koniec",
        "dość",
        "przestań",
        "przestańcie",
        "wypisz",
        "wypisz mnie",
        "wypisz się",
        "rezygnuję",
        "rezygnacja",
        "anuluj",
        "zakończ",
        "nie chcę",
        "proszę nie pisać",
    ),
    "fi": (
        "stop kiitos",
        "seis",
        "lopeta",
        "lopettakaa",
        "lopetus",
        "peru",
        "peruuta",
        "poista",
        "poistakaa",
        "en halua",
        "ei enää",
        "älkää kysykö",
    ),
    "ru": (
        "стоп",
        "хватит",
        "отписаться",
        "отпишите",
        "отпишите меня",
        "отписка",
        "отмена",
        "отменить",
        "прекратите",
        "не хочу",
        "не пишите",
        "больше не пишите",
    ),
    "zh": (
        "停",
        "停止",
        "退订",
        "退訂",
        "取消",
        "取消订阅",
        "取消訂閱",
        "退出",
        "拒收",
        "不要再发",
        "不要再發",
        "别再发了",
        "td",
        "t",
    ),
}

ANSWERED_BY_TWILIO: Final = frozenset({"stop", "unsubscribe", "end", "quit", "stopall", "revoke", "optout", "cancel"})
"""What Twilio answers itself on ordinary numbers (its guide to Advanced Opt-Out); a text of ours would fail."""

_AROUND: Final = re.compile(r"[\W_]+")


def asks_to_stop(text: str, language: str | None) -> bool:
    """Whether a whole message says stop, in this language or English; in any of ours where none is known."""
    return _said(text) in _words(language)


def is_answered_by_twilio(text: str) -> bool:
    """Whether Twilio confirms this opt-out in our place."""
    return _said(text) in ANSWERED_BY_TWILIO


def _said(text: str) -> str:
    """The words alone: no case, no accents, no punctuation."""
    return _AROUND.sub(" ", folded(text)).strip()


@cache
def _words(language: str | None) -> frozenset[str]:
    languages = STOP_WORDS if language is None else {"en", language}
    return frozenset(_said(word) for name in languages for word in STOP_WORDS[name])
