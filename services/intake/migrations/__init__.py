"""Migrations of intake's database."""
