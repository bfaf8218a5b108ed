"""The frame each service is bolted to: Kafka, SQL, settings, logs, metrics, dead letters, lifecycle, keyring.

Knows Kafka and SQL and knows no NPS. Whether something belongs here, its name decides: would any Kafka service want it?
"""
