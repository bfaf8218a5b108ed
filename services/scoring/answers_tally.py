"""The tally of one partition of `nps.responses`: every answer counted once, its contribution kept.

For tenants that count each person's latest answer as well, it also keeps which facts about people are to be published.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Final

from services.scoring.partition_tally import SLOTS_IN_MEMORY, Change, PartitionTally, PendingFact
from services.scoring.segments import NO_RULES, Rules
from services.scoring.store import Store
from services.scoring.tally import ANSWER, Answer, Contribution, Fold, Folded, response_of

FACT: Final = b"p"
SUBJECT_BYTES: Final = 16

_NUMBER: Final = struct.Struct(">Q")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _no_rules(tenant: str) -> Rules:
    del tenant
    return NO_RULES


class AnswersTally(PartitionTally):
    """Counts answers."""

    def __init__(
        self,
        store: Store,
        today: date,
        rules_of: Callable[[str], Rules] = _no_rules,
        slots_in_memory: int = SLOTS_IN_MEMORY,
    ) -> None:
        super().__init__(store, today, slots_in_memory)
        self._fold = Fold(self._names, rules_of)
        self._facts_wait = any(True for _ in islice(store.scan(FACT), 1))
        self._after = b""

    def fold(self, answers: Sequence[tuple[int, Answer]], end: int) -> Folded:
        """Folds a run of records that ends before `end`; durable on return."""
        keys = self._fold.keys_of(answers)
        wanted = list(dict.fromkeys(keys))
        stored = self._store.get_many(wanted)
        known = {key: value for key, value in zip(wanted, stored, strict=True) if value is not None}
        folded = self._fold(answers, keys, known)
        put = folded.contributions
        if folded.people:
            mark = _NUMBER.pack(max(end - 1, 0))
            put |= {FACT + subject + key: mark for subject, key in folded.people}
            self._facts_wait = True
        self.keep(Change(folded.more, folded.less, put), end)
        return folded

    def pending_facts(self, most: int) -> list[PendingFact]:
        """Facts about people that wait to be published, as they stand."""
        if not self._facts_wait or not most:
            return []
        marks = self._marks(most)
        self._facts_wait = bool(marks)
        stored = self._store.get_many([key[1 + SUBJECT_BYTES :] for key, _ in marks])
        return [
            self._fact(key[1:], _NUMBER.unpack(mark)[0], content)
            for (key, mark), content in zip(marks, stored, strict=True)
            if content is not None
        ]

    def published_facts(self, acknowledged: Sequence[PendingFact]) -> None:
        """Clears the marks of facts that have not changed since."""
        marks = self._store.get_many([FACT + fact.key for fact in acknowledged])
        same = [
            FACT + fact.key
            for fact, mark in zip(acknowledged, marks, strict=True)
            if mark is not None and _NUMBER.unpack(mark)[0] == fact.offset
        ]
        self._store.write({}, same)
        self._after = max((FACT + fact.key for fact in acknowledged), default=b"")

    def publish_all(self) -> None:
        """Marks every cell and every fact."""
        super().publish_all()
        mark = _NUMBER.pack(max(self.position - 1, 0))
        for key, content in self._store.scan(ANSWER):
            person = Contribution.unpacked(content).person
            if person:
                self._store.write({FACT + person.subject + key: mark})
                self._facts_wait = True

    @property
    def all_published(self) -> bool:
        """Whether nothing waits."""
        return super().all_published and not self._facts_wait

    def _marks(self, most: int) -> list[tuple[bytes, bytes]]:
        """Goes on after what was published last: what was deleted before it is slow to pass by."""
        marks = list(islice(self._store.scan(FACT, self._after), most))
        if not marks and self._after:
            self._after = b""
            marks = list(islice(self._store.scan(FACT), most))
        return marks

    def _fact(self, key: bytes, offset: int, content: bytes) -> PendingFact:
        """`key` is that of the person and, after it, that of the answer, which may be somebody else's by now."""
        subject = key[:SUBJECT_BYTES]
        tenant, response_id = response_of(key[SUBJECT_BYTES:])
        contribution = Contribution.unpacked(content)
        person = contribution.person
        counts = person is not None and person.subject == subject
        return PendingFact(
            key=key,
            offset=offset,
            tenant=self._names.tenant_by_code[tenant],
            subject=subject.hex(),
            response_id=response_id,
            answered_at=_EPOCH + timedelta(milliseconds=person.at_ms if person and counts else 0),
            score=contribution.score if counts else None,
            segments=tuple(self._names.by_code[code][1] for code in contribution.segments.numbers) if counts else (),
        )
