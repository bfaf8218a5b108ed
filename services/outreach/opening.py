"""Opens what is sealed of tasks, for those who must act on them: the only place where a task stands in clear."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from schemas.personal_data import PersonalData
from schemas.sealed import Sealed
from schemas.task import Note, Task
from services.chassis.keyring import Erased, Keyring
from services.chassis.sql import Transaction
from services.outreach import sql_tasks
from services.outreach.domain import Standing, task_of

_Opened = dict[Sealed, bytes | Erased]


async def tasks_of(transaction: Transaction, keyring: Keyring, standings: Sequence[Standing]) -> dict[UUID, Task]:
    """The tasks people see, each with all its notes; without those whose person has been erased meanwhile."""
    seen = [standing for standing in standings if standing.is_task]
    notes = await notes_of(transaction, keyring, [standing.task_id for standing in seen])
    sealed = [one for standing in seen for one in _sealed_in(standing)]
    opened = dict(zip(sealed, await keyring.open_all(sealed), strict=True))
    tasks = [_task(standing, opened, notes.get(standing.task_id, [])) for standing in seen]
    return {task.task_id: task for task in tasks if task}


async def notes_of(transaction: Transaction, keyring: Keyring, task_ids: Sequence[UUID]) -> dict[UUID, list[Note]]:
    """The notes of these tasks, oldest first; erased ones are left out."""
    stored = await sql_tasks.notes_of(transaction, task_ids)
    found = defaultdict(list)
    for (task_id, _), content in zip(stored, await keyring.open_all([sealed for _, sealed in stored]), strict=True):
        if not isinstance(content, Erased):
            found[task_id].append(Note.model_validate_json(content))
    return found


def _task(standing: Standing, opened: _Opened, notes: Sequence[Note]) -> Task | None:
    request = standing.request
    assert request is not None  # only what is seen is opened
    person = opened[request.sealed] if request.sealed else b"{}"
    late = opened[request.sealed_comment] if request.sealed_comment else Erased()
    if isinstance(person, Erased):
        return None
    data = PersonalData.model_validate_json(person)
    comment = data.comment if isinstance(late, Erased) else PersonalData.model_validate_json(late).comment
    return task_of(standing, data, comment, notes)


def _sealed_in(standing: Standing) -> list[Sealed]:
    request = standing.request
    return [one for one in (request.sealed, request.sealed_comment) if one] if request else []
