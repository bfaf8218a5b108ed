"""The form: one page with the one question, for answers that people enter and for those that come out of mails."""
