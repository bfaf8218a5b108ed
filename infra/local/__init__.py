"""Everything on one machine with nothing but Python: the embedded Kafka and the stack of services around it."""
