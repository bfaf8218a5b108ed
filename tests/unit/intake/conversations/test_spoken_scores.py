"""Scores as people type and say them in six languages, and what nobody may guess at."""

# ruff: noqa: RUF001 - people write so

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.conversations.number_words import LANGUAGES
from services.intake.conversations.spoken_scores import Spoken, read_score

READ = {
    "en": {
        "9": 9,
        " 9 ": 9,
        "0": 0,
        "10": 10,
        "10!!!": 10,
        "9.": 9,
        "９": 9,
        "１０": 10,
        "⑨": 9,
        "٩": 9,
        "9️⃣": 9,
        "🔟": 10,
        "1️⃣0️⃣": 10,
        "🔟🔟🔟": 10,
        "nine": 9,
        "Nine": 9,
        "TEN!": 10,
        "zero": 0,
        "nil": 0,
        "10/10": 10,
        "9/10": 9,
        "9 / 10": 9,
        "9/10!": 9,
        "nine/ten": 9,
        "9 out of 10": 9,
        "nine out of ten": 9,
        "ten out of ten": 10,
        "9 of 10": 9,
        "9 points out of 10": 9,
        "8pts": 8,
        "8 points": 8,
        "I'd say 8": 8,
        "I\N{RIGHT SINGLE QUOTATION MARK}d say 8": 8,
        "i would give it a solid eight, thanks": 8,
        "Definitely a 10": 10,
        "My score is 7": 7,
        "uh, well, seven": 7,
        "Hello! 9": 9,
        "9 :)": 9,
        "10 👍": 10,
        "9 because you were quick": 9,
        "Great service: 9": 9,
        "Great service! 9/10": 9,
        "9 great service": 9,
        "9 - great service": 9,
        "9, one of the best": 9,
        "9\nthanks": 9,
        "10 10 10": 10,
        "9?": 9,
        "+9": 9,
        "Would highly recommend 10/10": 10,
        "It's a 7 from me": 7,
        "rating: 8": 8,
        "I'll give you guys an 8": 8,
        "8 or so": 8,
    },
    "cs": {
        "9": 9,
        "deset": 10,
        "Deset!": 10,
        "devět": 9,
        "devet": 9,
        "osum": 8,
        "sedum": 7,
        "dávám devítku": 9,
        "Dal bych osmičku": 8,
        "dala bych tak 8": 8,
        "desítka": 10,
        "8 bodů": 8,
        "devět z deseti": 9,
        "9 z 10": 9,
        "9 z desíti": 9,
        "nulu": 0,
        "nula bodů": 0,
        "čistá desítka": 10,
        "nine": 9,
        "9 protože rychlé dodání": 9,
    },
    "pl": {
        "dziesięć": 10,
        "dziesiec": 10,
        "Dziewięć!": 9,
        "daję 9": 9,
        "dałbym ósemkę": 8,
        "daje siodemke": 7,
        "mocna dziewiątka": 9,
        "9 na 10": 9,
        "dziewięć na dziesięć": 9,
        "9 pkt": 9,
        "oceniam na 7": 7,
        "zero": 0,
        "dycha": 10,
        "szóstka": 6,
        "9 dobra obsługa": 9,
    },
    "fi": {
        "kymmenen": 10,
        "Kymppi!": 10,
        "yhdeksän": 9,
        "yhdeksan": 9,
        "ysi": 9,
        "kasi": 8,
        "seiska": 7,
        "seittemän": 7,
        "annan kahdeksan": 8,
        "antaisin ysin": 9,
        "sanoisin 8": 8,
        "8 pistettä": 8,
        "9/10": 9,
        "8 kautta 10": 8,
        "yhdeksän kymmenestä": 9,
        "nolla": 0,
        "viis": 5,
        "vitonen": 5,
        "täysi kymppi": 10,
    },
    "ru": {
        "десять": 10,
        "Десять!": 10,
        "девятка": 9,
        "поставлю девятку": 9,
        "твёрдая восьмёрка": 8,
        "твердая восьмерка": 8,
        "пятерочка": 5,
        "девять из десяти": 9,
        "9 из 10": 9,
        "8 баллов": 8,
        "девять баллов": 9,
        "ноль": 0,
        "я бы поставила 7": 7,
        "9 потому что быстро": 9,
    },
    "zh": {
        "十": 10,
        "十分": 10,
        "9分": 9,
        "九分": 9,
        "我给9分": 9,
        "我給九分。": 9,
        "打8分吧": 8,
        "两分": 2,
        "零分": 0,
        "满分！": 10,
        "10分满分": 10,
        "９分": 9,
        "八": 8,
        "九分，服务很好": 9,
        "9/10": 9,
        "我觉得可以给 7 分": 7,
        "8 because fast": 8,
    },
}
UNREADABLE = {
    "en": [
        "",
        " ",
        "great",
        "8 or 9",
        "8-9",
        "8 - 9",
        "eight-nine",
        "8/9",
        "between 8 and 9",
        "8, maybe 9",
        "8 9",
        "9:30",
        "8.5",
        "8,5",
        "9.0",
        "8½",
        "½",
        "⅒",
        "⅟",
        "nine and a half",
        "9 and a half",
        "-9",
        "\N{MINUS SIGN}9",
        "- 9",
        "minus nine",
        ".5",
        "11",
        "twelve",
        "twenty one",
        "twenty-one",
        "two hundred",
        "9 hundred",
        "100",
        "100%",
        "9%",
        "1000000000000000000000000000000",
        "007",
        "09",
        "2026",
        "in 2026",
        "+420 777 123 456",
        "777123456",
        "0800 123",
        "9/10/2026",
        "10:10",
        "10-10",
        "4 of 5",
        "4/5",
        "5 out of 5",
        "9th",
        "iPhone9",
        "9k",
        "#1",
        "€5",
        "5€",
        "5 stars",
        "5⭐",
        "3 weeks",
        "3 whole weeks",
        "I waited 3 weeks",
        "two friends",
        "two weeks late",
        "order 5 never came",
        "not 9",
        "more than 8",
        "over 9",
        "one of the best",
        "no one",
        "4 of my friends",
        "pet",
        "on a scale of 0 to 10 an 8",
        "10 days ago I said 8",
        "8 or one",
        ">9",
        "8 or more",
        "2 complaints",
        "I have 1 complaint",
        "at 9",
        "9 yrs",
        "up to 9",
        "x" * 5000 + " 9",
    ],
    "cs": [
        "osm a půl",
        "8 nebo 9",
        "ten obchod je skvělý",
        "čekal jsem 3 týdny",
        "jedenáct",
        "dvacet jedna",
        "mínus 5",
    ],
    "pl": ["osiem i pół", "8 lub 9", "ten sklep", "czekałem 3 tygodnie", "jedenaście", "jeden z lepszych", "sto"],
    "fi": [
        "kahdeksan ja puoli",
        "8 tai 9",
        "odotin 3 viikkoa",
        "yksitoista",
        "kaksikymmentä",
        "en anna 9",
        "yksi parhaista",
    ],
    "ru": ["восемь с половиной", "8 или 9", "ждал 3 недели", "одиннадцать", "двадцать один", "один из лучших", "не 9"],
    "zh": [
        "八九分",
        "8或9",
        "十一",
        "二十",
        "九十",
        "十分满意",
        "八分半",
        "9点",
        "3天",
        "一般",
        "负9",
        "不给9分",
        "等了3个星期",
        "一百",
        "8分以上",
        "第九",
        "不到8分",
    ],
}


