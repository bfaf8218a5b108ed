"""What an operator does after a disk broke: the commands of the runbook, on the stack as it runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.running_loop import Loop, Tenant, until


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    loop = Loop(tmp_path / "state")
    try:
        loop.start()
        yield loop
    finally:
        loop.stop()


def _answered(tenant: Tenant, *scores: int) -> None:
    """Answers, each with the mail or the task it leads to."""
    mails, tasks = len(tenant.mails()), len(tenant.tasks())
    for number, score in enumerate(scores):
        tenant.answer(score=score, email=f"a{score}-{mails + tasks + number}@example.org")
    until(lambda: len(tenant.mails()) + len(tenant.tasks()), lambda found: found == mails + tasks + len(scores))
    until(tenant.score, lambda score: score and score["n"] == mails + tasks + len(scores))


def test_a_lost_database_is_recovered_and_nobody_is_contacted_twice(loop: Loop) -> None:
    tenant = loop.tenant()
    _answered(tenant, 10, 7, 2)
    loop.stack.stop()
    for service in ("routing", "delivery", "outreach"):
        for file in loop.stack.folder.glob(f"{service}.sqlite3*"):
            file.unlink()
    loop.nps("recover", "--yes")
    loop.stack.start(lambda _what: None)
    _answered(tenant, 9, 8, 1)
    counts = loop.http.get(f"{loop.stack.url('sendgrid')}/sandbox/counts").json()
    assert (len(tenant.mails()), len(tenant.tasks()), counts["duplicates"]) == (4, 2, 0)


def test_a_backup_of_a_stopped_stack_is_the_whole_of_it(loop: Loop, tmp_path: Path) -> None:
    tenant, file = loop.tenant(), tmp_path / "backup.tar.gz"
    _answered(tenant, 10, 2)
    loop.stack.stop()
    loop.nps("backup", str(file))
    loop.nps("reset", "--yes")
    assert "recover" not in loop.nps("restore", str(file), "--yes").stdout
    loop.stack.start(lambda _what: None)
    until(tenant.score, lambda score: score and score["n"] == 2)
    _answered(tenant, 9, 1)
    assert (len(tenant.mails()), len(tenant.tasks())) == (2, 2)
