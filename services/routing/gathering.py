"""Gathers the facts a batch of decisions needs, with few looks into the database, and keeps them true as it decides."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from schemas.personal_data import PersonalData
from schemas.response import Response
from schemas.sealed import Sealed
from services.chassis.keyring import Erased, Keyring
from services.chassis.sql import Transaction
from services.routing import sql_standings
from services.routing.contact_policy import Budget, ContactKind, ContactPolicy, period_start
from services.routing.domain import Standing
from services.routing.playbooks.rulebook import Rulebook
from services.routing.playbooks.situation import Earlier, History, Person
from services.routing.policy import KIND_OF, Contact, Facts, Said
from services.routing.sql_standings import AnswerKey, Trace, trace_of
from services.routing.tables import SUPPRESSIONS

ACCOUNT_BYTES = 16

Who = tuple[str, str]
"""Tenant and subject, or tenant and account."""


class People:
    """Who is behind answers and comments, opened as they come up."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._opened: dict[str, Person] = {}
        self._accounts: dict[str, Who] = {}

    async def meet(self, answers: Iterable[Response]) -> None:
        """Opens what is sealed in these.

        Raises:
            Halt: if a key is neither there nor marked as erased.
        """
        sealed = {answer.sealed.nonce: (answer.tenant, answer.sealed) for answer in answers if answer.sealed}
        contents = await self._keyring.open_all([one for _, one in sealed.values()])
        for (nonce, (tenant, _)), content in zip(sealed.items(), contents, strict=True):
            person = self._opened[nonce] = person_of(content)
            if person.data.account_id:
                secret = await self._keyring.secret_of(tenant)
                self._accounts[nonce] = tenant, hashed_account(secret, person.data.account_id)

    def behind(self, sealed: Sealed | None) -> Person:
        """The person; nobody where nothing is sealed."""
        return self._opened[sealed.nonce] if sealed else Person()

    def account_of(self, sealed: Sealed | None) -> str | None:
        """The hash of the account; none if none is known."""
        return self._accounts[sealed.nonce][1] if sealed and sealed.nonce in self._accounts else None

    def accounts_of(self, tenant: str) -> set[str]:
        """The accounts of a tenant's people, as hashes."""
        return {account for whose, account in self._accounts.values() if whose == tenant}

    def lock_names(self, answers: Iterable[Response]) -> set[str]:
        """Names of the locks of these answers' accounts."""
        named = {(answer.tenant, self.account_of(answer.sealed)) for answer in answers}
        return {f"{tenant}/account/{account}" for tenant, account in named if account}


def hashed_account(secret: bytes, account_id: str) -> str:
    """An account without its name, under the tenant's secret."""
    return hmac.digest(secret, f"account:{account_id}".encode(), hashlib.sha256)[:ACCOUNT_BYTES].hex()


def person_of(content: bytes | Erased) -> Person:
    """Who is behind what was sealed."""
    return Person(erased=True) if isinstance(content, Erased) else Person(PersonalData.model_validate_json(content))


