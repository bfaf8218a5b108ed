"""Migrations of routing's database."""
