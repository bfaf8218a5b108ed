"""Scoring: every answer counted once, and what the count is worth.

Reads    answers; its own tallies, scores and alerts, which are its memory
Decides  what each revision of an answer adds and takes away, what every window holds, how sure the score is, when
         something has happened to it
Writes   exact tallies, scores with interval and verdict, alerts with their evidence
"""

from typing import Final

from schemas.topics import ALERTS, GENERATIONS, PEOPLE, RESPONSES, SCORES, TALLIES

READS: Final = (RESPONSES, TALLIES, GENERATIONS, PEOPLE, SCORES, ALERTS)
WRITES: Final = (TALLIES, GENERATIONS, PEOPLE, SCORES, ALERTS)
