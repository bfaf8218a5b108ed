"""Which playbook decides for a tenant: the one that was activated, else the one of the business file."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta

from services.chassis.business import Sections
from services.chassis.failures import Halt, Malformed
from services.chassis.sql import Transaction
from services.routing import sql_playbooks
from services.routing.playbooks.files import BadPlaybook, parse
from services.routing.playbooks.playbook import Playbook
from services.routing.playbooks.rulebook import Rulebook, version_of
from services.routing.settings import RoutingSection


@dataclass(frozen=True, slots=True)
class Deciding:
    """The rulebooks of a batch's tenants; of one nobody knows there is none. What is on trial waits for nothing."""

    active: dict[str, Rulebook]
    shadow: dict[str, Rulebook]

    @property
    def lock_names(self) -> set[str]:
        """Names of the locks of budgets, which all answers of a tenant draw on."""
        return {f"{tenant}/budgets" for tenant, rulebook in self.active.items() if rulebook.policy.budgets}

    def of(self, tenant: str) -> Rulebook:
        """The one that decides.

        Raises:
            Malformed: if no such tenant is in the business file.
        """
        if tenant not in self.active:
            raise Malformed.of("tenant", "not in the business file")
        return self.active[tenant]


@dataclass(frozen=True, slots=True)
class Rulebooks:
    """Playbooks made ready, each once. With `at_once` nothing waits: for trials."""

    sections: Sections[RoutingSection]
    at_once: bool = False
    _made: dict[tuple[str, int, bool], Rulebook] = field(default_factory=dict)

    def knows(self, tenant: str) -> bool:
        """Whether there is a playbook for a tenant."""
        return self.sections.knows(tenant)

    async def deciding(self, transaction: Transaction, tenants: Collection[str]) -> Deciding:
        """The rulebooks that decide for these tenants, as of this transaction.

        Raises:
            Halt: if an activated playbook cannot be read.
        """
        known = [tenant for tenant in tenants if self.knows(tenant)]
        roles = await sql_playbooks.roles(transaction, known)
        active = {
            tenant: await self._version(transaction, tenant, roles.get((tenant, "active"), 0)) for tenant in known
        }
        shadow = {
            tenant: await self._version(transaction, tenant, number, at_once=True)
            for (tenant, role), number in roles.items()
            if role == "shadow"
        }
        return Deciding(active, shadow)

    async def _version(self, transaction: Transaction, tenant: str, number: int, *, at_once: bool = False) -> Rulebook:
        at_once = at_once or self.at_once
        made = self._made.get((tenant, number, at_once))
        if made is None:
            playbook = self.sections.of(tenant).playbook
            if number:
                playbook = await _stored(transaction, tenant, number)
            name = f"v{number}" if number else version_of(playbook)
            made = Rulebook.of(without_waits(playbook) if at_once else playbook, name)
            self._made[tenant, number, at_once] = made
        return made


async def _stored(transaction: Transaction, tenant: str, number: int) -> Playbook:
    stored = await sql_playbooks.version(transaction, tenant, number)
    if stored is None:
        raise Halt(f"playbook v{number} of {tenant} was activated and is not there")
    try:
        return parse(stored.content, f"playbook v{number} of {tenant}")
    except BadPlaybook as error:
        raise Halt(f"{error}; activate another, or go back with `nps playbook rollback`") from error


def without_waits(playbook: Playbook) -> Playbook:
    """The same playbook, but nothing settles and no hour is quiet."""
    rules = tuple(rule.model_copy(update={"settle": timedelta(0)}) for rule in playbook.rules)
    policy = playbook.policy.model_copy(update={"quiet_hours": None})
    return playbook.model_copy(update={"rules": rules, "policy": policy})
