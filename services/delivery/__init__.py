"""Delivery: one mail per answer, through a provider that may say yes, no, later or nothing at all.

Reads    the mails that are wanted, what the provider said about mails, consents; its own deliveries to recover
Decides  whether and when a mail goes out, and what an answer, a silence or an event of the provider means
Writes   each change in how a mail stands
"""

from typing import Final

from schemas.topics import CONSENTS, DELIVERIES, MESSAGES, PROVIDER_EVENTS

READS: Final = (MESSAGES, DELIVERIES, PROVIDER_EVENTS, CONSENTS)
WRITES: Final = (DELIVERIES,)
