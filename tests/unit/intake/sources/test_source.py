"""What every source has in common: where a vendor's API may be."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from services.intake.sources.source import Access, ApiAddress, Grant, bearer

ADDRESS: TypeAdapter[str] = TypeAdapter(ApiAddress)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://api.example.org", "https://api.example.org"),
        ("https://api.example.org/", "https://api.example.org"),
        ("https://api.example.org:8443/base/", "https://api.example.org:8443/base"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("http://[::1]:9000", "http://[::1]:9000"),
        ("http://localhost", "http://localhost"),
    ],
)
def test_a_vendors_api_is_asked_over_https_or_on_this_machine(given: str, kept: str) -> None:
    assert ADDRESS.validate_python(given) == kept


@pytest.mark.parametrize(
    "given",
    [
        "http://api.example.org",
        "http://127.0.0.1.example.org",
        "http://10.0.0.1",
        "ftp://api.example.org",
        "https://",
        "https://me@api.example.org",
        "https://:x@api.example.org",
        "https://api.example.org?to=there",
        "https://api.example.org#there",
        "https://api.example.org:x",
        "https://[api",
        "https://api example.org",
        "https://ápi.example.org",
        "api.example.org",
        "",
    ],
)
def test_any_other_address_is_refused(given: str) -> None:
    with pytest.raises(ValidationError, match="must be"):
        ADDRESS.validate_python(given)


def test_what_opens_an_api_is_in_no_text_about_it() -> None:
    grant = Grant("https://a.example.org", "id", "s3cret", "r3fresh")
    text = repr([bearer("https://a.example.org", "t0ken"), Access("https://a.example.org", grant=grant)])
    assert not any(secret in text for secret in ("t0ken", "s3cret", "r3fresh"))
