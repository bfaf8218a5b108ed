"""The tally of one partition of `nps.people`: of each person, the latest answer alone."""

from __future__ import annotations

from collections.abc import Sequence

from services.scoring.partition_tally import Change, PartitionTally
from services.scoring.people import Fact, FoldedPeople, fold, person_key
from services.scoring.tally import ANSWER


class PeopleTally(PartitionTally):
    """Counts people."""

    def fold(self, records: Sequence[tuple[int, Fact]], end: int) -> FoldedPeople:
        """Folds a run of facts, each with its offset, that ends before `end`; durable on return."""
        facts = [fact for _, fact in records]
        people = dict.fromkeys(person_key(self._names, fact) for fact in facts)
        known = {person: {key[1:]: content for key, content in self._store.scan(ANSWER + person)} for person in people}
        folded = fold(facts, known, self._names)
        put = {ANSWER + key: content for key, content in folded.answers.items() if content is not None}
        gone = [ANSWER + key for key, content in folded.answers.items() if content is None]
        self.keep(Change(folded.more, folded.less, put, gone), end)
        return folded
