"""Stand-ins for the systems outside: a SendGrid and a CRM that behave like the real ones, faults included."""
