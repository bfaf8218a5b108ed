"""What the services run on: an embedded Kafka, sandboxes to run against, and files for containers and dashboards."""
