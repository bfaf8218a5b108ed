"""Senders whose form is their own: one module each, that verifies the raw bytes and then parses them."""