@pytest.mark.parametrize(
    ("language", "text", "score"), [(lang, text, score) for lang, told in READ.items() for text, score in told.items()]
)
def test_a_score_is_read_in_any_form(language: str, text: str, score: int) -> None:
    spoken = read_score(text, language)
    assert spoken is not None
    assert spoken.score == score


@pytest.mark.parametrize(
    ("language", "text"), [(language, text) for language, texts in UNREADABLE.items() for text in texts]
)
def test_what_is_not_certain_is_not_guessed_at(language: str, text: str) -> None:
    assert read_score(text, language) is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_number_word_is_understood_in_its_language_with_and_without_accents(language: str) -> None:
    for number in range(11):
        words = {word for word, value in LANGUAGES[language].spelled.items() if value == number}
        assert words, f"{language} has no word for {number}"
        for word in words:
            assert read_score(word.upper(), language) == Spoken(number, with_reason=False)
    for word, number in LANGUAGES[language].number_of.items():
        assert read_score(f"{word}!", language) == Spoken(number, with_reason=False)


@pytest.mark.parametrize("asked_in", LANGUAGES)
def test_a_number_of_any_language_is_understood_where_it_is_all_that_was_said(asked_in: str) -> None:
    for word in ("nine", "devět", "dziewięć", "yhdeksän", "девять", "九"):
        assert read_score(word, asked_in) == Spoken(9, with_reason=False)


def test_no_word_means_two_numbers() -> None:
    meanings: dict[str, set[int]] = {}
    for words in LANGUAGES.values():
        for word, number in words.spelled.items():
            meanings.setdefault(word, set()).add(number)
    assert {word: found for word, found in meanings.items() if len(found) > 1} == {}


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "9 great service"),
        ("en", "9 because you were quick"),
        ("cs", "9 protože rychlé dodání"),
        ("ru", "9 потому что быстро привезли"),
        ("zh", "九分，服务很好"),
    ],
)
def test_a_reason_that_comes_with_the_score_is_noticed(language: str, text: str) -> None:
    assert read_score(text, language) == Spoken(9, with_reason=True)


def test_politeness_is_no_reason() -> None:
    for text in ("I would say 9, thank you!", "9 thx", "Hi, definitely 9 please"):
        assert read_score(text) == Spoken(9, with_reason=False)


@given(st.text(), st.sampled_from(sorted(LANGUAGES)))
def test_whatever_is_said_it_is_a_score_from_0_to_10_or_none(text: str, language: str) -> None:
    spoken = read_score(text, language)
    assert spoken is None or spoken.score in range(11)


@given(
    st.lists(st.integers(0, 10_000), min_size=2, max_size=4, unique=True),
    st.sampled_from([" ", " or ", ", ", "/", "-"]),
)
def test_two_different_numbers_are_never_one_score_unless_the_second_is_the_scale(
    numbers: list[int], glue: str
) -> None:
    text = glue.join(map(str, numbers))
    if re.fullmatch(r"\d/10|10/10", text):
        return
    assert read_score(text) is None


@given(st.integers(0, 10), st.integers(0, 99))
def test_a_decimal_is_never_a_score(whole: int, rest: int) -> None:
    for point in ".,":
        assert read_score(f"I'd say {whole}{point}{rest}") is None
