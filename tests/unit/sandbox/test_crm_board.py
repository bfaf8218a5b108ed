"""The CRM's own list: what it takes from nps-loop, what people do to it, and whether anything is there twice."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from pydantic import ValidationError

from infra.sandbox.crm.board import Board, CrmChange
from schemas.task import Task
from schemas.topics import TASKS
from tests.support.answers import NOON
from tests.support.crm_tasks import task

LATER = NOON + timedelta(days=3)


def board_of(*tasks: Task) -> Board:
    board = Board()
    for one in tasks:
        board.take(TASKS.key_of(one), one)
    return board


def test_a_task_keeps_its_row_through_all_its_versions() -> None:
    board = board_of(task(), task(version=2, status="waiting"), task(version=1))
    (row,) = board.rows()
    assert (row.external_id, row.task.version, row.task.status) == ("CRM-1001", 2, "waiting")
    assert board.counts(NOON)["total"] == 1


def test_a_tombstone_takes_the_row_away() -> None:
    board = board_of(task(), task("other"))
    board.remove(TASKS.key_of(task()))
    board.remove(TASKS.key_of(task("never")))
    assert [row.task.response_id for row in board.rows()] == ["other"]
    assert board.find("CRM-1001") is None


def test_what_is_open_and_due_first_stands_first() -> None:
    board = board_of(
        task("done", status="done", due_at=NOON),
        task("later", due_at=LATER),
        task("soon", due_at=NOON, priority="low"),
        task("urgent", due_at=NOON, priority="urgent"),
    )
    assert [row.task.response_id for row in board.rows()] == ["urgent", "soon", "later", "done"]
    assert [row.task.response_id for row in board.rows(status="done")] == ["done"]


def test_counts_are_by_status_and_tenant_with_what_is_overdue() -> None:
    board = board_of(task("a"), task("b", status="done"), task("c", due_at=LATER), task("d", tenant="demo-1"))
    now = NOON + timedelta(hours=25)
    assert board.counts(now, "default") == {
        "open": 2,
        "in_progress": 0,
        "waiting": 0,
        "done": 1,
        "cancelled": 0,
        "total": 3,
        "overdue": 1,
    }
    assert board.counts(now)["total"] == 4
    assert board.tenants() == ["default", "demo-1"]


def test_a_second_row_for_a_task_or_an_answer_is_told() -> None:
    board = board_of(task("a"), task("b"))
    assert board.duplicates() == []
    board.take(b"another key", task("a"))
    board.take(b"yet another", task("b", task_id=uuid4()))
    told = board.duplicates("default")
    assert [sorted(one["external_ids"]) for one in told] == [["CRM-1001", "CRM-1003"]] * 2 + [["CRM-1002", "CRM-1004"]]
    assert board.duplicates("demo-1") == []


def test_what_somebody_does_shows_at_once_and_gives_way_to_what_comes_back() -> None:
    board = board_of(task())
    (row,) = board.rows()
    board.change(row, CrmChange(status="done", outcome="resolved", note="called", author="eva"), LATER)
    assert (row.task.status, row.task.outcome, row.task.notes[0].text, row.unsent) == ("done", "resolved", "called", 1)
    board.told(row)
    board.take(row.key, task(version=2, status="done", outcome="resolved"))
    assert (row.unsent, row.task.version, row.task.notes) == (0, 2, [])


def test_the_state_grows_with_whatever_a_page_would_show() -> None:
    board = Board()
    states = [board.state]
    board.take(b"k", task())
    states.append(board.state)
    (row,) = board.rows()
    board.change(row, CrmChange(owner="eva"), NOON)
    states.append(board.state)
    board.not_told(row, "nps-loop answered 503; trying again")
    states.append(board.state)
    board.told(row)
    states.append(board.state)
    board.remove(b"k")
    states.append(board.state)
    assert states == sorted(set(states))


@pytest.mark.parametrize("change", [{}, {"state": "done"}, {"outcome": "resolved"}, {"note": ""}, {"status": "closed"}])
def test_a_change_that_makes_no_sense_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        CrmChange.model_validate(change)
