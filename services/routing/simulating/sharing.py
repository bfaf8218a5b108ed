"""Who is decided about by which worker: every answer of a person by the same one, so that workers need not talk.

A person is the subjects that the keyring links. Subjects are tied as well where revisions of one answer name several,
and what names nobody goes where the other revisions of its answer go.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

NOBODY: Final = 0
HASH_BYTES: Final = 8
"""Of a million names two share such a hash once in 37 million runs."""


def hash_of(name: str) -> int:
    """The same in every process."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=HASH_BYTES).digest())


def subject_hash(subject: str | None) -> int:
    """Part of the subject itself, which is a hash; nobody's where there is none."""
    return int(subject[: 2 * HASH_BYTES], 16) if subject else NOBODY


@dataclass(slots=True)
class Seen:
    """Which answers and subjects one partition holds, a few bytes each."""

    ids: array[int] = field(default_factory=lambda: array("Q"))
    subjects: array[int] = field(default_factory=lambda: array("Q"))

    def note(self, answer: int, subject: int) -> None:
        """One record."""
        self.ids.append(answer)
        self.subjects.append(subject)

    def repeated(self) -> dict[int, tuple[int, set[int]]]:
        """Answers of which there is more than one record: how many there are, and the subjects they name."""
        several: set[int] = set()
        before = None
        for one in sorted(self.ids):
            if one == before:
                several.add(one)
            before = one
        found: dict[int, tuple[int, set[int]]] = {}
        for one, subject in zip(self.ids, self.subjects, strict=True):
            if one in several:
                number, subjects = found.get(one, (0, set()))
                found[one] = number + 1, subjects | ({subject} - {NOBODY})
        return found


@dataclass(slots=True)
class Scanned:
    """What a worker found in its share of the partitions. `aliases` are subjects that go by another's name."""

    records: int = 0
    repeated: dict[int, tuple[int, set[int]]] = field(default_factory=dict)
    aliases: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sharing:
    """Who belongs to whom. `repeated` counts the records of answers that have more than one."""

    workers: int
    repeated: Mapping[int, int]
    _names: Mapping[int, int]
    _tied: Mapping[int, int]
    _lead: Mapping[int, int]

    @classmethod
    def of(cls, scans: Iterable[Scanned], workers: int) -> Sharing:
        """From what all workers have found."""
        repeated: Counter[int] = Counter()
        names: dict[int, int] = {}
        subjects_of: dict[int, set[int]] = {}
        for scan in scans:
            names |= scan.aliases
            for answer, (number, subjects) in scan.repeated.items():
                repeated[answer] += number
                if subjects:
                    subjects_of[answer] = subjects
        tied: dict[int, int] = {}
        lead: dict[int, int] = {}
        for answer, subjects in subjects_of.items():
            persons = {_root(names.get(one, one), tied) for one in subjects}
            first = lead[answer] = min(persons)
            tied.update(dict.fromkeys(persons - {first}, first))
        return cls(workers, dict(repeated), names, tied, lead)

    def person(self, subject: int) -> int:
        """The one name of a person, by any of their subjects."""
        return self._names.get(subject, subject)

    def worker(self, answer: int, subject: int) -> int:
        """Which worker decides about a record."""
        if subject == NOBODY:
            subject = self._lead.get(answer, answer)
        return _root(self.person(subject), self._tied) % self.workers


def _root(person: int, tied: Mapping[int, int]) -> int:
    while person in tied:
        person = tied[person]
    return person
