"""Outreach: one task per answer, for a person to act on.

Reads    the tasks that answers should lead to, whom a rule wants asked again, what CRMs say about tasks, persons to
         forget; its own tasks to recover
Decides  who owns a task and how it stands, from the newest request and the newest word about each field
Writes   each task as it stands, and customers to ask again once theirs is closed
"""

from typing import Final

from schemas.topics import ERASURES, NOTICES, OUTREACH, SURVEY_REQUESTS, TASK_UPDATES, TASKS

READS: Final = (OUTREACH, NOTICES, TASKS, TASK_UPDATES, ERASURES)
WRITES: Final = (TASKS, SURVEY_REQUESTS)
