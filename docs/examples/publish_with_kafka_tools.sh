# Publishes one answer to its channel's topic with Kafka's own command line.
echo '{"response_id": "order-4716", "score": 8, "email": "you@example.org", "comment": "Good value."}' |
  kafka-console-producer.sh --bootstrap-server "${NPS_KAFKA_BOOTSTRAP:-127.0.0.1:9092}" --topic responses.email
