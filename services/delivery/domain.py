"""The ledger: how one mail stands, and what may follow. One mail per answer; the highest command counts until it goes.

    planned -> sending -> accepted -> delivered | bounced | dropped | spam | unsubscribed
    sending -> planned     the provider does not have it: told to come later, or never reached
    sending -> refused     the provider says never
    sending -> unknown     a timeout, a broken connection, a lease that ran out: nobody but the provider knows
    unknown -> whatever the provider's events say, or held; a machine never sends it again
    planned -> suppressed | withdrawn

What the provider says counts by weight, not by order of arrival (`WEIGHT`). Strange cases, each with its rule:
  a withdrawal arrives before its command         it is kept; the command is older when it comes
  a changed command arrives once it may be out    the mail stands; the command is answered with reason too_late, and
                                                  remembered: it counts after all if the mail turns out not to be out
  an event arrives before the answer to our call  it counts; the answer then only adds the provider's id
  an event arrives twice, or an older one late    nothing changes
  a bounce arrives after delivered                bounced: receivers may take a mail and send it back
  delivered arrives after a bounce                bounced stays
  an event arrives for a mail that is planned     it did go out (a 5xx that lied, or the first try of one that a person
                                                  sends again): it counts as sent and is not sent again
  our answer comes after the lease has run out    accepted and refused are facts and count; later and never-left
                                                  bring it back to planned; all that only if no other try has begun
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from schemas.decision import Reason
from schemas.delivery import Delivery, State
from schemas.message import Message
from schemas.provider_event import EventType
from schemas.sealed import Sealed
from services.chassis.backoff import Backoff
from services.delivery.mailer import Accepted, Later, Outcome, Refused

Kind = Literal["perk", "offer", "none"]
Ignored = Literal["older", "duplicate", "nothing_new", "another_try"]

FROM_PROVIDER: Final[frozenset[State]] = frozenset(
    {"accepted", "delivered", "dropped", "bounced", "unsubscribed", "spam"}
)
FOLLOWS: Final[dict[State, frozenset[State]]] = {
    "planned": FROM_PROVIDER | {"sending", "suppressed", "withdrawn"},
    "sending": FROM_PROVIDER | {"planned", "refused", "unknown", "withdrawn"},
    "unknown": FROM_PROVIDER | {"planned", "refused", "withdrawn"},
    "refused": FROM_PROVIDER | {"planned", "withdrawn"},
    "suppressed": FROM_PROVIDER | {"planned", "withdrawn"},
    "withdrawn": FROM_PROVIDER | {"planned"},
    "accepted": frozenset({"delivered", "dropped", "bounced", "unsubscribed", "spam"}),
    "dropped": frozenset({"delivered", "bounced", "unsubscribed", "spam"}),
    "delivered": frozenset({"bounced", "unsubscribed", "spam"}),
    "bounced": frozenset({"unsubscribed", "spam"}),
    "unsubscribed": frozenset({"spam"}),
    "spam": frozenset(),
}
"""What may follow each state. Staying is always possible."""

NOTHING_OUT: Final[frozenset[State]] = frozenset({"planned", "refused", "suppressed", "withdrawn"})
"""States in which no mail has gone out, as far as anybody knows, so that a new command may still change it."""

MAY_BE_OUT: Final[frozenset[State]] = frozenset({"sending", "unknown"})
"""States in which nobody but the provider knows whether the mail has gone out."""

WEIGHT: Final[dict[State, int]] = {
    "accepted": 1,
    "dropped": 2,
    "delivered": 3,
    "bounced": 4,
    "unsubscribed": 5,
    "spam": 6,
}
"""How much a word of the provider counts; whatever stands before the first of them weighs nothing."""

MEANS: Final[dict[EventType, State]] = {
    "processed": "accepted",
    "deferred": "accepted",
    "open": "accepted",
    "click": "accepted",
    "delivered": "delivered",
    "dropped": "dropped",
    "bounce": "bounced",
    "unsubscribe": "unsubscribed",
    "spamreport": "spam",
}
"""What an event proves at least."""

OBJECTS: Final[dict[State, Reason]] = {
    "dropped": "bounced",
    "bounced": "bounced",
    "unsubscribed": "opt_out",
    "spam": "opt_out",
}
"""What became of a mail, and what it means for others to the same person."""

RETRIES: Final = Backoff(first=timedelta(seconds=1), longest=timedelta(minutes=15))


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One mail in the ledger. `address` is the hash of where it went; `due_at` says when it may be tried.

    `late` is the newest command that came while the mail was possibly out.
    """

    tenant: str
    response_id: str
    delivery_id: UUID
    revision: int
    kind: Kind
    state: State
    changed_at: datetime
    version: int = 1
    template: str | None = None
    language: str | None = None
    channel: str | None = None
    subject: str | None = None
    sealed: Sealed | None = None
    reason: Reason | Literal["too_late"] | None = None
    detail: str | None = None
    attempt: int = 0
    due_at: datetime | None = None
    lease_until: datetime | None = None
    provider: str | None = None
    provider_message_id: str | None = None
    address: str | None = None
    trace: str | None = None
    late: Message | None = None

    def published(self) -> Delivery:
        """The change as others see it: no address, nothing sealed."""
        return Delivery(
            delivery_id=self.delivery_id,
            tenant=self.tenant,
            response_id=self.response_id,
            revision=self.revision,
            version=self.version,
            kind=self.kind,
            template=self.template,
            state=self.state,
            reason=self.reason,
            detail=self.detail,
            attempt=self.attempt,
            provider=self.provider,
            provider_message_id=self.provider_message_id,
            subject=self.subject,
            at=self.changed_at,
        )


