"""The pages about vendors: what they say to write into the business file is right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from services.intake.settings import IntakeSection
from services.intake.sources.catalogue import ADAPTERS

PAGES = sorted((Path(__file__).parents[4] / "docs" / "guides" / "sources").glob("*.md"))


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem in ADAPTERS], ids=lambda page: str(page.stem))
def test_the_source_of_a_vendors_page_is_one_of_that_vendor(page: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)
    for block in blocks:
        section = IntakeSection.model_validate(yaml.safe_load(block)["tenants"]["default"]["intake"])
        assert {source.vendor for source in section.sources.values()} == {page.stem}
    assert blocks
