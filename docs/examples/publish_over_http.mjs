// Publishes one answer over HTTP, with nothing but Node 18 or later; NPS_API_KEY is the key that `make run` prints.

const accepted = await fetch(`${process.env.NPS_INTAKE_URL ?? "http://127.0.0.1:8081"}/v1/responses`, {
  method: "POST",
  headers: {
    Authorization: `Bearer ${process.env.NPS_API_KEY}`,
    "Content-Type": "application/json",
    "Idempotency-Key": "order-4714",
  },
  body: JSON.stringify({
    response_id: "order-4714", // your own id: sent twice, it is counted once
    score: 7,
    channel: "live_chat",
    email: "you@example.org",
    comment: "Fine, but I had to ask twice.",
  }),
});
console.log(accepted.status, await accepted.text());
if (!accepted.ok) process.exit(1); // problem+json: errors names each field
