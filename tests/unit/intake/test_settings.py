"""Intake's settings: a secret that could verify nothing is said at start."""

from __future__ import annotations

import pytest

from services.chassis.settings import BadSettings, load
from services.intake.settings import IntakeSettings

MASTER_KEY = "A" * 43 + "="


@pytest.mark.parametrize(
    ("secret", "reason"),
    [("whsec_!", "must be whsec_ and base64"), ("whsec_AAAA", "3 bytes, must be at least 16")],
)
def test_a_malformed_secret_of_the_crm_is_said_at_start(secret: str, reason: str) -> None:
    with pytest.raises(BadSettings, match=f"NPS_CRM_WEBHOOK_SECRET: {reason}"):
        load(IntakeSettings, master_key=MASTER_KEY, crm_webhook_secret=secret)


def test_without_a_secret_of_the_crm_intake_starts() -> None:
    assert load(IntakeSettings, master_key=MASTER_KEY).crm_webhook_secret is None


def test_the_public_address_is_an_address_and_ends_without_a_slash() -> None:
    settings = load(IntakeSettings, master_key=MASTER_KEY, public_url="https://nps.example.org/in/")
    assert settings.public_url == "https://nps.example.org/in"
    with pytest.raises(BadSettings, match="NPS_PUBLIC_URL: must be an http or https address without query"):
        load(IntakeSettings, master_key=MASTER_KEY, public_url="nps.example.org")


@pytest.mark.parametrize("setting", ["source_secrets", "source_tokens"])
@pytest.mark.parametrize(
    "value", ["{", "[]", '{"default/shop": 1}', '{"default/shop": "short"}', '{"default/shop": [""]}']
)
def test_what_is_no_map_of_secrets_is_said_at_start_and_never_shown(setting: str, value: str) -> None:
    with pytest.raises(BadSettings, match=f"NPS_{setting.upper()}: must be JSON") as refused:
        load(IntakeSettings, master_key=MASTER_KEY, **{setting: value})
    assert "short" not in str(refused.value)


def test_a_source_may_hold_one_token_or_several() -> None:
    held = '{"default/one": "first-token", "default/two": ["newest-token", "older-token"]}'
    settings = load(IntakeSettings, master_key=MASTER_KEY, source_tokens=held)
    assert settings.tokens_of("default", "one") == ("first-token",)
    assert settings.tokens_of("default", "two") == ("newest-token", "older-token")
    assert settings.tokens_of("other", "one") == settings.secrets_of("default", "one") == ()
