"""Routing: one right action per answer.

Reads    answers, what became of mails and tasks (gone, bounced, closed) and consents
Decides  by the tenant's playbook and contact policy: a perk, an offer, a task, a notice, or nothing for a stated reason
Writes   each decision, the mail and the task it leads to as desired state, notices, and which playbook decides
"""

from typing import Final

from schemas.topics import (
    CONSENTS,
    DECISIONS,
    DELIVERIES,
    MESSAGES,
    NOTICES,
    OUTREACH,
    PLAYBOOKS,
    RESPONSES,
    SHADOW_DECISIONS,
    TASKS,
)

READS: Final = (RESPONSES, DELIVERIES, CONSENTS, TASKS)
WRITES: Final = (DECISIONS, MESSAGES, OUTREACH, NOTICES, SHADOW_DECISIONS, PLAYBOOKS)
