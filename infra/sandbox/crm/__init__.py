"""A small CRM to run against: tasks come in from Kafka, what people do with them goes out as signed webhooks."""
