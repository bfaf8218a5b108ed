"""Looks up, for many answers at once, who is behind them and what is known of these people from before."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import select

from schemas.sealed import Sealed
from services.chassis.keyring import Keyring
from services.chassis.sql import Database, Transaction
from services.routing import sql_standings
from services.routing.contact_policy import ContactPolicy, period_start
from services.routing.gathering import Who, hashed_account, said_by
from services.routing.playbooks.situation import Person
from services.routing.policy import Said
from services.routing.simulating.ledger import Whose, made_by
from services.routing.simulating.reading import Arrived
from services.routing.simulating.replaying import Event, Side
from services.routing.simulating.sharing import hash_of
from services.routing.simulating.skimming import person_behind
from services.routing.sql_standings import Trace
from services.routing.tables import ANSWERS, ROUTING

STILL_OPEN: Final = datetime.max.replace(tzinfo=UTC)
_WORDS: Final = ROUTING.tables["suppressions"]
_NOBODY: Final = Person()


class Surroundings:
    """What a tenant's answers meet with, as it stands in the keyring and in routing's database."""

    def __init__(
        self, database: Database, keyring: Keyring, place: tuple[str, datetime], sides: Sequence[Side]
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._tenant, self._since = place
        self._sides = sides
        self._met: set[int] = set()
        self._accounts_met: set[str] = set()
        policies = [side.rulebook.policy for side in sides]
        self._hold_out = any(policy.hold_out.share for policy in policies)
        self._per_account = any(cap.per == "account" for policy in policies for cap in policy.caps)
        self._looks_back = any(side.rulebook.looks_back for side in sides)
        self._oldest = since_caps(policies, self._since)
        self._answers_before = self._words_before = False
        self.left_out = 0
        """Later words about answers that were received before."""

    async def begin(self) -> None:
        """Sees what there is from before, so that nothing is looked up in vain, and what budgets have given out."""
        mine = ANSWERS.c.tenant == self._tenant
        async with self._database.read() as transaction:
            before = select(ANSWERS.c.response_id).where(mine, ANSWERS.c.received_at < self._since).limit(1)
            self._answers_before = (await transaction.execute(before)).first() is not None
            words = select(_WORDS.c.about).where(_WORDS.c.tenant == self._tenant).limit(1)
            self._words_before = (await transaction.execute(words)).first() is not None
            for side in self._sides:
                policy = side.rulebook.policy
                for budget in policy.budgets:
                    begun = period_start(budget.per, policy.timezone, self._since)
                    spent = await sql_standings.spent(transaction, self._tenant, budget, begun, until=self._since)
                    side.budgets.use(budget, spent, self._since)

    async def around(self, arrived: Sequence[Arrived]) -> list[Event]:
        """These records with all that is known of who is behind them, and without those about answers from before.

        Raises:
            Halt: if a key is neither there nor marked as erased.
            Transient: if a database does not answer.
        """
        arrived = await self._since_then(arrived)
        people = await self._opened([one.read.sealed for one in arrived])
        linked = await self._linked(arrived)
        said: Mapping[Who, frozenset[Said]] = {}
        if linked and self._words_before:
            async with self._database.read() as transaction:
                said = await said_by(transaction, linked)
        accounts = [await self._account_of(person) for person in people]
        if self._answers_before and self._looks_back:
            await self._remember(arrived, linked, accounts)
        return [
            self._event(one, person, account, linked, said)
            for one, person, account in zip(arrived, people, accounts, strict=True)
        ]

    def _event(
        self,
        one: Arrived,
        person: Person,
        account: str | None,
        linked: Mapping[Who, frozenset[str]],
        said: Mapping[Who, frozenset[Said]],
    ) -> Event:
        answer = one.read.answer
        who = self._tenant, answer.subject or ""
        drawn_as = f"{self._tenant}/{min(linked[who])}" if self._hold_out and who in linked else ""
        return Event(answer, Whose(one.key, one.person, account), person, said.get(who, frozenset()), drawn_as)

    async def _since_then(self, arrived: Sequence[Arrived]) -> Sequence[Arrived]:
        late = [
            one.read.answer.response_id
            for one in arrived
            if one.read.answer.revision > 1 or one.read.answer.op != "submitted"
        ]
        if not late or not self._answers_before:
            return arrived
        known = select(ANSWERS.c.response_id).where(
            ANSWERS.c.tenant == self._tenant, ANSWERS.c.response_id.in_(late), ANSWERS.c.received_at < self._since
        )
        async with self._database.read() as transaction:
            before = set((await transaction.execute(known)).scalars())
        kept = [one for one in arrived if one.read.answer.response_id not in before]
        self.left_out += len(arrived) - len(kept)
        return kept

    async def _opened(self, sealed: Sequence[Sealed | None]) -> list[Person]:
        contents = iter(await self._keyring.open_all([one for one in sealed if one]))
        return [person_behind(next(contents)) if one else _NOBODY for one in sealed]

    async def _linked(self, arrived: Sequence[Arrived]) -> Mapping[Who, frozenset[str]]:
        """Every subject of each person, where anything depends on it."""
        if not (self._hold_out or self._words_before or (self._answers_before and self._looks_back)):
            return {}
        subjects = {one.read.answer.subject for one in arrived if one.read.answer.subject}
        groups = await self._keyring.subjects_of(self._tenant, subjects)
        return {(self._tenant, subject): group for subject, group in groups.items()}

    async def _account_of(self, person: Person) -> str | None:
        if not (self._per_account and person.data.account_id):
            return None
        return hashed_account(await self._keyring.secret_of(self._tenant), person.data.account_id)

    async def _remember(
        self, arrived: Sequence[Arrived], linked: Mapping[Who, frozenset[str]], accounts: Sequence[str | None]
    ) -> None:
        """Has the ledgers know what these people and accounts were contacted about before, once of each."""
        persons: dict[str, int] = {}
        for one in arrived:
            if one.person and one.person not in self._met:
                persons |= dict.fromkeys(linked[self._tenant, one.read.answer.subject or ""], one.person)
        fresh = {account for account in accounts if account} - self._accounts_met
        self._met.update(persons.values())
        self._accounts_met |= fresh
        async with self._database.read() as transaction:
            traces = await self._traces(transaction, persons, fresh)
        for trace in traces:
            self._note(trace, persons.get(trace.subject or "", 0))

    async def _traces(
        self, transaction: Transaction, subjects: Collection[str], accounts: Collection[str]
    ) -> list[Trace]:
        found: list[Trace] = []
        if subjects:
            found += await sql_standings.traces_of_people(transaction, self._tenant, subjects, self._oldest)
        if accounts:
            found += await sql_standings.traces_of_accounts(transaction, self._tenant, accounts, self._oldest)
        return found

    def _note(self, trace: Trace, person: int) -> None:
        whose = Whose(hash_of(trace.response_id), person, trace.account)
        made = [one for one in made_by(trace) if one.at < self._since]
        is_open = trace.task == "open" and not trace.task_closed and trace.task_at and trace.task_at < self._since
        for side in self._sides:
            side.ledger.replace(whose, made)
            if trace.answered_at and trace.answered_at < self._since:
                side.ledger.note_answer(whose, trace.score, trace.answered_at)
            if is_open:
                side.ledger.note_task(whose, STILL_OPEN, self._since)


def since_caps(policies: Sequence[ContactPolicy], since: datetime) -> datetime:
    """How far back contacts matter at the beginning."""
    return since - max(policy.longest_span for policy in policies)