@dataclass(slots=True)
class Gathered:
    """What a batch needs to know, with what it decides on the way."""

    people: People
    linked: Mapping[Who, frozenset[str]]
    said: Mapping[Who, frozenset[Said]]
    spent: dict[tuple[str, str], int] = field(default_factory=dict)
    """By tenant and name of the budget."""
    _traces: dict[AnswerKey, Trace] = field(default_factory=dict)
    _of_person: dict[Who, dict[str, Trace]] = field(default_factory=dict)
    _of_account: dict[Who, dict[str, Trace]] = field(default_factory=dict)

    def note(self, trace: Trace) -> None:
        """Takes in what an answer led to, in the place of what was known of it."""
        key = trace.tenant, trace.response_id
        before = self._traces.get(key)
        if before:
            self._person_of(before).pop(before.response_id, None)
            self._account_of(before).pop(before.response_id, None)
        self._traces[key] = trace
        if trace.subject:
            self._person_of(trace)[trace.response_id] = trace
        if trace.account:
            self._account_of(trace)[trace.response_id] = trace

    def decided(self, before: Standing, after: Standing, policy: ContactPolicy, now: datetime) -> None:
        """Takes in a decision: whoever comes next in the batch meets its contacts, and the budgets it has used."""
        new = trace_of(after)
        for budget in policy.budgets:
            key = after.tenant, budget.name
            change = uses(new, budget, policy, now) - uses(trace_of(before), budget, policy, now)
            self.spent[key] = self.spent.get(key, 0) + change
        self.note(new)

    def facts_for(self, event: Response, standing: Standing, rulebook: Rulebook, now: datetime) -> Facts:
        """All that a decision about an event needs to know."""
        late = event.op == "commented"
        answer = standing.answer if late and standing.answer else event
        comment = event if late else standing.comment
        person = self.people.behind(answer.sealed)
        written = self.people.behind(comment.sealed).data.comment if comment else None
        who = answer.tenant, answer.subject or ""
        account = self.people.account_of(answer.sealed)
        return Facts(
            person=person,
            history=self._history(answer, who),
            comment=written or person.data.comment or "",
            said=self.said.get(who, frozenset()),
            contacts=self._contacts(answer, who, account),
            spent={
                budget.name: self.spent.get((answer.tenant, budget.name), 0)
                - uses(trace_of(standing), budget, rulebook.policy, now)
                for budget in rulebook.policy.budgets
            },
            drawn_as=f"{answer.tenant}/{min(self.linked[who])}" if who in self.linked else "",
            account=account,
        )

    def _history(self, answer: Response, who: Who) -> History:
        others = self._others(answer, who)
        earlier = [
            Earlier(one.score, one.answered_at)
            for one in others
            if one.score is not None and one.answered_at and one.answered_at <= answer.answered_at
        ]
        earlier.sort(key=lambda one: one.answered_at, reverse=True)
        return History(earlier, any(one.task == "open" and not one.task_closed for one in others))

    def _contacts(self, answer: Response, who: Who, account: str | None) -> list[Contact]:
        own = self._others(answer, who)
        mine = {one.response_id for one in own}
        shared = self._of_account.get((answer.tenant, account or ""), {}).values()
        others = [one for one in shared if one.response_id not in mine and one.response_id != answer.response_id]
        contacts: list[Contact] = []
        for theirs, group in ((True, own), (False, others)):
            for one in group:
                moments: dict[ContactKind, datetime | None]
                moments = {"mail": one.mail_at, "task": one.task_at, "survey": one.survey_at}
                contacts += [Contact(one.response_id, kind, at, own=theirs) for kind, at in moments.items() if at]
        return contacts

    def _others(self, answer: Response, who: Who) -> list[Trace]:
        tenant = answer.tenant
        return [
            trace
            for subject in self.linked.get(who, ())
            for trace in self._of_person.get((tenant, subject), {}).values()
            if trace.response_id != answer.response_id
        ]

    def _person_of(self, trace: Trace) -> dict[str, Trace]:
        return self._of_person.setdefault((trace.tenant, trace.subject or ""), {})

    def _account_of(self, trace: Trace) -> dict[str, Trace]:
        return self._of_account.setdefault((trace.tenant, trace.account or ""), {})


def uses(trace: Trace, budget: Budget, policy: ContactPolicy, now: datetime) -> int:
    """Whether an answer's contact comes out of a budget."""
    at = getattr(trace, f"{KIND_OF[budget.action]}_at")
    fits = budget.channel in {None, trace.channel} and (
        budget.action not in {"perk", "offer"} or trace.mail == budget.action
    )
    return int(fits and at is not None and at >= period_start(budget.per, policy.timezone, now))


async def gather(
    transaction: Transaction,
    people: People,
    linked: Mapping[Who, frozenset[str]],
    rulebooks: Mapping[str, Rulebook],
    now: datetime,
) -> Gathered:
    """The facts about persons and accounts of some tenants; whoever calls holds their locks."""
    gathered = Gathered(people, linked, await said_by(transaction, linked))
    for tenant, rulebook in rulebooks.items():
        everyone = _everyone(tenant, linked)
        policy = rulebook.policy
        since = now - policy.longest_span
        if everyone and rulebook.looks_back:
            for trace in await sql_standings.traces_of_people(transaction, tenant, everyone, since):
                gathered.note(trace)
        accounts = people.accounts_of(tenant)
        if accounts and any(cap.per == "account" for cap in policy.caps):
            for trace in await sql_standings.traces_of_accounts(transaction, tenant, accounts, since):
                gathered.note(trace)
        for budget in policy.budgets:
            begun = period_start(budget.per, policy.timezone, now)
            gathered.spent[tenant, budget.name] = await sql_standings.spent(transaction, tenant, budget, begun)
    return gathered


async def said_by(transaction: Transaction, linked: Mapping[Who, frozenset[str]]) -> dict[Who, frozenset[Said]]:
    """What each person has said, by any of their subjects."""
    found: dict[Who, frozenset[Said]] = {}
    for tenant in {tenant for tenant, _ in linked}:
        words = await SUPPRESSIONS.in_force(transaction, tenant, _everyone(tenant, linked))
        for (whose, subject), group in linked.items():
            if whose == tenant:
                found[tenant, subject] = frozenset(word for one in group for word in words.get(one, ()))
    return found


def _everyone(tenant: str, linked: Mapping[Who, frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*(group for (whose, _), group in linked.items() if whose == tenant))
