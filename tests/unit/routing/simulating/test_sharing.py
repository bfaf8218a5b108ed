"""One person is with one worker, by whatever name they come."""

from __future__ import annotations

from services.routing.simulating.sharing import NOBODY, Scanned, Seen, Sharing


def shared(*repeated: tuple[int, int, set[int]], aliases: dict[int, int] | None = None) -> Sharing:
    scan = Scanned(repeated={answer: (times, names) for answer, times, names in repeated}, aliases=aliases or {})
    return Sharing.of([scan, Scanned()], 2)


def test_answers_of_one_subject_are_with_one_worker() -> None:
    sharing = shared()
    assert {sharing.worker(answer, 7) for answer in range(50)} == {1}
    assert {sharing.worker(answer, NOBODY) for answer in range(50)} == {0, 1}


def test_linked_subjects_are_one_person() -> None:
    sharing = shared(aliases={4: 7})
    assert sharing.person(4) == sharing.person(7) == 7
    assert sharing.worker(1, 4) == sharing.worker(2, 7)


def test_subjects_that_one_answer_names_are_tied_and_so_are_those_tied_to_them() -> None:
    sharing = shared((1, 2, {3, 10}), (2, 2, {10, 12}), (3, 3, {21, 12}))
    assert len({sharing.worker(9, subject) for subject in (3, 10, 12, 21)}) == 1
    assert sharing.person(3) != sharing.person(10)  # they stay two people all the same


def test_a_retraction_that_names_nobody_goes_where_its_answer_is() -> None:
    for subject in (6, 7):
        sharing = shared((1, 2, {subject}))
        assert sharing.worker(1, NOBODY) == sharing.worker(1, subject)


def test_only_answers_with_several_records_are_told() -> None:
    seen = Seen()
    for answer, subject in ((1, 5), (2, 6), (1, NOBODY), (3, NOBODY), (1, 8)):
        seen.note(answer, subject)
    assert seen.repeated() == {1: (3, {5, 8})}
