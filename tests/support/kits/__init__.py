"""What the conformance suite needs to know of each vendor: one module each, with its KIT."""
