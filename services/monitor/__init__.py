"""Monitor: live NPS on one page, and on another the playbook with what it leads to.

For whoever runs the loop and for whoever opens it for the first time.

Reads    counts and scores, alerts, the newest answers and what became of each, and which playbook decides
Decides  nothing; it shows, and where nothing has arrived it says why
Writes   nothing, and keeps no database: it reads the topics anew at each start
"""

from typing import Final

from schemas.topics import (
    ALERTS,
    DECISIONS,
    DELIVERIES,
    PLAYBOOKS,
    RESPONSES,
    SCORES,
    SHADOW_DECISIONS,
    TALLIES,
    TASKS,
)

READS: Final = (RESPONSES, TALLIES, SCORES, ALERTS, DECISIONS, SHADOW_DECISIONS, PLAYBOOKS, DELIVERIES, TASKS)
WRITES: Final = ()
