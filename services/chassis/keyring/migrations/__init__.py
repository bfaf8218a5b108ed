"""Migrations of the keyring's database."""
