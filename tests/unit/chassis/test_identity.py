"""Who somebody is, and when two identities are one person."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.keyring.identity import (
    Identified,
    Identity,
    Kind,
    Links,
    hashed,
    identified,
    normalised_email,
    normalised_phone,
    values_of,
)

SECRET = bytes(32)


def known(customer: str | None = None, email: str | None = None, phone: str | None = None) -> Identified:
    found = identified(SECRET, Identity(customer, email, phone))
    assert found
    return found


def linked(*identities: Identified) -> Links:
    links = Links({}, {})
    for one in identities:
        links.join(one)
    return links


def persons(links: Links) -> set[frozenset[str]]:
    """Each person as the set of its identifiers."""
    groups: dict[str, set[str]] = {}
    for value, person in links.person_of.items():
        groups.setdefault(person, set()).add(value)
    return {frozenset(group) for group in groups.values()}


def hashes(*identities: Identified) -> frozenset[str]:
    return frozenset(values_of(identities))


def test_the_subject_is_the_first_of_customer_email_and_phone() -> None:
    whole = known("c-1", "a@example.org", "+358 40 555 0100")
    assert whole.subject == known("c-1").subject
    assert known(None, "a@example.org", "+358 40 555 0100").subject == known(None, "a@example.org").subject
    assert [kind for _, kind in whole.identifiers] == ["customer", "email", "phone"]


def test_who_says_nothing_of_himself_is_nobody() -> None:
    assert identified(SECRET, Identity()) is None
    assert identified(SECRET, Identity(phone="-- --")) is None


def test_subjects_of_two_tenants_have_nothing_in_common() -> None:
    other = identified(bytes(31) + b"\x01", Identity("c-1"))
    assert other
    assert other.subject != known("c-1").subject


def test_kinds_are_kept_apart() -> None:
    assert len({hashed(SECRET, kind, "0405550100") for kind in ("customer", "email", "phone")}) == 3


def test_nothing_in_clear_is_left_in_a_hash() -> None:
    assert len(known("c-1").subject) == 32
    assert "c-1" not in known("c-1").subject


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Robin@Example.ORG", "Robin@example.org", True),
        (" robin@example.org ", "robin@example.org", True),
        ("Robin@example.org", "robin@example.org", False),
        ("robin+nps@example.org", "robin@example.org", False),
        ("robin@example.org.", "robin@example.org", True),
        ("robin@bücher.example", "robin@xn--bcher-kva.example", True),
        ("robin@BÜCHER.example", "robin@bücher.example", True),
        ("robin@bu\u0308cher.example", "robin@bücher.example", True),
        ("robin@例え。jp", "robin@例え.jp", True),
        ("rene\u0301@example.org", "ren\u00e9@example.org", True),
        ('"robin"@example.org', "robin@example.org", True),
        ('"ro\\bin"@example.org', "robin@example.org", True),
        ('"robin the bird"@example.org', "robinthebird@example.org", False),
        ("robin@-._.example", "robin@-._.EXAMPLE", True),
        ("robin@ä_b.example", "robin@ä_b.example", True),
    ],
)
def test_of_an_address_only_the_domain_is_in_any_case(one: str, other: str, *, same: bool) -> None:
    assert (normalised_email(one) == normalised_email(other)) == same


@pytest.mark.parametrize(
    ("phone", "normal"),
    [
        ("+358 40 555-0100", "+358405550100"),
        ("00358 (40) 555.0100", "+358405550100"),
        ("040 555 0100", "0405550100"),
        ("n/a", ""),
    ],
)
def test_numbers_are_the_same_however_they_are_written(phone: str, normal: str) -> None:
    assert normalised_phone(phone) == normal


@pytest.mark.parametrize(
    ("phone", "region", "normal"),
    [
        ("040 555 0100", "FI", "+358405550100"),
        ("+358 (0)40 555 0100", None, "+358405550100"),
        ("(201) 555-0123", "US", "+12015550123"),
        ("011 358 40 555 0100", "US", "+358405550100"),
        ("00358 40 555 0100", "US", "+358405550100"),
        ("+358 40 555 0100", "US", "+358405550100"),
        ("+358 40 555 0100 ext. 12", "FI", "+358405550100"),
        ("\uff10\uff14\uff10 555 0100", "FI", "+358405550100"),  # full-width digits
        ("12", "FI", "12"),
        ("+1 2", None, "+12"),
        ("n/a", "FI", ""),
    ],
)
def test_a_number_is_in_e164_by_the_region_it_is_dialled_in(phone: str, region: str | None, normal: str) -> None:
    assert normalised_phone(phone, region) == normal


@given(st.text(max_size=40), st.sampled_from([None, "FI", "US", "CN"]))
def test_whatever_stands_for_a_number_it_has_one_form_that_stays(phone: str, region: str | None) -> None:
    once = normalised_phone(phone, region)
    assert normalised_phone(once, region) == once


@given(st.emails())
def test_an_address_has_one_form_that_stays(email: str) -> None:
    once = normalised_email(email)
    assert normalised_email(once) == once


def test_the_region_makes_one_person_of_two_ways_to_write_a_number() -> None:
    here = identified(SECRET, Identity(phone="040 555 0100", phone_region="FI"))
    assert here == identified(SECRET, Identity(phone="+358405550100"))


def test_identities_that_share_an_address_are_one_person() -> None:
    one, other = known("c-1", "a@example.org"), known(None, "a@example.org", "+1 555 0100")
    assert persons(linked(one, other)) == {hashes(one, other)}


def test_two_customers_are_never_one_person() -> None:
    one, other = known("c-1", "family@example.org"), known("c-2", "family@example.org")
    assert persons(linked(one, other)) == {hashes(one), frozenset({other.subject})}


def test_what_links_two_persons_without_conflict_makes_them_one() -> None:
    one, other = known("c-1"), known(None, "a@example.org")
    links = linked(one, other)
    assert len(persons(links)) == 2
    links.join(known("c-1", "a@example.org"))
    assert persons(links) == {hashes(one, other)}
    assert len(links.merged) == 1


def test_what_links_two_customers_leaves_them_two() -> None:
    one, other = known("c-1", "a@example.org"), known("c-2", None, "+1 555 0100")
    links = linked(one, other, known(None, "a@example.org", "+1 555 0100"))
    assert persons(links) == {hashes(one), hashes(other)}
    assert links.merged == []


def test_a_person_learns_of_their_customer_id_later() -> None:
    unnamed, named, stranger = (
        known(None, "a@example.org"),
        known("c-1", "a@example.org"),
        known("c-2", "a@example.org"),
    )
    assert persons(linked(unnamed, named, stranger)) == {hashes(unnamed, named), frozenset({stranger.subject})}


def test_linking_again_changes_nothing() -> None:
    one = known("c-1", "a@example.org", "+1 555 0100")
    links = linked(one)
    before, links.added, links.merged = persons(links), {}, []
    links.join(one)
    assert (persons(links), links.added, links.merged) == (before, {}, [])


names = st.none() | st.sampled_from("abcde")
identities = st.builds(
    lambda customer, email, phone: (customer, email and f"{email}@example.org", phone and f"+1555010{ord(phone)}"),
    names,
    names,
    names,
).filter(any)


@dataclass
class Person:
    """A person of the model: what is known of somebody, as plain sets."""

    identifiers: set[tuple[Kind, str]] = field(default_factory=set)

    @property
    def customers(self) -> set[str]:
        return {value for kind, value in self.identifiers if kind == "customer"}


def modelled(people: list[Person], one: Identified) -> list[Person]:
    """The rule in the plainest way: all that touch become one, unless two customers would."""
    mine: list[tuple[Kind, str]] = [(kind, value) for value, kind in one.identifiers]
    touched = [person for person in people if person.identifiers & set(mine)]
    others = [person for person in people if person not in touched]
    whole = Person(set(mine).union(*(person.identifiers for person in touched)))
    if len(whole.customers) <= 1:
        return [*others, whole]
    taken = set().union(*(person.identifiers for person in people))
    home = next((person for person in touched if mine[0] in person.identifiers), None)
    if home is None:
        return [*people, Person(set(mine) - taken)]
    home.identifiers |= set(mine) - taken
    return people


@given(st.lists(identities, max_size=25))
def test_persons_are_what_a_plain_model_says(
    given_identities: Iterable[tuple[str | None, str | None, str | None]],
) -> None:
    links, people = Links({}, {}), list[Person]()
    for one in (known(*identity) for identity in given_identities):
        links.join(one)
        people = modelled(people, one)
        assert persons(links) == {frozenset(value for _, value in person.identifiers) for person in people}
    assert all(len(person.customers) <= 1 for person in people)


@given(st.lists(identities, min_size=1, max_size=25), st.data())
def test_what_is_written_is_all_a_later_batch_needs(
    given_identities: list[tuple[str | None, str | None, str | None]], data: st.DataObject
) -> None:
    """Linking in batches, each of which sees only the rows it touches, gives what linking at once gives."""
    everyone = [known(*identity) for identity in given_identities]
    rows: dict[str, tuple[str, Kind]] = {}
    rest = everyone
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        batch, rest = rest[:size], rest[size:]
        _store(rows, batch)
    stored = Links({value: person for value, (person, _) in rows.items()}, {})
    assert persons(stored) == persons(linked(*everyone))


def _store(rows: dict[str, tuple[str, Kind]], batch: list[Identified]) -> None:
    """What the keyring does in SQL."""
    touched = {rows[value][0] for value in values_of(batch) if value in rows}
    person_of = {value: rows[value][0] for value in values_of(batch) if value in rows}
    customer_of = {person: value for value, (person, kind) in rows.items() if person in touched and kind == "customer"}
    links = Links(person_of, customer_of)
    for one in batch:
        links.join(one)
    for person, others in links.merged:
        rows.update({value: (person, kind) for value, (held, kind) in rows.items() if held in others})
    rows.update({value: (links.person_of[value], kind) for value, kind in links.added.items()})
