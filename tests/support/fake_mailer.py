"""A provider in memory: takes mails, or fails the way it is told to."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Literal

from services.chassis.clock import Clock
from services.delivery.mailer import Accepted, Ambiguous, Later, Mail, Outcome, Refused

Fault = Literal["400", "401", "429", "500", "malformed", "no-message-id", "timeout", "hang", "drop", "unreached"]


class Crash(BaseException):
    """The process has gone: nothing behind it runs."""


@dataclass
class FakeMailer:
    """Remembers what it took. `faults` are used up one by one; `crash` says where the process dies, if at all."""

    clock: Clock
    name: str = "fake"
    taken: list[Mail] = field(default_factory=list)
    faults: deque[Fault] = field(default_factory=deque)
    crash: Literal["before", "after"] | None = None
    asked: int = 0

    async def send(self, mail: Mail, may_leave: Callable[[], bool]) -> Outcome:
        fault = self.faults.popleft() if self.faults else None
        if fault == "unreached":
            return Later(detail="not reached: ConnectionRefusedError")
        if not may_leave():
            return Later(detail="its time was over before the request left", everyone=False)
        self.asked += 1
        if self.crash == "before":
            raise Crash
        if fault in TAKES or fault is None:
            self.taken.append(mail)
        if self.crash == "after":
            raise Crash
        return self._answer(fault)

    def _answer(self, fault: Fault | None) -> Outcome:
        if fault in {"hang", "drop", "timeout", "malformed"}:
            return Ambiguous(detail=str(fault))
        if fault in {"401", "500"}:
            return Later(detail=str(fault))
        if fault == "429":
            return Later(detail=fault, not_before=self.clock.now() + timedelta(seconds=20))
        if fault == "400":
            return Refused(detail=fault)
        return Accepted(message_id=None if fault else f"fake-{len(self.taken)}")


TAKES: Final = frozenset({"no-message-id", "hang", "drop"})
"""Faults in which the provider has the mail."""
