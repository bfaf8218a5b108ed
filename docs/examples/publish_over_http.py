"""Publishes one answer over HTTP, with nothing but Python; NPS_API_KEY is the key that `make run` prints."""

import json
import os
import urllib.request

answer = {
    "response_id": "order-4713",  # your own id: sent twice, it is counted once
    "score": 10,
    "channel": "in_app",
    "email": "you@example.org",
    "comment": "Did what I wanted at once.",
    "segments": {"plan": "pro"},
}
request = urllib.request.Request(
    os.environ.get("NPS_INTAKE_URL", "http://127.0.0.1:8081") + "/v1/responses",
    json.dumps(answer).encode(),
    {
        "Authorization": f"Bearer {os.environ['NPS_API_KEY']}",
        "Content-Type": "application/json",
        "Idempotency-Key": "order-4713",
    },
)
with urllib.request.urlopen(request, timeout=30) as accepted:  # 4xx and 5xx raise
    print(accepted.status, accepted.read().decode())
