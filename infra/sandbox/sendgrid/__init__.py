"""A SendGrid to run against: takes mail as the real one does, tells of it by signed webhooks, and fails on request."""
