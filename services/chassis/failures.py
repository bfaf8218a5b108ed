"""Failures, named by what is to be done about them.

Malformed   never acceptable as it is: a dead letter, or a 4xx     (schemas.malformed)
Transient   a dependency is down: wait and try again, without end
Fenced      somebody else has taken over: drop what is in hand and look again
Halt        going on would be wrong: the process stops and says why
Refused     what somebody asked for cannot be done as things stand: nothing has changed
"""

from __future__ import annotations

from schemas.malformed import Fault, Malformed

__all__ = ["Fault", "Fenced", "Halt", "Malformed", "Refused", "Transient"]


class Transient(Exception):
    """Something outside is away or busy; the same call may work later."""


class Fenced(Exception):
    """Another worker owns this now; its word counts."""


class Halt(Exception):
    """A state in which no answer could be trusted. The message says what is wrong and what to do."""


class Refused(Exception):
    """A command is not carried out. The message says why, and what would have to be different."""
