"""Who somebody is, as hashes under the tenant's secret, and when two identities are one person.

Subject is the hash of the first of customer id, e-mail and phone. Identities that share any of the three are linked
into one person, but two customer ids never are: people share mailboxes and telephones, and a customer id is the
business's own word on who is who.
"""

from __future__ import annotations

import hmac
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

import idna
import phonenumbers

Kind = Literal["customer", "email", "phone"]

SUBJECT_BYTES: Final = 16

_DOT_ATOM: Final = re.compile(r"[^\s\x00-\x1f\"(),.:;<>@\[\]\\]+(?:\.[^\s\x00-\x1f\"(),.:;<>@\[\]\\]+)*")


@dataclass(frozen=True, slots=True)
class Identity:
    """What an answer says of who gave it, in clear.

    A telephone number without a country code belongs to `phone_region` (ISO 3166, two letters), if one is given.
    """

    customer_id: str | None = None
    email: str | None = None
    phone: str | None = None
    phone_region: str | None = None


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
    """The address in one form. Its domain is in lower case, and in ASCII where it is written in other letters.

    The local part is its owner's, who may tell upper case from lower (RFC 5321 §2.4). Quotes that it does not need mean
    nothing (§4.1.2); letters that can be composed are (RFC 6532 §3.1).
    """
    local, _, domain = email.strip().rpartition("@")
    return f"{_local_part(local)}@{_domain(domain)}"


def _local_part(local: str) -> str:
    if not local.isascii():
        local = unicodedata.normalize("NFC", local)
    if len(local) > 2 and local[0] == local[-1] == '"':
        bare = re.sub(r"\\(.)", r"\1", local[1:-1])
        return bare if _DOT_ATOM.fullmatch(bare) else local
    return local


def _domain(domain: str) -> str:
    """Names of hosts that IDNA knows nothing of, underscores for example, are left as they are."""
    folded = domain.rstrip(".").lower()
    if folded.isascii():
        return folded
    try:
        return idna.encode(folded, uts46=True).decode()
    except idna.IDNAError:
        return unicodedata.normalize("NFC", folded)


def normalised_phone(phone: str, region: str | None = None) -> str:
    """The number in E.164, `+` and digits. `00` is a plus.

    Numbers no telephone could have, and those that name no country where no region is given, are their digits: what is
    written in the same way is the same.
    """
    written = unicodedata.normalize("NFKC", phone).strip()
    digits = re.sub(r"\D", "", written)
    international = written.startswith(("+", "00"))
    as_it_is = "+" + digits.removeprefix("00") if international else digits
    try:
        number = phonenumbers.parse("+" + written[2:] if written.startswith("00") else written, region)
    except phonenumbers.NumberParseException:
        return as_it_is
    if not phonenumbers.is_possible_number(number):  # whether a range is in use changes with each release: not asked
        return as_it_is
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def hashed(secret: bytes, kind: Kind, value: str) -> str:
    """HMAC-SHA-256 under the tenant's secret, 128 bits of it, kinds kept apart."""
    return hmac.digest(secret, f"{kind}:{value}".encode(), "sha256")[:SUBJECT_BYTES].hex()


def identified(secret: bytes, identity: Identity) -> Identified | None:
    """Hashes of an identity; none if nothing is known of it."""
    found = []
    if identity.customer_id:
        found.append(Identifier(hashed(secret, "customer", identity.customer_id.strip()), "customer"))
    if identity.email:
        found.append(Identifier(hashed(secret, "email", normalised_email(identity.email)), "email"))
    phone = normalised_phone(identity.phone, identity.phone_region) if identity.phone else None
    if phone:
        found.append(Identifier(hashed(secret, "phone", phone), "phone"))
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
