"""Migrations of outreach's database."""
