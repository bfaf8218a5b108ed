"""What tests share: a clock moved by hand, a broker, readers with a deadline, builders of events."""