def command(entry: Entry | None, message: Message, now: datetime, trace: str | None = None) -> Entry | Ignored:
    """What a command makes of a mail: planned or withdrawn while nothing has gone out, else too late."""
    if entry is None:
        return _commanded(_first(message, now), message, now, trace)
    if message.revision < entry.revision:
        return "older"
    if message.revision == entry.revision:
        return "duplicate"
    followed = replace(entry, revision=message.revision)
    if entry.state in NOTHING_OUT:
        return _commanded(_changed(followed, entry.state, now), message, now, trace)
    same = (message.command, message.template) == (entry.kind, entry.template)
    answered = _changed(followed, entry.state, now, reason=None if same else "too_late")
    return replace(answered, late=message if entry.state in MAY_BE_OUT else None)


def _first(message: Message, now: datetime) -> Entry:
    return Entry(
        tenant=message.tenant,
        response_id=message.response_id,
        delivery_id=message.message_id,
        revision=message.revision,
        kind="none",
        state="withdrawn",
        changed_at=now,
    )


def _commanded(entry: Entry, message: Message, due_at: datetime, trace: str | None) -> Entry:
    wanted = message.command != "none"
    return replace(
        with_content(entry, message),
        kind=message.command,
        state="planned" if wanted else "withdrawn",
        reason=None if wanted else message.reason,
        detail=None,
        due_at=due_at if wanted else None,
        trace=trace,
    )


def with_content(entry: Entry, message: Message) -> Entry:
    """The same mail with what a command says of its content and recipient."""
    return replace(
        entry,
        template=message.template,
        language=message.language,
        channel=message.channel,
        subject=message.subject,
        sealed=message.sealed,
        address=None,
    )


def claimed(entry: Entry, now: datetime, *, until: datetime, provider: str, address: str) -> Entry:
    """A planned mail that is about to be sent by whoever holds its lease."""
    taken = _changed(entry, "sending", now)
    return replace(taken, attempt=entry.attempt + 1, lease_until=until, provider=provider, address=address)


def suppressed(entry: Entry, reason: Reason, now: datetime) -> Entry:
    """A mail that must not be sent."""
    return _changed(entry, "suppressed", now, reason=reason)


def settled(entry: Entry, attempt: int, outcome: Outcome, now: datetime, spread: float) -> Entry | Ignored:
    """What the provider's answer to one try makes of the mail; `spread` between 0 and 1 scatters the next try."""
    if isinstance(outcome, Accepted):
        return _accepted(entry, outcome, now)
    if entry.attempt != attempt:
        return "another_try"
    if entry.state not in MAY_BE_OUT:
        return "nothing_new"
    if isinstance(outcome, Refused):
        return _turned_out_not_to_be_out(entry, _changed(entry, "refused", now, detail=outcome.detail), now)
    if isinstance(outcome, Later):
        due_at = max(now + RETRIES.wait(attempt, spread), outcome.not_before or now)
        planned = replace(_changed(entry, "planned", now, detail=outcome.detail), due_at=due_at)
        return _turned_out_not_to_be_out(entry, planned, due_at)
    return "nothing_new" if entry.state == "unknown" else _changed(entry, "unknown", now, detail=outcome.detail)


