"""W3C Trace Context: one trace from the way in to what goes out."""

from __future__ import annotations

import pytest

from services.chassis.tracing import child_of, trace_id

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
TRACE = "0af7651916cd43dd8448eb211c80319c"


def test_a_child_is_a_new_span_of_the_same_trace() -> None:
    child = child_of(PARENT)
    assert trace_id(child) == TRACE
    assert child != PARENT
    assert child != child_of(PARENT)


def test_whether_a_trace_is_sampled_is_carried_on() -> None:
    assert child_of(PARENT).endswith("-00")
    assert child_of(PARENT[:-2] + "01").endswith("-01")


@pytest.mark.parametrize(
    "parent",
    [
        None,
        "",
        "00",
        PARENT.upper(),
        PARENT + "-more",
        PARENT.replace(TRACE, "0" * 32),
        PARENT.replace("b7ad6b7169203331", "0" * 16),
        "ff" + PARENT[2:],
        " " + PARENT,
        PARENT + "\n",
    ],
)
def test_what_is_no_parent_starts_a_trace_of_its_own(parent: str | None) -> None:
    assert trace_id(parent) is None
    assert trace_id(child_of(parent)) not in {None, TRACE}
