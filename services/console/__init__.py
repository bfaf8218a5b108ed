"""The console: the `nps` command.

Reads    what the loop has published, as it stands
Decides  nothing; it carries out what a person asks for
Writes   orders to forget a person
"""

from typing import Final

from schemas.topics import (
    DECISIONS,
    DELIVERIES,
    ERASURES,
    GENERATIONS,
    MESSAGES,
    NOTICES,
    OUTREACH,
    PLAYBOOKS,
    PROVIDER_EVENTS,
    RESPONSES,
    SCORES,
    SHADOW_DECISIONS,
    TALLIES,
    TASK_UPDATES,
    TASKS,
)

READS: Final = (
    RESPONSES,
    TALLIES,
    GENERATIONS,
    SCORES,
    DECISIONS,
    MESSAGES,
    OUTREACH,
    NOTICES,
    SHADOW_DECISIONS,
    PLAYBOOKS,
    DELIVERIES,
    TASKS,
    PROVIDER_EVENTS,
    TASK_UPDATES,
)
WRITES: Final = (ERASURES,)
