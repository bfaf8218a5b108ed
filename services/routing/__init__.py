"""Routing: one right action per answer.

Reads    answers, and what became of mails (bounces, opt-outs) and consents
Decides  by the tenant's playbook and contact policy: a perk, an offer, a task, or nothing for a stated reason
Writes   each decision, and the mail and the task it leads to as desired state
"""

from typing import Final

from schemas.topics import CONSENTS, DECISIONS, DELIVERIES, MESSAGES, OUTREACH, RESPONSES

READS: Final = (RESPONSES, DELIVERIES, CONSENTS)
WRITES: Final = (DECISIONS, MESSAGES, OUTREACH)