def _turned_out_not_to_be_out(before: Entry, after: Entry, due_at: datetime) -> Entry:
    """A command that seemed too late counts after all."""
    if before.late is None:
        return after
    commanded = _commanded(after, before.late, due_at, before.trace)
    return replace(commanded, detail=after.detail)


def _accepted(entry: Entry, outcome: Accepted, now: datetime) -> Entry | Ignored:
    state: State = entry.state if entry.state in WEIGHT else "accepted"
    message_id = entry.provider_message_id or outcome.message_id
    if (state, message_id) == (entry.state, entry.provider_message_id):
        return "nothing_new"
    return replace(_changed(entry, state, now), provider_message_id=message_id)


def observed(entry: Entry, event: EventType, now: datetime) -> Entry | Ignored:
    """What an event of the provider makes of the mail."""
    state = MEANS[event]
    if WEIGHT[state] <= WEIGHT.get(entry.state, 0):
        return "nothing_new"
    return _changed(entry, state, now)


def expired(entry: Entry, now: datetime) -> Entry:
    """A mail whose sender did not come back in time."""
    return _changed(entry, "unknown", now, detail="the lease ran out before an answer was stored")


def released(entry: Entry, now: datetime) -> Entry | Ignored:
    """A mail that may or may not have gone out, which a person decides to send again."""
    if entry.state != "unknown":
        return "nothing_new"
    planned = replace(_changed(entry, "planned", now, detail="a person sends it again"), due_at=now)
    return _turned_out_not_to_be_out(entry, planned, now)


def lost(message: Message, now: datetime) -> Entry:
    """A command of which the recovered ledger has no record: it may have gone out, unless it was a withdrawal."""
    entry = _commanded(_first(message, now), message, now, None)
    if entry.state == "withdrawn":
        return entry
    return replace(entry, state="unknown", due_at=None, detail="the ledger was lost and holds no record of it")


def recovered(delivery: Delivery) -> Entry:
    """A mail as it was last published. The lease of one that was being sent is over: it may have gone out."""
    return Entry(
        tenant=delivery.tenant,
        response_id=delivery.response_id,
        delivery_id=delivery.delivery_id,
        revision=delivery.revision,
        version=delivery.version,
        kind=delivery.kind,
        state=delivery.state,
        changed_at=delivery.at,
        template=delivery.template,
        subject=delivery.subject,
        reason=delivery.reason,
        detail=delivery.detail,
        attempt=delivery.attempt,
        due_at=delivery.at if delivery.state == "planned" else None,
        lease_until=delivery.at if delivery.state == "sending" else None,
        provider=delivery.provider,
        provider_message_id=delivery.provider_message_id,
    )


def completed(entry: Entry, message: Message) -> Entry:
    """A recovered mail with what deliveries do not tell: the content of the command it follows.

    Of a mail that may be out that command may have come too late, and counts only if the mail turns out not to be out.
    Template and recipient stay those that were published.
    """
    newest = message.revision == entry.revision
    if newest and entry.state in MAY_BE_OUT:
        entry = replace(entry, late=message)
    followed = newest or (entry.state not in NOTHING_OUT and entry.sealed is None)
    if not followed or message.command != entry.kind or message.revision > entry.revision:
        return entry
    return replace(with_content(entry, message), template=entry.template, subject=entry.subject)


def _changed(
    entry: Entry,
    state: State,
    now: datetime,
    *,
    reason: Reason | Literal["too_late"] | None = None,
    detail: str | None = None,
) -> Entry:
    """The next version of an entry: every change is one, and is published."""
    assert state == entry.state or state in FOLLOWS[entry.state], f"{entry.state} -> {state}"
    return replace(
        entry,
        version=entry.version + 1,
        state=state,
        reason=reason,
        detail=detail,
        changed_at=now,
        due_at=entry.due_at if state == "planned" else None,
        lease_until=entry.lease_until if state == "sending" else None,
        late=entry.late if state in MAY_BE_OUT else None,
    )
