"""One action per answer: whatever waits, comes late, is edited, taken back or sent twice, in each state of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import pytest

from schemas.delivery import State
from schemas.personal_data import PersonalData
from schemas.response import Response
from schemas.task import TaskStatus
from services.routing.domain import Decided, Ignored, Noted
from services.routing.playbooks.rulebook import Rulebook
from tests.support.answers import NOON, answered
from tests.support.events import delivered, tasked
from tests.support.playbooks import book, shipped
from tests.support.routing_desk import Desk, sealed_as

SHIPPED = Rulebook.of(shipped())
SCORES = {"promoter": 9, "passive": 7, "detractor": 3}
Band = Literal["promoter", "passive", "detractor"]
ADA = "a" * 32


@dataclass
class Life:
    """One answer of somebody with an address, and what happens to it; minutes are those after noon."""

    desk: Desk = field(default_factory=lambda: Desk(SHIPPED))
    now: datetime = NOON
    sent: int = 0

    def at(self, minutes: float) -> Life:
        self.now = NOON + timedelta(minutes=minutes)
        return self

    def says(self, comment: str | None = None, **given: Any) -> Decided | Noted | Ignored:
        """One event about the answer."""
        self.sent += 1
        name = f"n{self.sent}"
        self.desk.people[name] = PersonalData(email="ada@example.org", comment=comment)
        self.desk.linked = {ADA: frozenset({ADA})}
        fields: dict[str, Any] = {
            "response_id": "r",
            "score": 9,
            "received_at": self.now,
            "answered_at": self.now,
            "subject": ADA,
            "sealed": sealed_as(name),
        } | given
        return self.desk.answers([answered(**fields)], self.now)[0]

    def gives(self, band: Band, revision: int = 1, **given: Any) -> Decided | Noted | Ignored:
        return self.says(score=SCORES[band], revision=revision, **given)

    def comments(self, text: str, revision: int = 100, **given: Any) -> Decided | Noted | Ignored:
        return self.says(text, score=None, op="commented", revision=revision, **given)

    def waits(self, minutes: float) -> list[Decided | Noted | Ignored]:
        return self.at(minutes).desk.due(self.now)

    def mail(self, state: State, **given: Any) -> None:
        number = self.desk.standing("r").number
        kind = self.desk.standing("r").mail
        self.desk.mail(delivered("r", **{"state": state, "kind": kind, "revision": number, "at": self.now} | given))

    def task(self, status: TaskStatus) -> None:
        self.desk.task(tasked("r", status=status, updated_at=self.now))

    @property
    def last(self) -> Decided:
        return self.desk.decided[-1]

    def story(self) -> list[str]:
        """Each decision in a word or two."""
        decisions = [one.decision for one in self.desk.decided]
        return [f"{one.outcome} {one.reason or one.action}" for one in decisions]

    def mails(self) -> list[str]:
        return [one.message.command for one in self.desk.decided if one.message]

    def tasks(self) -> list[str]:
        return [one.outreach.command for one in self.desk.decided if one.outreach]


SETTLES = {"promoter": 60, "passive": 30, "detractor": 10}
ACTIONS = {"promoter": "perk", "passive": "offer", "detractor": "outreach"}


@pytest.mark.parametrize("band", SCORES)
def test_the_score_alone_waits_for_its_comment_as_long_as_its_rule_says(band: Band) -> None:
    life = Life()
    life.gives(band)
    assert life.last.decision.until == NOON + timedelta(minutes=SETTLES[band])
    assert (life.mails(), life.tasks()) == ([], [])
    assert life.waits(SETTLES[band] - 0.1) == []
    life.waits(SETTLES[band])
    assert life.story() == ["held settling", f"action {ACTIONS[band]}"]
    assert life.waits(10_000) == []


@pytest.mark.parametrize("band", SCORES)
def test_a_comment_that_comes_before_the_score_spares_the_wait(band: Band) -> None:
    life = Life()
    life.comments("thank you")
    life.gives(band)
    assert life.story() == [f"action {ACTIONS[band]}"]


@pytest.mark.parametrize("band", SCORES)
def test_a_comment_that_comes_with_the_score_spares_the_wait(band: Band) -> None:
    life = Life()
    life.gives(band, comment="thank you")
    assert life.story() == [f"action {ACTIONS[band]}"]


@pytest.mark.parametrize("band", SCORES)
def test_a_comment_that_comes_while_it_waits_ends_the_wait(band: Band) -> None:
    life = Life()
    life.gives(band)
    life.at(3).comments("thank you")
    assert life.story() == ["held settling", f"action {ACTIONS[band]}"]
    assert life.waits(10_000) == []


def test_a_wish_to_be_called_back_waits_for_nothing() -> None:
    life = Life()
    life.gives("promoter", callback_requested=True)
    assert (life.last.decision.rule, life.story()) == ("call-back", ["action outreach"])
    assert life.last.outreach is not None
    assert life.last.outreach.due_at == NOON + timedelta(hours=4)


@pytest.mark.parametrize("minutes", [3, 30])
def test_a_comment_of_somebody_about_to_leave_raises_the_urgency(minutes: float) -> None:
    life = Life()
    life.gives("detractor")
    if minutes > SETTLES["detractor"]:
        life.waits(SETTLES["detractor"])
    life.at(minutes).comments("I will cancel today")
    request = life.last.outreach
    assert request is not None
    assert (life.last.decision.rule, request.priority, request.command) == ("keep-who-may-leave", "urgent", "open")
    assert request.sealed_comment is not None
    assert life.last.standing.comment is not None
    assert {one.outreach.task_id for one in life.desk.decided if one.outreach} == {request.task_id}


def test_an_older_comment_changes_nothing_and_a_newer_one_counts() -> None:
    life = Life()
    life.gives("detractor")
    life.comments("first", revision=100)
    assert life.comments("older", revision=99) == "older"
    assert life.comments("first", revision=100, digest=life.last.standing.comment.digest) == "duplicate"  # type: ignore[union-attr]  # just noted
    assert isinstance(life.comments("I will cancel", revision=101), Decided)
    assert life.last.decision.rule == "keep-who-may-leave"


def test_an_edit_while_it_waits_is_held_from_the_first_arrival_on() -> None:
    life = Life()
    life.gives("promoter")
    life.at(5).gives("detractor", 2)
    assert life.last.decision.until == NOON + timedelta(minutes=SETTLES["detractor"])
    life.at(7).gives("passive", 3)
    assert life.last.decision.until == NOON + timedelta(minutes=SETTLES["passive"])
    life.waits(SETTLES["passive"])
    assert life.story() == ["held settling"] * 3 + ["action offer"]
    assert (life.mails(), life.tasks()) == (["offer"], [])


def held(life: Life, band: Band) -> None:
    life.gives(band)


def planned(life: Life, band: Band) -> None:
    life.gives(band)
    life.waits(SETTLES[band])


def gone(life: Life, band: Band) -> None:
    planned(life, band)
    life.mail("accepted")


def reaching_nobody(life: Life, band: Band) -> None:
    planned(life, band)
    life.mail("suppressed")


def done(life: Life, band: Band) -> None:
    planned(life, band)
    life.task("done")


def in_progress(life: Life, band: Band) -> None:
    planned(life, band)
    life.task("in_progress")


Reached = Callable[[Life, Band], None]
MAIL_STATES: list[Reached] = [held, planned, gone, reaching_nobody]
TASK_STATES: list[Reached] = [held, planned, in_progress, done]
STATES: list[tuple[Band, Reached]] = [
    *(("promoter", state) for state in MAIL_STATES),
    *(("passive", state) for state in MAIL_STATES),
    *(("detractor", state) for state in TASK_STATES),
]


def lived(band: Band, state: Reached) -> tuple[Life, int]:
    """An answer in a state, two hours after noon, and how many decisions it took."""
    life = Life()
    state(life, band)
    life.at(120)
    return life, len(life.desk.decided)


@pytest.mark.parametrize(("band", "state"), STATES)
@pytest.mark.parametrize("after", SCORES)
def test_an_edit_across_a_border_leaves_the_one_right_action(band: Band, state: Reached, after: Band) -> None:
    """Unsent is taken back, open is closed; no second mail goes, and a fall to detractor opens the one task."""
    life, before = lived(band, state)
    life.gives(after, 2)
    commands = life.desk.decided[before:]
    assert len(commands) == 1
    message, task = commands[0].message, commands[0].outreach
    was_mail, is_mail = band != "detractor", after != "detractor"
    planned_before, mail_gone = state is not held, state is gone
    wanted = ACTIONS[after] if is_mail else "none"
    if mail_gone or (not is_mail and not (was_mail and planned_before)):
        assert message is None
    else:
        assert message is not None
        assert message.command == wanted
    if is_mail and (was_mail or not planned_before):
        assert task is None
    else:
        assert task is not None
        assert task.command == ("none" if is_mail else "open")
    decision = commands[0].decision
    second = mail_gone and is_mail and after != band
    assert (decision.outcome, decision.reason) == (("suppressed", "already_sent") if second else ("action", None))


@pytest.mark.parametrize(("band", "state"), STATES)
@pytest.mark.parametrize("op", ["retracted", "excluded"])
def test_what_is_taken_back_is_withdrawn_unless_it_has_gone(band: Band, state: Reached, op: Any) -> None:
    life, before = lived(band, state)
    life.gives(band, 2, op=op)
    (taken_back,) = life.desk.decided[before:]
    message, task = taken_back.message, taken_back.outreach
    was_mail, is_out = band != "detractor", state is not held
    assert (message is not None) == (was_mail and is_out and state is not gone)
    assert (task is not None) == (not was_mail and is_out)
    for command in (message, task):
        if command is not None:
            assert (command.command, command.reason) == ("none", op)
    assert (taken_back.decision.outcome, taken_back.decision.reason) == ("withdrawn", op)
    assert (taken_back.decision.detail == "its mail had gone") == (state is gone)
    assert life.waits(10_000) == []


@pytest.mark.parametrize(("band", "state"), STATES)
def test_what_was_excluded_comes_back_as_the_one_action_it_is(band: Band, state: Reached) -> None:
    life, _ = lived(band, state)
    life.gives(band, 2, op="excluded")
    life.at(125).gives(band, 3)
    standing = life.last.standing
    assert (standing.mail if band != "detractor" else standing.task) == (
        ACTIONS[band] if band != "detractor" else "open"
    )
    assert len([command for command in life.mails() if command != "none"]) <= (1 if state is gone else 2)


@pytest.mark.parametrize(("band", "state"), STATES)
def test_what_comes_twice_changes_nothing_in_any_state(band: Band, state: Reached) -> None:
    life, before = lived(band, state)
    first = life.desk.standing("r")
    assert first.answer is not None
    assert life.desk.answers([first.answer], life.now) == ["duplicate"]
    assert life.gives("detractor", 1, digest="f" * 32) == "conflict"
    assert (life.desk.standing("r"), len(life.desk.decided)) == (first, before)


@pytest.mark.parametrize("state", TASK_STATES)
def test_a_contact_that_was_made_is_forgotten_only_if_it_was_taken_back_in_time(state: Reached) -> None:
    life, _ = lived("detractor", state)
    life.gives("detractor", 2, op="retracted")
    assert (life.last.standing.task_at is not None) == (state is done)


def test_a_task_that_is_done_after_it_was_taken_back_was_a_contact() -> None:
    life, _ = lived("detractor", planned)
    life.gives("detractor", 2, op="retracted")
    life.at(130).task("cancelled")
    assert life.desk.standing("r").task_at is None
    life.at(140).task("done")
    assert life.desk.standing("r").task_at == NOON + timedelta(minutes=140)


@pytest.mark.parametrize("state", ["accepted", "delivered", "dropped", "bounced", "spam", "unsubscribed", "unknown"])
def test_a_mail_that_went_although_it_was_taken_back_was_a_contact(state: State) -> None:
    life, _ = lived("promoter", planned)
    life.gives("promoter", 2, op="retracted")
    assert life.desk.standing("r").mail_at is None
    life.at(130).mail(state, kind="perk")
    standing = life.desk.standing("r")
    assert (standing.mail_at, standing.mail) == (NOON + timedelta(minutes=130), "perk")
    life.at(140).gives("promoter", 3)
    assert life.mails() == ["perk", "none"]


@pytest.mark.parametrize("state", ["withdrawn", "suppressed", "refused"])
def test_word_about_a_command_that_is_no_more_leaves_the_contact_of_a_newer_one(state: State) -> None:
    life, _ = lived("promoter", planned)
    number = life.last.decision.number
    life.gives("promoter", 2, op="excluded")
    life.at(121).gives("promoter", 3)
    life.at(122).mail(state, kind="none", revision=number + 1)
    assert life.desk.standing("r").mail_at == NOON + timedelta(minutes=121)
    life.mail(state)
    assert life.desk.standing("r").mail_at is None


def test_a_task_is_due_from_when_it_was_opened() -> None:
    life, _ = lived("promoter", gone)
    life.at(3 * 24 * 60).gives("detractor", 2)
    assert life.last.outreach is not None
    assert life.last.outreach.due_at == life.now + timedelta(hours=24)
    life.at(3 * 24 * 60 + 50).comments("still broken")
    assert life.last.outreach.due_at == life.now + timedelta(hours=24) - timedelta(minutes=50)


@pytest.mark.parametrize("late_by", [timedelta(0), timedelta(hours=3), timedelta(days=3)])
def test_what_fell_due_while_nobody_ran_fires_once_somebody_does(late_by: timedelta) -> None:
    life = Life()
    life.gives("detractor")
    minutes = SETTLES["detractor"] + late_by / timedelta(minutes=1)
    assert len(life.waits(minutes)) == 1
    assert life.waits(minutes) == life.waits(minutes + 60) == []
    assert life.tasks() == ["open"]


def test_a_mail_that_fell_due_more_than_a_week_ago_is_stale() -> None:
    life = Life()
    life.gives("promoter")
    life.waits(8 * 24 * 60)
    assert life.story() == ["held settling", "suppressed stale"]


def test_a_wait_ends_into_quiet_hours_and_these_end_in_the_one_mail() -> None:
    life = Life().at(7.5 * 60)
    life.gives("promoter")
    life.waits(8.5 * 60)
    assert life.last.decision.until == NOON + timedelta(hours=20)
    assert life.waits(19 * 60) == []
    life.waits(20 * 60)
    assert life.story() == ["held settling", "held quiet_hours", "action perk"]
    assert life.mails() == ["perk"]


def test_five_unhappy_answers_of_one_person_within_a_week_lead_to_one_contact() -> None:
    life = Life()
    for day in range(5):
        life.at(day * 1440).gives("detractor", response_id=f"r{day}")
        life.waits(day * 1440 + 10)
    assert life.tasks() == ["open"]
    assert [line for line in life.story() if "cap" in line] == ["suppressed cap"] * 4
    life.at(7 * 1440).gives("detractor", response_id="r7")
    life.waits(7 * 1440 + 10)
    assert life.tasks() == ["open", "open"]


def test_the_one_contact_within_a_week_stays_one_also_where_its_task_is_done_and_its_answer_taken_back() -> None:
    life, _ = lived("detractor", done)
    life.gives("detractor", 2, op="retracted")
    life.at(1440).gives("detractor", response_id="second", comment="again")
    assert (life.last.decision.outcome, life.last.decision.reason) == ("suppressed", "cap")


TELLS = book(
    {"name": "managers", "when": '"leaving" in comment.keywords', "action": "notify", "to": "managers"}
    | {"then": "continue", "priority": 9},
    {"name": "ask", "when": 'answer.band == "passive"', "action": "survey_request", "to": "why", "settle": "PT5M"},
    {"name": "thank", "when": 'answer.band == "promoter"', "action": "perk", "template": "perk", "settle": "PT60M"},
    {"name": "team", "when": 'answer.band == "detractor"', "action": "notify", "to": "team"},
    {"name": "others", "when": "true", "action": "none", "priority": -9},
    keywords={"leaving": ["cancel*"]},
)


def told(life: Life) -> list[str]:
    return [notice.rule for one in life.desk.decided for notice in one.notices]


def test_a_rule_that_goes_on_tells_once_whatever_is_edited() -> None:
    life = Life(Desk(TELLS))
    life.gives("promoter", comment="I will cancel")
    life.gives("promoter", 2, comment="I will cancel!")
    life.gives("detractor", 3, comment="I will cancel!!")
    assert told(life) == ["managers", "team"]
    assert [one.decision.notices for one in life.desk.decided] == [("managers",), (), ()]


def test_nobody_is_told_while_an_answer_settles_or_is_taken_back() -> None:
    life = Life(Desk(TELLS))
    life.gives("promoter")
    life.gives("detractor", 2, op="retracted", comment="I will cancel")
    assert told(life) == []


@pytest.mark.parametrize("state", [planned, gone])
def test_a_late_comment_tells_who_is_to_be_told_and_sends_no_second_mail(state: Reached) -> None:
    life = Life(Desk(TELLS))
    state(life, "promoter")
    life.at(90).comments("I will cancel")
    assert told(life) == ["managers"]
    assert len({one.message.message_id for one in life.desk.decided if one.message}) == 1
    assert isinstance(life.comments("and cancel the other one", 101), Noted)
    assert told(life) == ["managers"]


def test_a_survey_is_asked_for_once() -> None:
    life = Life(Desk(TELLS))
    life.gives("passive")
    life.waits(5)
    life.at(6).says(score=8, revision=2)
    life.waits(60)
    life.at(70).gives("passive", 3, op="excluded")
    life.at(71).gives("passive", 4)
    assert told(life) == ["ask"]


def test_many_answers_in_one_batch_meet_each_others_contacts() -> None:
    desk = Desk(SHIPPED, {"n": PersonalData(email="ada@example.org", comment="so it is")}, {ADA: frozenset({ADA})})
    batch: list[Response] = [
        answered(3, response_id=f"r{n}", subject=ADA, sealed=sealed_as("n"), received_at=NOON) for n in range(5)
    ]
    desk.answers(batch, NOON)
    assert [one.outreach.command for one in desk.decided if one.outreach] == ["open"]
