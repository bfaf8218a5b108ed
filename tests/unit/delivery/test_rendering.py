"""Mails as they are read: whatever the data, it stays data."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.failures import Malformed
from services.delivery.rendering import KINDS, Kind, Letter, Templates, greeting_name, one_line
from services.delivery.settings import Item, Sender

TEMPLATES = Templates.shipped()
LETTER = Letter(
    kind="perk",
    language="en",
    name="Ada",
    item=Item(title="A month on us", text="Your next month is free."),
    code="7KQM-X2RT-09VD",
    sender=Sender(email="hello@acme.example", name="Acme", address="1 Main Street, Helsinki"),
    unsubscribe_url="https://acme.example/u/token",
)

HOSTILE = [
    "{{7*7}}",
    "{% for x in range(9) %}9{% endfor %}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ sender.__init__.__globals__ }}",
    "${7*7}",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "</title><script>",
    "&lt;b&gt;",
    "Ada\r\nBcc: everybody@example.org",
    "Ada\nSubject: other",
    "Ada\x00\x1b[31m",
    "\u202egpj.exe",
    "Ada\u2028Bcc: x",
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_mail_says_what_it_is_about(kind: Kind) -> None:
    rendered = TEMPLATES.render(replace(LETTER, kind=kind))
    for part in (rendered.html, rendered.text):
        for said in ("Ada", "A month on us", "Your next month is free.", "7KQM-X2RT-09VD", "Acme", "1 Main Street"):
            assert said in part
        assert "https://acme.example/u/token" in part
    assert "A month on us" in rendered.subject


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("kind", KINDS)
def test_a_hostile_name_is_text_or_nothing(kind: Kind, hostile: str) -> None:
    plain = TEMPLATES.render(replace(LETTER, kind=kind, name=None))
    rendered = TEMPLATES.render(replace(LETTER, kind=kind, name=hostile))
    assert _tags(rendered.html) == _tags(plain.html)
    assert "49" not in rendered.text
    assert rendered.subject == plain.subject
    assert len(rendered.text.splitlines()) == len(plain.text.splitlines())


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_catalogue_is_text_as_well(hostile: str) -> None:
    item = Item.model_construct(title=hostile, text=hostile, link=None)
    sender = Sender.model_construct(email="a@b.example", name=hostile, address=hostile)
    rendered = TEMPLATES.render(replace(LETTER, item=item, sender=sender))
    assert _tags(rendered.html) == _tags(TEMPLATES.render(LETTER).html)
    assert rendered.subject.isprintable()


@given(st.text(max_size=300))
def test_no_subject_breaks_its_line(title: str) -> None:
    subject = TEMPLATES.render(replace(LETTER, item=Item.model_construct(title=title, text="t", link=None))).subject
    assert subject.isprintable()
    assert len(subject) <= 150


def test_who_has_no_name_is_greeted_without() -> None:
    rendered = TEMPLATES.render(replace(LETTER, name=None))
    assert "Thank you!" in rendered.text
    assert "None" not in rendered.html + rendered.text


@pytest.mark.parametrize(
    "name", ["https://evil.example", "Click www.evil.example", "evil.example now", "a@b.example", "x" * 61, " \t "]
)
def test_a_name_that_carries_a_link_is_left_out(name: str) -> None:
    assert greeting_name(name) is None


@pytest.mark.parametrize("name", ["Ada Lovelace", "Jean-Luc", "O'Brien", "Ömer Şahin", "李雷", "J. R. R. Tolkien"])
def test_a_name_is_a_name_in_any_script(name: str) -> None:
    assert greeting_name(name) == name


def test_control_characters_become_spaces() -> None:
    assert one_line("a\r\n b\x00c\u2028d") == "a b c d"


def test_the_closest_language_there_is_is_taken() -> None:
    sources = _sources() | {f"fi/{name}": "suomi" for name in _names("en")}
    templates = Templates(sources)
    assert [templates.language(tag) for tag in ("fi-FI", "FI", "en-GB", "sv", None)] == ["fi", "fi", "en", "en", "en"]
    assert templates.render(replace(LETTER, language="fi-FI")).html == "suomi"


def test_every_language_has_every_template() -> None:
    assert TEMPLATES.languages == {"en"}
    for language in TEMPLATES.languages:
        assert _names(language) == _names("en")


def test_a_template_that_cannot_be_filled_is_named() -> None:
    templates = Templates(_sources() | {"en/perk.html": "{{ nobody }}"})
    with pytest.raises(Malformed, match=r"template: en/perk: UndefinedError"):
        templates.render(LETTER)


def test_a_template_reaches_nothing_behind_its_data() -> None:
    templates = Templates(_sources() | {"en/perk.html": "{{ item.__class__.__init__.__globals__ }}"})
    with pytest.raises(Malformed, match="SecurityError"):
        templates.render(LETTER)


def test_a_mail_fetches_nothing_and_styles_itself_for_dark_screens() -> None:
    html = TEMPLATES.render(LETTER).html
    assert not re.search(r"<(img|script|link|iframe|form)\b|url\(|@import", html)
    assert "prefers-color-scheme: dark" in html
    assert 'name="color-scheme"' in html


@pytest.mark.parametrize("stage", ["ask", "done", "unknown"])
def test_only_the_page_that_asks_has_a_button(stage: str) -> None:
    page = TEMPLATES.unsubscribe_page(stage, None, LETTER.sender)  # type: ignore[arg-type]  # a literal by parameter
    assert ("<button" in page) == (stage == "ask")
    assert ('method="post"' in page) == (stage == "ask")


def _tags(html: str) -> list[str]:
    return re.findall(r"<[^>]+>", re.sub(r"<title>.*?</title>", "<title>", html, flags=re.DOTALL))


def _folder() -> Path:
    return Path(str(files("services.delivery"))) / "templates"


def _sources() -> dict[str, str]:
    return {str(path.relative_to(_folder())): path.read_text() for path in _folder().rglob("*.*")}


def _names(language: str) -> set[str]:
    return {path.name for path in (_folder() / language).iterdir()}
