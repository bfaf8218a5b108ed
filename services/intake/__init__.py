"""Intake: every channel in, and nothing forged, lost or counted under two ids.

Reads    inbound topics `responses.<channel>`, HTTP, files, webhooks of providers and CRMs; orders to erase
Decides  what an answer's id, revision and segments are, whether its sender may speak for the tenant, what is sealed
Writes   answers, settled and sealed; what providers and CRMs said; consents
"""

from typing import Final

from schemas.topics import CONSENTS, ERASURES, PROVIDER_EVENTS, RESPONSES, TASK_UPDATES

READS: Final = (ERASURES,)
WRITES: Final = (RESPONSES, PROVIDER_EVENTS, TASK_UPDATES, CONSENTS)
