"""Google Business Profile: notifications name reviews, and stars are never a score."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.malformed import Malformed
from schemas.response import Submission
from services.intake.sources.google_reviews import Options, access, keys, parse, read_review, verify
from services.intake.sources.source import Access, Answered, Call, Grant, Lookup, Said, Unverified
from tests.support.kits.google_reviews import ISSUERS, KIT, claims
from tests.support.kits.kit import NOW

REVIEW = json.loads(KIT.api["written"])


def options() -> Options:
    parsed = KIT.parsed_options()
    assert isinstance(parsed, Options)
    return parsed


def told(name: str) -> Submission:
    (said,) = KIT.told(name, options())
    assert isinstance(said, Answered)
    return said.submission


def notified(data: object) -> list[Said]:
    """What a notification says that comes through Pub/Sub."""
    encoded = base64.b64encode(json.dumps(data).encode()).decode()
    return parse(KIT.call(json.dumps({"message": {"data": encoded, "messageId": "1"}}).encode()), options())


@pytest.mark.parametrize(("name", "review"), [("written", "AbFvOq_-1"), ("changed", "AbFvOq_-2")])
def test_a_notification_names_the_review_in_either_spelling(name: str, review: str) -> None:
    (lookup,) = parse(KIT.call(KIT.recorded[name]), options())
    assert isinstance(lookup, Lookup)
    assert lookup.path == f"v4/accounts/1100/locations/2200/reviews/{review}"


def test_stars_are_a_rating_and_never_a_score() -> None:
    submission = told("written")
    assert (submission.metric, submission.rating, submission.score) == ("review", 2, None)
    assert (told("changed").rating, submission.solicited) == (5, False)


def test_who_wrote_comes_along_unless_that_was_kept_back() -> None:
    assert (told("written").name, told("written").comment) == ("Lian Smith", "Čekali jsme hodinu.")
    assert (told("changed").name, told("changed").comment) == (None, None)


def test_the_place_is_an_attribute_and_may_be_a_segment() -> None:
    assert told("written").attributes == {"location": "locations/2200"}
    assert told("written").segments == {"place": "locations/2200"}


def test_a_change_is_a_later_revision_of_the_same_review() -> None:
    submission = told("changed")
    assert submission.response_id == "AbFvOq_-2"
    assert submission.answered_at == datetime(2026, 5, 19, 8, tzinfo=UTC)
    assert submission.updated_at == datetime(2026, 5, 20, 11, 59, 41, tzinfo=UTC)


@pytest.mark.parametrize(
    "name",
    [
        "accounts/1/locations/2/reviews/../../../token",
        "accounts/1/locations/2/reviews/3?alt=media",
        "accounts/1/locations/2/reviews/3/reply",
        "accounts/1/locations/2/reviews/",
        "https://example.org/accounts/1/locations/2/reviews/3",
        "accounts/1/locations/2",
        7,
        None,
    ],
)
def test_a_notification_that_names_no_review_says_nothing(name: object) -> None:
    assert notified({"review_name": name}) == []


@pytest.mark.parametrize("data", [[], "accounts/1/locations/2/reviews/3", 1, None])
def test_a_notification_that_is_no_object_is_malformed(data: object) -> None:
    with pytest.raises(Malformed, match=r"message.data: not a JSON object in base64"):
        notified(data)


def test_a_review_without_stars_is_malformed() -> None:
    unspecified = json.dumps(REVIEW | {"starRating": "STAR_RATING_UNSPECIFIED"}).encode()
    with pytest.raises(Malformed, match="starRating: "):
        read_review(options(), "locations/2200", unspecified)


def verified(token: str, at: datetime = NOW) -> None:
    verify(Call.of({"authorization": f"Bearer {token}"}, b"{}"), options(), KIT.secret, at)


GOOGLE = ISSUERS[KIT.secret]


@pytest.mark.parametrize(
    ("claimed", "reason"),
    [
        ({"iss": "https://example.org"}, "of another issuer"),
        ({"aud": "https://example.org"}, "for another audience"),
        ({"email": "another@example.org"}, "held by somebody else"),
        ({"email_verified": False}, "held by somebody else"),
        ({"exp": int(NOW.timestamp()) - 301}, "its time is over"),
        ({"iat": int(NOW.timestamp()) + 301}, "its time has not come"),
        ({"exp": None}, "not of the form"),
        ({"aud": ["https://example.org"]}, "not of the form"),
    ],
)
def test_an_id_token_of_anybody_else_or_for_anything_else_is_refused(claimed: dict[str, Any], reason: str) -> None:
    with pytest.raises(Unverified, match=reason):
        verified(GOOGLE.token(claims(NOW, **claimed)))


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ({"alg": "none"}, "not of the form"),
        ({"alg": "HS256"}, "not of the form"),
        ({"kid": "another"}, "signed with an unknown key"),
    ],
)
def test_an_id_token_is_signed_in_one_way_and_with_a_key_that_is_known(head: dict[str, Any], reason: str) -> None:
    with pytest.raises(Unverified, match=reason):
        verified(GOOGLE.token(claims(NOW), head))


def test_an_id_token_whose_signature_does_not_fit_is_refused_whatever_it_claims() -> None:
    head, claimed, signature = GOOGLE.token(claims(NOW)).split(".")
    _, other, _ = GOOGLE.token(claims(NOW, email="another@example.org")).split(".")
    for token in (f"{head}.{claimed}.", f"{head}.{other}.{signature}", ISSUERS[KIT.other_secret].token(claims(NOW))):
        with pytest.raises(Unverified, match="the signature does not fit"):
            verified(token)


def test_an_id_token_holds_for_its_hour_and_what_clocks_may_differ() -> None:
    token = GOOGLE.token(claims(NOW))
    first, last, second = NOW - timedelta(minutes=5), NOW + timedelta(minutes=65), timedelta(seconds=1)
    for at in (first, last):
        verified(token, at)
    for at in (first - second, last + second):
        with pytest.raises(Unverified):
            verified(token, at)


@pytest.mark.parametrize(
    "keys", ["", "{}", '{"keys": [{"kid": "a key", "kty": "RSA", "n": "AQ", "e": "AQ"}]}', "<html>"]
)
def test_keys_that_cannot_be_read_prove_nobody(keys: str) -> None:
    call = Call.of({"authorization": f"Bearer {GOOGLE.token(claims(NOW))}"}, b"{}")
    with pytest.raises(Unverified, match="id token: "):
        verify(call, options(), keys, NOW)


def test_without_a_service_account_a_token_of_ours_in_the_address_that_is_pushed_to_is_enough() -> None:
    plain = KIT.parsed_options(service_account=None, audience=None)
    assert isinstance(plain, Options)
    assert (keys(plain), keys(options())) == (None, "https://www.googleapis.com/oauth2/v3/certs")
    verify(Call.of({}, b"{}", {"token": "a token of ours"}), plain, "a token of ours", NOW)
    with pytest.raises(Unverified, match="token: missing or wrong"):
        verify(Call.of({"authorization": "Bearer of.another.kind"}, b"{}"), plain, "a token of ours", NOW)


def test_a_service_account_without_an_audience_is_said_at_start() -> None:
    with pytest.raises(ValidationError, match="service_account and audience: both or neither"):
        KIT.parsed_options(audience=None)


def test_a_refresh_token_is_exchanged_and_an_access_token_is_shown_as_it_is() -> None:
    grant = Grant("https://oauth2.googleapis.com/token", "id", "secret", "1//refresh")
    assert access(options(), "id&secret&1//refresh") == Access("https://mybusiness.googleapis.com", grant=grant)
    assert access(options(), "ya29.token").headers == {"authorization": "Bearer ya29.token"}
