"""The form's languages: all of them say all of it, and the one a browser asks for is found."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.forms.words import SPOKEN, preferred, shipped, spoken

PLACES = ("{brand}", "{score}", "{most}")


@pytest.mark.parametrize("language", SPOKEN)
def test_every_language_says_everything_and_leaves_the_same_places_open(language: str) -> None:
    english, words = shipped()["en"], shipped()[language]  # type: ignore[index]  # one of its own keys
    for name, text in asdict(words).items():
        assert text.strip() == text != ""
        assert [place in text for place in PLACES] == [place in asdict(english)[name] for place in PLACES], name


def test_no_two_languages_share_their_question() -> None:
    assert len({words.question for words in shipped().values()}) == len(SPOKEN)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("fi", "fi"),
        ("fi-FI,fi;q=0.9,en;q=0.8", "fi"),
        ("de, pl;q=0.5", "pl"),
        ("en;q=0.4, cs;q=0.7", "cs"),
        ("zh-TW", "zh"),
        ("ru;q=0", None),
        ("de", None),
        ("", None),
        ("*", None),
        ("fi;q=much, pl", "pl"),
        (",;=;q=,,", None),
    ],
)
def test_the_language_a_browser_asks_for_most_is_found(asked: str, found: str | None) -> None:
    assert preferred(asked) == found


@given(st.text(max_size=600))
def test_whatever_a_browser_asks_for_is_no_error(asked: str) -> None:
    assert preferred(asked) in {None, *SPOKEN}
    assert spoken(asked) in {None, *SPOKEN}
