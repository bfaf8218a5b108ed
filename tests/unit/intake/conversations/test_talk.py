"""Conversations turn by turn: what is said, what is counted, and what time brings about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from services.intake.conversations.number_words import LANGUAGES
from services.intake.conversations.talk import _DOES, Line, Pace, State, Talk, Turn, begun, due_at, passed, said
from services.intake.conversations.texts import ON_PHONES, Medium, worded

NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)
PACE = Pace(remind_after=timedelta(hours=24), give_up_after=timedelta(hours=72), why_within=timedelta(hours=24))


def talk(state: State = "asked", language: str = "en", *, unread: int = 0, reminded: bool = False) -> Talk:
    return Talk(state=state, language=language, since=NOON, unread=unread, reminded=reminded)


def heard(text: str, state: State = "asked", language: str = "en") -> Turn:
    return said(talk(state, language), text, NOON)


def test_it_begins_with_the_question() -> None:
    turn = begun("fi", NOON)
    assert (turn.say, turn.talk.state, turn.over) == ("question", "asked", False)


@pytest.mark.parametrize(
    ("text", "score", "why"),
    [("10", 10, "why_promoter"), ("nine", 9, "why_promoter"), ("8", 8, "why_passive"), ("0", 0, "why_detractor")],
)
def test_a_score_counts_at_once_and_the_why_is_asked_by_band(text: str, score: int, why: Line) -> None:
    turn = heard(text)
    assert (turn.score, turn.say, turn.talk.state, turn.over, turn.corrects) == (score, why, "scored", False, False)


def test_the_why_is_a_comment_and_ends_it() -> None:
    turn = heard("You were quick", "scored")
    assert (turn.comment, turn.say, turn.talk.state, turn.over) == ("You were quick", "thanks", "commented", True)
    assert turn.score is None


def test_a_score_that_comes_with_its_reason_is_not_asked_why() -> None:
    turn = heard("9 great service")
    assert (turn.score, turn.comment, turn.say, turn.over) == (9, "9 great service", "thanks", True)


def test_it_asks_again_once_then_says_how_to_answer_and_then_is_silent() -> None:
    first = heard("whatever")
    second = said(first.talk, "really?", NOON)
    third = said(second.talk, "8 or 9", NOON)
    assert [first.say, second.say, third.say] == ["again", "unread", None]
    assert [first.over, second.over, third.over] == [False, True, True]
    assert said(third.talk, "9", NOON).score == 9


def test_a_bare_number_after_the_score_corrects_it() -> None:
    turn = heard("sorry, 8", "scored")
    assert (turn.score, turn.corrects, turn.say) == (8, True, "why_passive")


def test_a_number_in_the_why_is_part_of_it() -> None:
    turn = heard("2 of your people were rude", "scored")
    assert (turn.score, turn.comment) == (None, "2 of your people were rude")


@pytest.mark.parametrize("state", [state for state in get_args(State) if state != "stopped"])
def test_stop_is_an_opt_out_in_every_state(state: State) -> None:
    turn = heard("Stop", state)
    assert (turn.opts_out, turn.say, turn.talk.state, turn.over) == (True, "stopped", "stopped", True)
    assert turn.score is None
    assert turn.comment is None


@pytest.mark.parametrize("text", ["9", "STOP", "hello"])
def test_after_a_stop_there_is_nothing_more_to_say(text: str) -> None:
    turn = heard(text, "stopped")
    assert turn == Turn(talk=talk("stopped"))


def test_thanks_are_not_answered() -> None:
    assert heard("you are welcome", "commented") == Turn(talk=talk("commented"))


def test_an_answer_that_comes_late_is_an_answer_all_the_same() -> None:
    assert heard("9", "timed_out").score == 9
    assert heard("It was slow", "closed").comment == "It was slow"
    assert heard("hello", "timed_out").say is None


def test_there_is_one_reminder_and_then_an_end() -> None:
    asked = talk()
    assert passed(asked, NOON + timedelta(hours=23, minutes=59), PACE) is None
    reminded = passed(asked, NOON + timedelta(hours=24), PACE)
    assert reminded is not None
    assert (reminded.say, reminded.talk.state) == ("reminder", "asked")
    assert passed(reminded.talk, NOON + timedelta(hours=71), PACE) is None
    ended = passed(reminded.talk, NOON + timedelta(hours=72), PACE)
    assert ended is not None
    assert (ended.say, ended.talk.state) == (None, "timed_out")
    assert due_at(ended.talk, PACE) is None


def test_a_reminder_that_would_come_at_another_hour_is_left_out() -> None:
    turn = passed(talk(), NOON + timedelta(hours=33), PACE)
    assert turn is not None
    assert (turn.say, turn.talk.reminded) == (None, True)


def test_who_has_answered_something_is_not_reminded() -> None:
    assert due_at(heard("whatever").talk, PACE) == NOON + timedelta(hours=72)


def test_where_nothing_can_be_sent_there_is_no_reminder() -> None:
    silent = Pace(remind_after=None, give_up_after=PACE.give_up_after, why_within=PACE.why_within)
    assert due_at(talk(), silent) == NOON + timedelta(hours=72)


def test_who_does_not_say_why_is_left_in_peace() -> None:
    turn = passed(talk("scored"), NOON + timedelta(hours=24), PACE)
    assert turn is not None
    assert (turn.say, turn.talk.state) == (None, "closed")


def test_every_state_knows_what_to_do() -> None:
    assert set(_DOES) == set(get_args(State))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("medium", get_args(Medium))
def test_every_line_has_words_in_every_language(language: str, medium: Medium) -> None:
    for line in get_args(Line):
        text = worded(line, language, "Example {Shop}", medium)
        assert text
        if line in {"question", "reminder"}:
            assert "Example {Shop}" in text
            assert ("STOP" in text or "СТОП" in text or "退订" in text) == (medium in ON_PHONES)


def test_the_standard_question_is_asked() -> None:
    assert worded("question", "en", "Example", "chatbot").startswith(
        "How likely are you to recommend Example to a friend or colleague?"
    )


SPOKEN = {
    "en": ("nine", "Fast delivery", "unsubscribe"),
    "cs": ("devítka", "Rychlé dodání", "odhlásit"),
    "pl": ("dziewięć", "Szybka dostawa", "wypisz mnie"),
    "fi": ("ysi", "Nopea toimitus", "lopeta"),
    "ru": ("девятка", "Быстрая доставка", "отписаться"),
    "zh": ("九分", "送货很快", "退订"),
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_whole_conversation_in_every_language(language: str) -> None:
    score, why, stop = SPOKEN[language]
    scored = said(begun(language, NOON).talk, score, NOON)
    commented = said(scored.talk, why, NOON)
    assert (scored.score, commented.comment, commented.over) == (9, why, True)
    assert said(begun(language, NOON).talk, stop, NOON).opts_out
