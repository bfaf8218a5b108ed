"""Monitor: live NPS on one page, for whoever runs the loop and for whoever opens it for the first time.

Reads    counts and scores, alerts, the newest answers, and what became of each
Decides  nothing; it shows, and where nothing has arrived it says why
Writes   nothing, and keeps no database: it reads the topics anew at each start
"""

from typing import Final

from schemas.topics import ALERTS, DECISIONS, DELIVERIES, RESPONSES, SCORES, TALLIES, TASKS

READS: Final = (RESPONSES, TALLIES, SCORES, ALERTS, DECISIONS, DELIVERIES, TASKS)
WRITES: Final = ()
