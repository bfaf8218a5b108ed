"""Each vendor has its page: what is to be clicked there, and YAML that the business file reads."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from services.chassis.business import Business
from services.console.serving import NAMES, SHIPPED
from services.intake.settings import IntakeSection
from services.intake.sources.catalogue import ADAPTERS, AnyOptions
from services.intake.sources.source import Answered, Call, OptedOut

GUIDES = Path(__file__).parents[2] / "docs" / "guides" / "sources"
INDEX = GUIDES / "README.md"
PAGES = sorted(GUIDES.glob("*.md"))
FENCED = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
ROW = re.compile(r"^\| \[([^\]]+)\]\(([\w-]+)\.md\) \| `(\w+)` \|", re.MULTILINE)
ADDRESS = "`https://<intake>/v1/sources/<tenant>/<name>"


def blocks(page: Path, kind: str) -> list[str]:
    return [text for written, text in FENCED.findall(page.read_text()) if written == kind]


def sources(page: Path, folder: Path) -> dict[str, AnyOptions]:
    """The sources of a page, as intake reads them from the business file."""
    own = folder / "own.yaml"
    found: dict[str, AnyOptions] = {}
    for block in blocks(page, "yaml"):
        own.write_text(block)
        section = Business.load(SHIPPED, own, frozenset(NAMES)).sections("intake", IntakeSection)
        found |= section.of("default").sources
    return found


@pytest.mark.parametrize("vendor", sorted(ADAPTERS))
def test_every_vendor_has_a_page_with_the_address_to_give_it(vendor: str) -> None:
    assert ADDRESS in (GUIDES / f"{vendor}.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_yaml_on_a_page_is_read_without_error_and_its_secrets_belong_to_its_sources(
    page: Path, tmp_path: Path
) -> None:
    found = sources(page, tmp_path)
    assert found, "no YAML that names a source"
    if page.stem in ADAPTERS:
        assert {options.vendor for options in found.values()} == {page.stem}
    named = re.findall(r"^NPS_SOURCE_SECRETS='(.*)'$", "\n".join(blocks(page, "sh")), re.MULTILINE)
    secrets = {name: secret for text in named for name, secret in json.loads(text).items()}
    assert set(secrets) == {f"default/{name}" for name in found}


def test_the_index_lists_every_page_in_the_order_of_the_alphabet() -> None:
    rows = ROW.findall(INDEX.read_text())
    assert sorted(stem for _, stem, _ in rows) == sorted(page.stem for page in PAGES if page != INDEX)
    assert {vendor for _, _, vendor in rows} >= set(ADAPTERS)
    assert [title for title, _, _ in rows] == sorted((title for title, _, _ in rows), key=str.casefold)
    assert [title for title, stem, _ in rows] == [
        (GUIDES / f"{stem}.md").read_text().splitlines()[0].removeprefix("# ") for _, stem, _ in rows
    ]


def test_the_template_for_retently_is_read_as_its_page_says(tmp_path: Path) -> None:
    (template,) = blocks(GUIDES / "retently.md", "json")
    (options,) = sources(GUIDES / "retently.md", tmp_path).values()
    filled = {"score": "9", "date": "2026-05-20T11:59:40Z", "email": "lian.smith@example.org"}

    def sent(event: str) -> Call:
        values = filled | {"event": event}
        return Call({}, re.sub(r"<(\w+)>", lambda found: values.get(found[1], found[1]), template).encode())

    (answered,) = ADAPTERS["retently"].parse(sent("feedback"), options)
    assert isinstance(answered, Answered)
    told = answered.submission
    assert (told.response_id, told.score, told.comment, told.segments) == ("id", 9, "comment", {"plan": "plan"})
    assert ADAPTERS["retently"].parse(sent("opted_out"), options) == [
        OptedOut(email="lian.smith@example.org", at=told.answered_at)
    ]
    assert ADAPTERS["retently"].parse(sent("bounced"), options) == []


def test_the_body_in_the_recipe_becomes_an_answer(tmp_path: Path) -> None:
    (body,) = blocks(GUIDES / "generic.md", "json")
    options = sources(GUIDES / "generic.md", tmp_path)["after-visit"]
    (answered,) = ADAPTERS["generic"].parse(Call({}, body.encode()), options)
    assert isinstance(answered, Answered)
    told = answered.submission
    assert (told.response_id, told.score, told.comment) == ("1lwBnVbM4", 9, "Quick and friendly")
    assert (told.email, told.channel) == ("guest@example.org", "website")
    unanswered = body.replace('"nps": 9', '"nps": null').encode()
    assert ADAPTERS["generic"].parse(Call({}, unanswered), options) == []
