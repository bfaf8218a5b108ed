# Publishes one answer over HTTP; NPS_API_KEY is the key that `make run` prints.
curl --fail-with-body "${NPS_INTAKE_URL:-http://127.0.0.1:8081}/v1/responses" \
  --header "Authorization: Bearer $NPS_API_KEY" \
  --header "Idempotency-Key: order-4712" \
  --json '{"response_id": "order-4712", "score": 3, "channel": "website", "email": "you@example.org",
           "comment": "Nobody called me back."}'
