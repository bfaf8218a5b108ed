"""Who somebody is, as hashes under the tenant's secret, and when two identities are one person.

Subject is the hash of the first of customer id, e-mail and phone. Identities that share any of the three are linked
into one person, but two customer ids never are: people share mailboxes and telephones, and a customer id is the
business's own word on who is who.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

Kind = Literal["customer", "email", "phone"]

SUBJECT_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Identity:
    """What an answer says of who gave it, in clear."""

    customer_id: str | None = None
    email: str | None = None
    phone: str | None = None


class Identifier(NamedTuple):
    """One hash and what it is a hash of."""

    value: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Identified:
    """The same as hashes, the subject among them."""

    subject: str
    identifiers: tuple[Identifier, ...]

    @property
    def customer(self) -> str | None:
        """The hash of the customer id, if one is known."""
        return next((value for value, kind in self.identifiers if kind == "customer"), None)


def normalised_email(email: str) -> str:
    """The address with its domain in lower case. The local part is its owner's (RFC 5321 §2.4)."""
    local, _, domain = email.strip().rpartition("@")
    return f"{local}@{domain.lower()}"


def normalised_phone(phone: str) -> str:
    """Digits with a leading plus, where the number is international; `00` is a plus."""
    digits = re.sub(r"\D", "", phone)
    international = phone.strip().startswith(("+", "00"))
    return "+" + digits.removeprefix("00") if international else digits


def hashed(secret: bytes, kind: Kind, value: str) -> str:
    """HMAC-SHA-256 under the tenant's secret, 128 bits of it, kinds kept apart."""
    return hmac.new(secret, f"{kind}:{value}".encode(), hashlib.sha256).digest()[:SUBJECT_BYTES].hex()


def identified(secret: bytes, identity: Identity) -> Identified | None:
    """Hashes of an identity; none if nothing is known of it."""
    found = []
    if identity.customer_id:
        found.append(Identifier(hashed(secret, "customer", identity.customer_id.strip()), "customer"))
    if identity.email:
        found.append(Identifier(hashed(secret, "email", normalised_email(identity.email)), "email"))
    if identity.phone and normalised_phone(identity.phone):
        found.append(Identifier(hashed(secret, "phone", normalised_phone(identity.phone)), "phone"))
    return Identified(found[0].value, tuple(found)) if found else None


@dataclass(slots=True)
class Links:
    """Which identifiers belong to which person, as far as they matter to the identities at hand.

    Joining an identity to those on record makes the persons it touches one, unless that would give one person two
    customer ids: then it belongs to the person of its subject, and what others hold stays theirs.
    """

    person_of: dict[str, str]
    customer_of: dict[str, str]
    added: dict[str, Kind] = field(default_factory=dict)
    merged: list[tuple[str, frozenset[str]]] = field(default_factory=list)

    def join(self, one: Identified) -> None:
        """Notes what linking this identity adds and which persons turn out to be one."""
        touched = {self.person_of[value] for value, _ in one.identifiers if value in self.person_of}
        customers = {self.customer_of[person] for person in touched if person in self.customer_of}
        if one.customer:
            customers.add(one.customer)
        if len(customers) <= 1:
            person = min(touched, default=one.subject)
            self._merge(person, frozenset(touched) - {person})
        else:
            person = self.person_of.get(one.subject, one.subject)
        for value, kind in one.identifiers:
            if value not in self.person_of:
                self.person_of[value] = person
                self.added[value] = kind
        if one.customer and self.person_of[one.customer] == person:
            self.customer_of[person] = one.customer

    def _merge(self, person: str, others: frozenset[str]) -> None:
        if not others:
            return
        self.merged.append((person, others))
        for value, holder in self.person_of.items():
            if holder in others:
                self.person_of[value] = person
        for other in others:
            if other in self.customer_of:
                self.customer_of[person] = self.customer_of.pop(other)


def values_of(identities: Iterable[Identified]) -> set[str]:
    """Every identifier that occurs."""
    return {value for one in identities for value, _ in one.identifiers}
