"""How people ask to be asked no more, and what only sounds like it."""

from __future__ import annotations

import pytest

from services.intake.conversations.number_words import LANGUAGES
from services.intake.conversations.spoken_scores import read_score
from services.intake.conversations.stop_words import (
    ANSWERED_BY_TWILIO,
    STOP_WORDS,
    asks_to_stop,
    is_answered_by_twilio,
)


def test_every_language_has_its_words() -> None:
    assert STOP_WORDS.keys() == LANGUAGES.keys()


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "STOP"),
        ("en", " Stop. "),
        ("en", "opt-out"),
        ("cs", "Odhlásit!"),
        ("cs", "odhlasit se"),
        ("pl", "rezygnuje"),
        ("fi", "LOPETA"),
        ("fi", "ei enaa"),
        ("ru", "Стоп"),
        ("ru", "отписаться"),
        ("zh", "退订"),
        ("zh", "TD"),
        ("zh", "停止。"),
    ],
)
def test_a_stop_word_holds_in_any_case_with_and_without_accents(language: str, text: str) -> None:
    assert asks_to_stop(text, language)
    assert asks_to_stop(text, None)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_english_words_hold_in_every_language(language: str) -> None:
    assert all(asks_to_stop(word, language) for word in STOP_WORDS["en"])


@pytest.mark.parametrize("text", ["stop by any time", "please do not stop", "the end was great", "", "!", "9"])
def test_a_word_within_a_message_is_no_stop(text: str) -> None:
    assert not asks_to_stop(text, "en")


def test_a_word_of_another_language_says_nothing_where_the_language_is_known() -> None:
    assert not asks_to_stop("t", "en")
    assert asks_to_stop("t", "zh")


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_stop_word_is_a_score(language: str) -> None:
    for word in (*STOP_WORDS[language], *STOP_WORDS["en"]):
        assert read_score(word, language) is None


def test_what_twilio_answers_itself_is_english_and_among_ours() -> None:
    assert all(asks_to_stop(word, "en") for word in ANSWERED_BY_TWILIO)
    assert is_answered_by_twilio("Stop")
    assert not is_answered_by_twilio("стоп")
