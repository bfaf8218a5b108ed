"""Whether a mail may go to whom it is meant for: looked at before each send, with what is known at that moment."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pydantic import ValidationError

from schemas.decision import Reason
from schemas.personal_data import PersonalData
from services.chassis.business import Sections
from services.chassis.keyring import Erased, Keyring, normalised_email
from services.chassis.keyring.identity import hashed
from services.chassis.sql import Transaction
from services.delivery.domain import Entry
from services.delivery.settings import DeliverySection
from services.delivery.tables import SUPPRESSIONS

_ADDRESS: Final = re.compile(r"[^\s@<>\"]+@[^\s@<>\".]+(\.[^\s@<>\".]+)+")


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom one mail goes to. `address` is the hash of where."""

    email: str = field(repr=False)
    name: str | None = field(repr=False)
    locale: str | None
    address: str


@dataclass(frozen=True, slots=True)
class Recipients:
    """Looks recipients up."""

    sections: Sections[DeliverySection]
    keyring: Keyring

    async def look_up(self, transaction: Transaction, entries: Sequence[Entry]) -> list[Recipient | Reason]:
        """For each mail whom it goes to, or the reason why it must not go.

        Raises:
            Halt: if a key is neither there nor marked as erased.
        """
        found = await self._opened(entries)
        by_tenant: dict[str, list[int]] = defaultdict(list)
        for index, entry in enumerate(entries):
            if isinstance(found[index], Recipient):
                by_tenant[entry.tenant].append(index)
        for tenant, indexes in by_tenant.items():
            reachable = {i: one for i in indexes if isinstance(one := found[i], Recipient)}
            subjects = {i: entries[i].subject or one.address for i, one in reachable.items()}
            linked = await self.keyring.subjects_of(tenant, set(subjects.values()))
            hashes = frozenset().union(*linked.values(), (one.address for one in reachable.values()))
            reasons = await SUPPRESSIONS.in_force(transaction, tenant, hashes)
            for i, one in reachable.items():
                found[i] = objection(reasons, one.address, subjects[i], linked[subjects[i]]) or self._listed(
                    tenant, one
                )
        return found

    async def _opened(self, entries: Sequence[Entry]) -> list[Recipient | Reason]:
        contents = iter(await self.keyring.open_all([entry.sealed for entry in entries if entry.sealed]))
        return [
            _recipient(next(contents), await self.keyring.secret_of(entry.tenant)) if entry.sealed else "no_address"
            for entry in entries
        ]

    def _listed(self, tenant: str, recipient: Recipient) -> Recipient | Reason:
        if not self.sections.knows(tenant):
            return recipient  # whoever writes the mail says that the tenant has gone from the business file
        return recipient if self.sections.of(tenant).allows(recipient.email) else "allow_list"


def objection(
    reasons: Mapping[str, Collection[Reason]], address: str, subject: str, linked: Collection[str]
) -> Reason | None:
    """Why not to write: anybody's opt-out that is the same person's, or a bounce of this very address.

    A bounce is noted under the subject where the address is not known any more.
    """
    if any("opt_out" in reasons.get(one, ()) for one in {address, subject, *linked}):
        return "opt_out"
    if any("bounced" in reasons.get(one, ()) for one in (address, subject)):
        return "bounced"
    return None


def _recipient(content: bytes | Erased, secret: bytes) -> Recipient | Reason:
    if isinstance(content, Erased):
        return "erased"
    try:
        data = PersonalData.model_validate_json(content)
    except ValidationError:
        return "no_address"  # sealed by a version that allowed more than ours: nothing in it can be trusted
    if not data.email or not _ADDRESS.fullmatch(data.email.strip()):
        return "no_address"
    email = normalised_email(data.email)
    return Recipient(email, data.name, data.locale, hashed(secret, "email", email))
