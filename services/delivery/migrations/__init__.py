"""Migrations of delivery's database."""
