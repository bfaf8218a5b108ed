"""Playbooks: a business's rules, readable by who wrote them, and the one that ships."""
