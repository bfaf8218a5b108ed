"""Outreach's section of the business file."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from services.outreach.settings import OutreachSection


def test_a_rule_may_have_owners_of_its_own() -> None:
    section = OutreachSection(owners=("eva",), owners_by_rule={"key-accounts": ("ole", "per")})
    assert section.owners_for("key-accounts") == ("ole", "per")
    assert section.owners_for("talk-to-detractors") == section.owners_for(None) == ("eva",)


def test_spans_are_written_as_iso_8601() -> None:
    assert OutreachSection.model_validate({"ask_again_after": "P30D"}).ask_again_after == timedelta(days=30)


@pytest.mark.parametrize(
    "section", [{"owners": []}, {"owners": [""]}, {"due_in": "PT0S"}, {"ask_again_after": "-P1D"}, {"owner": ["eva"]}]
)
def test_a_section_that_makes_no_sense_is_refused(section: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        OutreachSection.model_validate(section)
