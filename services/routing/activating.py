"""Which playbook decides: activated, tried out beside the active one, and brought back, each change kept for ever.

A change stands in routing's database with the outbox record that tells of it, so that a lost database is brought back
with the playbooks that were active. Workers see it with the next batch.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from schemas.playbook_change import PlaybookChange
from schemas.topics import PLAYBOOKS
from services.chassis.business import Business
from services.chassis.clock import Clock
from services.chassis.evidence import check_not_restored
from services.chassis.failures import Refused
from services.chassis.kafka import Kafka
from services.chassis.outbox import Outbox
from services.chassis.records import Cause, outgoing
from services.chassis.sql import Database, Transaction
from services.chassis.sql_service import open_own_database
from services.routing import sql_playbooks
from services.routing.app import OUTLINE
from services.routing.playbooks.files import parse
from services.routing.playbooks.playbook import Playbook
from services.routing.settings import RoutingSection, RoutingSettings
from services.routing.sql_playbooks import Role, Version


class Playbooks:
    """The playbooks of one tenant, as whoever runs routing sees them."""

    def __init__(self, database: Database, outbox: Outbox, clock: Clock, tenant: str, of_file: Playbook) -> None:
        self._of_file = of_file
        self._database = database
        self._outbox = outbox
        self._clock = clock
        self._tenant = tenant

    async def put_in(self, content: str, role: Role) -> PlaybookChange:
        """Gives a role to a playbook in YAML; one that is known keeps its version.

        Raises:
            BadPlaybook: if it is none.
        """
        name = parse(content, "playbook").name

        async def version_of(transaction: Transaction) -> Version:
            known = await sql_playbooks.versions(transaction, self._tenant)
            same = next((one for one in known if one.content == content), None)
            number = max((one.number for one in known), default=0) + 1
            return same or Version(self._tenant, number, name, content, self._clock.now())

        return await self._change(role, version_of)

    async def give(self, number: int, role: Role) -> PlaybookChange:
        """Gives a role to a version there is; 0 gives it back to the business file, or ends a trial.

        Raises:
            Refused: if there is no such version.
        """

        async def version_of(transaction: Transaction) -> Version | None:
            if number == 0:
                return None
            found = await sql_playbooks.version(transaction, self._tenant, number)
            if found is None:
                raise Refused(f"there is no playbook v{number} of {self._tenant}")
            return found

        return await self._change(role, version_of)

    async def roll_back(self) -> PlaybookChange:
        """Makes active what was active before the playbook that is.

        Raises:
            Refused: if none was.
        """
        made = [change for change in await self.changes() if change.role == "active"]
        if not made:
            raise Refused(f"no playbook of {self._tenant} was ever activated: there is nothing to go back to")
        before = next((change.version for change in made if change.version != made[0].version), 0)
        return await self.give(before, "active")

    async def changes(self) -> list[PlaybookChange]:
        """Every change, the newest first."""
        async with self._database.read() as transaction:
            return await sql_playbooks.changes(transaction, self._tenant)

    async def versions(self) -> list[Version]:
        """Every playbook that ever had a role, the newest first."""
        async with self._database.read() as transaction:
            return await sql_playbooks.versions(transaction, self._tenant)

    async def roles(self) -> dict[Role, int]:
        """Which version plays which role; none is named where the business file's does."""
        async with self._database.read() as transaction:
            found = await sql_playbooks.roles(transaction, [self._tenant])
        return {role: number for (_, role), number in found.items()}

    async def named(self, which: str) -> tuple[Playbook, str | None]:
        """A playbook by version or role (v3, active, shadow), or `file` for the business file's; and its version.

        Raises:
            Refused: if there is no such playbook.
            BadPlaybook: if it cannot be read any more.
        """
        numbers = {"file": 0, "active": 0} | await self.roles()
        number = int(which[1:]) if which not in {*numbers, "shadow"} else numbers.get(which)
        if number == 0:
            return self._of_file, None
        async with self._database.read() as transaction:
            found = await sql_playbooks.version(transaction, self._tenant, number) if number else None
        if found is None:
            raise Refused(f"{which}: there is no such playbook of {self._tenant}")
        return parse(found.content, f"playbook v{number} of {self._tenant}"), f"v{number}"

    async def _change(
        self, role: Role, version_of: Callable[[Transaction], Awaitable[Version | None]]
    ) -> PlaybookChange:
        now = self._clock.now()
        async with self._database.begin() as transaction:
            await sql_playbooks.hold(transaction, self._tenant)
            version = await version_of(transaction)
            made = await sql_playbooks.changes(transaction, self._tenant)
            change = PlaybookChange(
                tenant=self._tenant,
                number=made[0].number + 1 if made else 1,
                role=role,
                version=version.number if version else 0,
                name=version.name if version else None,
                content=version.content if version else None,
                at=now,
            )
            await sql_playbooks.keep(transaction, change)
            record = outgoing(PLAYBOOKS, change, f"{change.tenant}/{change.number}", Cause("routing", now))
            await self._outbox.add(transaction, [record])  # the sweeper publishes it, in order
        return change


@asynccontextmanager
async def open_playbooks(
    settings: RoutingSettings, business: Business, clock: Clock, tenant: str
) -> AsyncIterator[Playbooks]:
    """The playbooks of a tenant, beside a routing that runs or does not.

    Raises:
        Refused: if no such tenant is in the business file.
        Halt: if the database was lost or restored.
        Transient: if Kafka or the database does not answer.
    """
    sections = business.sections("routing", RoutingSection)
    if not sections.knows(tenant):
        raise Refused(f"tenant {tenant}: not in the business file")
    async with open_own_database(OUTLINE, settings, clock) as (database, database_id):
        outputs = [topic.name for topic in OUTLINE.writes]
        await check_not_restored(Kafka(settings), database, database_id, outputs)
        yield Playbooks(
            database, Outbox(database_id, clock, OUTLINE.in_order), clock, tenant, sections.of(tenant).playbook
        )
