"""SurveyMonkey's kit."""

from __future__ import annotations

from typing import Final

from tests.support.kits.kit import Kit, base64_signature

KIT: Final = Kit(
    vendor="surveymonkey",
    options={
        "score": "319352786",
        "choices": {str(3057839051 + points): points for points in range(11)},
        "comment": "319352787",
        "customer_id": "customer",
        "segment_by": {"country": "country"},
    },
    secret="client-id&the app's secret",
    other_secret="client-id&another app's secret",
    sign=base64_signature("sm-signature", digest="sha1"),
    proof="sm-signature",
    content_type="application/vnd.surveymonkey.response.v1+json",
)
